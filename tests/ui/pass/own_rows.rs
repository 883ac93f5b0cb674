//! Tables with an owner column, and tables that get their tenant from a parent row.
#![deny(warnings)]

use tenant_runtime::{
    TenantEnum, TenantTable,
    model::def::ScopeDef,
    repo::table::{Delete, Update},
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, TenantEnum)]
pub enum Visibility {
    Team,
    Private,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "admin", update_own = "member")]
#[tenant(delete_own = "member", owner = "created_by", visibility = "visibility", partition_by_hash = 16)]
#[tenant(using(select = "archived = false", update = "archived = false"), with_check(insert = "length(name) > 0"))]
pub struct Project {
    #[tenant(id)]
    pub id: Uuid,
    #[tenant(id)]
    pub organization_id: Uuid,
    pub created_by: Uuid,
    pub visibility: Visibility,
    pub name: String,
    #[tenant(default = "false", insert = "admin", update = "admin")]
    pub archived: bool,
}

#[derive(Debug, TenantTable)]
#[tenant(parent = "project_id", select = "viewer", insert = "member", update = "member")]
pub struct Task {
    pub id: i64,
    #[tenant(references = Project)]
    pub project_id: Uuid,
    pub title: String,
}

fn main() {
    fn changed_by<T: Update<UpdateRole = Member> + Delete<DeleteRole = Member>>() -> [Option<&'static str>; 4] {
        [T::TABLE.update, T::TABLE.update_own, T::TABLE.delete, T::TABLE.delete_own]
    }
    assert_eq!(changed_by::<Project>(), [Some("admin"), Some("member"), None, Some("member")]);
    let def = Project::TABLE;
    assert_eq!((def.owner, def.visibility, def.partitions), (Some("created_by"), Some("visibility"), Some(16)));
    assert_eq!(
        def.rules.iter().map(|rule| (rule.command, rule.check)).collect::<Vec<_>>(),
        [("select", false), ("update", false), ("insert", true)]
    );
    let archived = def.columns.last().expect("a column");
    assert_eq!((archived.select, archived.insert, archived.update), (None, Some("admin"), Some("admin")));
    assert_eq!(Task::TABLE.scope, ScopeDef::Parent { column: "project_id", tenant: "organization_id" });
    let app_assigned = def.columns.iter().filter(|column| column.app_assigned).map(|column| column.name);
    assert_eq!(app_assigned.collect::<Vec<_>>(), ["id", "visibility", "name", "archived"]);

    let _ = NewProject { id: Uuid::nil(), visibility: Visibility::Team, name: String::new() };
    let _ = ProjectChanges { visibility: Some(Visibility::Private), name: None };
    let _ = NewTask { project_id: Uuid::nil(), title: String::new() };
    let _ = TaskChanges { title: None };
}
