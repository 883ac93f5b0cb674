//! The expansion does not depend on names in the user's scope, and adds only its row structs and constants.
#![no_implicit_prelude]
#![allow(non_camel_case_types, non_upper_case_globals, dead_code)]

mod std {}
mod core {}
mod alloc {}
mod sqlx {}
mod inventory {}
mod tenant_derive {}

struct Option;
struct Some;
struct None;
struct Result;
struct Ok;
struct Err;
struct Vec;
struct String;
struct Default;
struct Debug;
struct Send;
struct bool;
struct str;
struct u32;
struct usize;
struct PgColumn;
struct Stored;
struct Select;
struct Role;
struct Tenancy;
struct TableDef;
struct ColumnDef;
struct Values;
struct RowReader;
trait TenantTable {
    fn read() {}
    fn default() {}
}
impl<T> TenantTable for T {}

macro_rules! file { () => { compile_error!("not this one") } }
macro_rules! line { () => { compile_error!("not this one") } }
macro_rules! submit { () => { compile_error!("not this one") } }

const row: () = ();
const values: () = ();
const new: () = ();
const changes: () = ();
const label: () = ();

use ::tenant_runtime::roles::{Member, Viewer};

#[derive(::tenant_runtime::TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = Member)]
#[tenant(unique(name, status))]
struct Project {
    id: ::uuid::Uuid,
    organization_id: ::uuid::Uuid,
    name: ::std::string::String,
    #[tenant(default = "'open'")]
    status: Status,
    #[tenant(sql_type = "citext", references = Project, on_delete = "set_null")]
    parent_id: ::core::option::Option<::uuid::Uuid>,
    #[tenant(skip)]
    cache: ::std::vec::Vec<i8>,
}

impl Project {
    const COLUMNS: () = ();
    const TABLE_NAME: () = ();
    const TABLE: () = ();
    const DEF: () = ();
    fn from_row() {}
    fn new_values() {}
    fn read() {}
    fn set() {}
}

#[derive(::tenant_runtime::TenantTable)]
#[tenant(parent = "project_id", select = "viewer", insert = "member", update = "member", update_own = "viewer")]
#[tenant(owner = "author_id", using(select = "true"))]
struct Remark {
    id: i64,
    #[tenant(references = Project)]
    project_id: ::uuid::Uuid,
    author_id: ::uuid::Uuid,
    #[tenant(select = "member", insert = "member", update = "member")]
    text: ::core::option::Option<::std::string::String>,
}

#[derive(::tenant_runtime::TenantView)]
#[tenant(of = Remark)]
struct View {
    id: i64,
    #[tenant(column = "author_id")]
    by: ::uuid::Uuid,
}

impl View {
    fn columns() {}
    fn from_row() {}
}

#[derive(::core::fmt::Debug, ::tenant_runtime::TenantEnum)]
enum Status {
    None,
    Some,
    Ok,
}

impl Status {
    const NAME: () = ();
    const LABELS: () = ();
    const SQL: () = ();
    fn label() {}
    fn from_label() {}
    fn decode() {}
    fn type_info() {}
}

fn main() {
    let _ = NewProject { name: ::std::string::String::new(), status: ::core::option::Option::None, parent_id: ::core::option::Option::None };
    let _ = <ProjectChanges as ::core::default::Default>::default();
    let table = <Project as ::tenant_runtime::TenantTable>::TABLE;
    ::core::assert_eq!(table.columns.len(), 5);
    ::core::assert_eq!(<View as ::tenant_runtime::TenantView>::columns(), ["id", "author_id"]);
}
