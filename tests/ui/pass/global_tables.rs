//! Global tables: readable by no role or by every role, in the shipped or a custom tenancy.
#![deny(warnings)]

use tenant_runtime::{
    Tenancy, TenantTable,
    model::def::{IndexKeyDef, IndexKindDef, ScopeDef, UniqueScope},
    roles::{Admin, Organizations, Viewer},
    tenancy,
};

tenancy! {
    pub Shops {
        key: i64,
        schema: "shop",
        role_prefix: "shop_",
        tenant_setting: "shop.id",
        user_setting: "shop.user_id",
        connection_limit: 10,
        roles: { Clerk },
    }
}

#[derive(Debug, TenantTable)]
#[tenant(global)]
pub struct Migration {
    pub id: i32,
}

#[derive(Debug, TenantTable)]
#[tenant(global, tenancy = Shops)]
#[tenant(table = "Aisles of a shop")]
pub struct Aisle {
    pub id: i16,
}

/// The world's
/// countries.
#[derive(Debug, TenantTable)]
#[tenant(global, select = "viewer", insert = "admin", delete = "admin", schema = "world", unique(name, code))]
#[tenant(index(code, name), unique(code, tld))]
pub struct Country {
    pub id: i64,
    /// As its people call it.
    #[tenant(unique, check = "name <> ''")]
    pub name: String,
    #[tenant(index, column = "iso")]
    pub code: String,
    pub tld: Option<String>,
    #[tenant(references = Country, on_delete = "set_null")]
    pub before: Option<i64>,
}

fn main() {
    fn of<T: TenantTable<Tenancy = X>, X: Tenancy>() -> String {
        T::TABLE_NAME.to_string()
    }
    assert_eq!(of::<Migration, Organizations>(), "app.migrations");
    assert_eq!(of::<Aisle, Shops>(), "shop.Aisles of a shop");
    assert_eq!(of::<Country, Organizations>(), "world.countries");
    let table = Country::TABLE;
    assert_eq!((table.scope, table.select, table.update), (ScopeDef::Global, Some("viewer"), None));
    assert_eq!((table.doc, table.columns[1].doc), ("The world's\ncountries.", "As its people call it."));
    let indexes = table.indexes.iter().map(|index| (index.kind, index.parts.iter().map(|part| part.key).collect::<Vec<_>>()));
    assert_eq!(
        indexes.collect::<Vec<_>>(),
        [(IndexKindDef::UNIQUE, "name", "iso"), (IndexKindDef::Plain, "iso", "name"), (IndexKindDef::UNIQUE, "iso", "tld")]
            .map(|(kind, first, second)| (kind, vec![IndexKeyDef::Column(first), IndexKeyDef::Column(second)]))
    );
    assert!(table.columns[1].unique == Some(UniqueScope::Tenant) && table.columns[2].index);
    assert!(table.columns[4].references.is_some_and(|reference| reference.table == table.name));
    assert!(table.file.ends_with("global_tables.rs") && table.line == 38);
}
