//! Queries and filters that are built and not used are reported by `unused_must_use`.
#![deny(unused_must_use)]

use tenant_runtime::{Filter, Repository, TenantTable, TenantTx, roles::Member};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = Member, insert = Member, update = Member, delete = Member)]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
}

fn nothing(tx: &mut TenantTx<Member>) {
    Project::NAME.eq("x");
    Project::NAME.asc();
    Project::list(&mut *tx).filter(Project::NAME.eq("x"));
    Project::count(&mut *tx);
    Project::insert(&mut *tx, NewProject { name: String::new() });
    Project::update_where(&mut *tx, Filter::all_rows(), ProjectChanges::default());
}

fn main() {}
