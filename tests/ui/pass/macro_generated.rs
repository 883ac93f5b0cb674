//! Structs that a macro writes: every piece of the declaration may be an argument.
#![deny(warnings)]

use tenant_runtime::{
    TenantEnum, TenantTable,
    roles::{Member, Viewer},
};
use uuid::Uuid;

macro_rules! table {
    ($(#[$meta:meta])* $vis:vis $name:ident, $org:ident, $org_name:literal, $select:literal, $insert:path, $default:expr,
     $($field:ident: $ty:ty),*) => {
        $(#[$meta])*
        #[derive(Debug, TenantTable)]
        #[tenant(org = $org_name, select = $select, insert = $insert, update = Member)]
        $vis struct $name {
            id: Uuid,
            $org: Uuid,
            $(#[tenant(default = $default, index)] $field: $ty,)*
            fixed: String,
        }
    };
}

table!(
    /// One.
    pub(crate) One, organization_id, "organization_id", "viewer", tenant_runtime::roles::Member, "0", a: i64, b: Option<i32>
);
table!(Two, org, "org", "member", Member, "now()",);

macro_rules! labels {
    ($name:ident { $($variant:ident = $label:literal),* }) => {
        #[derive(Debug, TenantEnum)]
        enum $name { $(#[tenant(rename = $label)] $variant),* }
    };
}

labels!(State { On = "an", Off = "aus" });

fn main() {
    assert_eq!((One::TABLE.doc, One::TABLE.columns.len()), ("One.", 5));
    assert_eq!(<State as tenant_runtime::PgColumn>::SQL, tenant_runtime::SqlType::Labels(&["an", "aus"]));
    let _ = NewOne { a: None, b: Some(None), fixed: String::new() };
    let _ = (NewTwo { fixed: String::new() }, TwoChanges::default(), OneChanges::default(), State::On, State::Off);
}
