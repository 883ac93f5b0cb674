//! Raw identifiers: the column is named without `r#`.
#![deny(warnings)]

use tenant_runtime::{
    TenantEnum, TenantTable,
    model::def::IndexKeyDef,
    roles::{Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "crate_", select = "viewer", insert = "member", update = "member", unique(r#type, r#match))]
pub struct r#Struct {
    pub id: Uuid,
    pub crate_: Uuid,
    pub r#type: String,
    #[tenant(default = "1")]
    pub r#match: i32,
    pub r#enum: r#Kind,
}

#[derive(Debug, TenantEnum)]
pub enum r#Kind {
    r#Static,
}

/// Lower case, and a keyword.
#[allow(non_camel_case_types, reason = "it is the point of the test")]
#[derive(Debug, TenantTable)]
#[tenant(global, select = Viewer, insert = Member)]
pub struct r#for {
    #[tenant(id, app_assigned)]
    pub r#loop: String,
}

fn main() {
    let names: Vec<_> = Struct::TABLE.columns.iter().map(|column| (column.field, column.name)).collect();
    assert_eq!(names[2..], [("type", "type"), ("match", "match"), ("enum", "enum")]);
    assert_eq!(Struct::TABLE.indexes[0].parts.iter().map(|part| part.key).collect::<Vec<_>>(), ["type", "match"].map(IndexKeyDef::Column));
    assert_eq!((Struct::TABLE_NAME.table, r#for::TABLE_NAME.table), ("structs", "fors"));
    let _ = NewStruct { r#type: String::new(), r#match: None, r#enum: Kind::Static };
    let _ = StructChanges { r#type: None, ..Default::default() };
    let _ = Newfor { r#loop: String::new() };
}
