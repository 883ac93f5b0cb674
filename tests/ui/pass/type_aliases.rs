//! Types are resolved by rustc, so aliases, renamed imports and qualified paths work.

use tenant_runtime::{
    SqlType, TenantTable,
    repo::table::{Insert, Select},
    roles::{Member as Colleague, Viewer as Guest},
};

type Key = uuid::Uuid;
type Maybe<T> = Option<T>;
type Note = Maybe<std::string::String>;

mod lattice {
    pub use tenant_runtime::roles::Admin;
}

#[derive(Debug, TenantTable)]
#[tenant(org = "tenant", select = "guest", insert = Colleague)]
#[tenant(update = tenant_runtime::roles::Member, delete = lattice::Admin)]
struct Project {
    #[tenant(id)]
    key: Key,
    #[tenant(column = "organization_id")]
    tenant: <tenant_runtime::roles::Organizations as tenant_runtime::Tenancy>::Key,
    note: Note,
    #[tenant(sql_type = "citext")]
    tag: Note,
    #[tenant(references = self::Project)]
    parent: Maybe<Key>,
}

fn main() {
    fn roles<T: Insert<SelectRole = Guest, InsertRole = Colleague> + Select<Id = uuid::Uuid>>() {}
    roles::<Project>();
    let columns = Project::TABLE.columns;
    assert_eq!((columns[2].ty, columns[2].nullable), (SqlType::Text, true));
    assert_eq!((columns[3].ty, columns[3].nullable), (SqlType::Custom("citext"), true));
    let _ = NewProject { note: None, tag: Some(String::new()), parent: None };
    let _ = ProjectChanges { note: Some(None), ..ProjectChanges::default() };
}
