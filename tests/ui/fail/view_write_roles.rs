//! Writing through a view requires the roles of its table, and `select` on the view's columns.

use tenant_runtime::{
    TenantTable, TenantTx, TenantView, ViewRepository,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "admin")]
struct Customer {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(select = "admin", insert = "admin", update = "admin")]
    credit: Option<i64>,
}

#[derive(TenantView)]
#[tenant(of = Customer)]
struct Card {
    id: Uuid,
    name: String,
}

#[derive(TenantView)]
#[tenant(of = Customer)]
struct Credit {
    credit: Option<i64>,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Note {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantView)]
#[tenant(of = Note)]
struct NoteCard {
    id: Uuid,
}

async fn write(viewer: &mut TenantTx<Viewer>, member: &mut TenantTx<Member>, new: [NewCustomer; 2]) {
    let [one, other] = new;
    let _ = Card::insert(viewer, one).await;
    let _ = Card::update(&mut *member, Uuid::nil(), CustomerChanges::default()).await;
    let _ = Credit::insert(&mut *member, other).await;
    let _ = NoteCard::insert(member, ()).await;
}

fn main() {}
