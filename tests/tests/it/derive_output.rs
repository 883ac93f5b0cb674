//! The derive's output passes strict lints, clippy's included, and registers its tables.

use tenant_runtime::{TenantTable as _, TenantView as _};

/// Every kind of output of the derive, under all useful lints.
#[deny(
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::default_trait_access,
    clippy::exhaustive_structs,
    clippy::implicit_return,
    clippy::missing_docs_in_private_items,
    clippy::missing_inline_in_public_items,
    clippy::missing_trait_methods,
    clippy::question_mark_used,
    clippy::shadow_reuse,
    clippy::unreachable,
    missing_docs,
    unused_imports,
    unused_variables,
    unused_qualifications
)]
mod strict {
    use tenant_runtime::{
        TenantEnum, TenantTable, TenantView,
        roles::{Admin, Member, Viewer},
    };
    use uuid::Uuid;

    /// A project.
    #[expect(dead_code, reason = "nothing reads a row here")]
    #[derive(Debug, TenantTable)]
    #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
    #[tenant(table = "strict_projects", unique(name, tag), index(tag, status))]
    pub(super) struct Project {
        /// The key.
        pub(super) id: Uuid,
        /// The tenant.
        pub(super) organization_id: Uuid,
        /// The displayed name.
        #[tenant(column = "title", check = "length(title) > 0")]
        pub(super) name: Option<String>,
        /// The status.
        #[tenant(default = "'open'")]
        pub(super) status: Status,
        /// A column of a type that the derive does not know.
        #[tenant(sql_type = "citext", index)]
        pub(super) tag: Option<String>,
        /// The parent project.
        #[tenant(references = Project, on_delete = "set_null")]
        pub(super) parent_id: Option<Uuid>,
        /// A field without a column.
        #[tenant(skip)]
        pub(super) cache: u8,
    }

    /// A comment of a user on a project.
    #[expect(dead_code, reason = "nothing reads a row here")]
    #[derive(Debug, TenantTable)]
    #[tenant(parent = "project_id", select = "viewer", insert = "member", update = "admin", update_own = "member")]
    #[tenant(table = "strict_remarks", owner = "author_id", delete_own = "member", using(select = "length(text) > 0"))]
    pub(super) struct Remark {
        /// The key.
        pub(super) id: i64,
        /// The project.
        #[tenant(references = Project)]
        pub(super) project_id: Uuid,
        /// The author.
        pub(super) author_id: Uuid,
        /// The text.
        pub(super) text: String,
        /// A column for admins only.
        #[tenant(select = "admin", insert = "admin", update = "admin")]
        pub(super) rating: Option<i16>,
    }

    /// The columns of a remark that all roles can select.
    #[expect(dead_code, reason = "nothing reads a row here")]
    #[derive(Debug, TenantView)]
    #[tenant(of = Remark)]
    pub(super) struct Line {
        /// The key.
        pub(super) id: i64,
        /// The text.
        #[tenant(column = "text")]
        pub(super) line: String,
    }

    /// The status of a project.
    #[derive(Debug, TenantEnum)]
    pub(super) enum Status {
        /// Done.
        Closed,
        /// Under way.
        Open,
    }
}

#[test]
fn derived_table_is_registered_once() {
    let models = tenant_runtime::models![];
    let tables = models.tables().iter().filter(|table| table.name == strict::Project::TABLE_NAME);
    assert_eq!(tables.map(|table| table.rust_name).collect::<Vec<_>>(), ["Project"]);
}

#[test]
fn insert_and_update_structs_have_the_input_columns() {
    let new = strict::NewProject { name: None, status: Some(strict::Status::Open), tag: None, parent_id: None };
    let changes = strict::ProjectChanges { tag: Some(None), ..strict::ProjectChanges::default() };
    assert_eq!(
        [format!("{new:?}"), format!("{changes:?}")],
        [
            "NewProject { name: None, status: Some(Open), tag: None, parent_id: None }",
            "ProjectChanges { name: None, status: None, tag: Some(None), parent_id: None }",
        ]
    );
}

#[test]
fn insert_and_update_structs_omit_context_and_restricted_columns() {
    let new = strict::NewRemark { project_id: uuid::Uuid::nil(), text: "Done".to_owned() };
    let changes = strict::RemarkChanges { text: None };
    assert_eq!(
        (new.text.as_str(), format!("{changes:?}"), strict::Line::columns()),
        ("Done", "RemarkChanges { text: None }".to_owned(), vec!["id", "text"])
    );
}
