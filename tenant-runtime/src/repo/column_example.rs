//! The examples of columns, filters and orders, which share their tables.

/// Expands to a documentation example: `$code` with the tables `Project` and `Task`, a view of `Project`, and a `user`.
///
/// Use it in an attribute after the other lines of a doc comment: `#[doc = column_example!("let mine = …;")]`.
macro_rules! column_example {
    ($code:literal) => {
        concat!(
            "\n```\n",
            "# use tenant_runtime::{*, roles::{Admin, Member, Viewer}};\n",
            "# use uuid::Uuid;\n",
            "# #[derive(TenantTable)]\n",
            "# #[tenant(org = \"organization_id\", select = \"viewer\", insert = \"member\", update = \"member\")]\n",
            "# struct Project {\n",
            "#     id: Uuid, organization_id: Uuid, #[tenant(unique)] name: String, lead: Option<Uuid>, size: i32,\n",
            "#     #[tenant(select = \"admin\", update = \"admin\")] budget: Option<i64>,\n",
            "# }\n",
            "# #[derive(TenantView)]\n",
            "# #[tenant(of = Project)]\n",
            "# struct ProjectName { id: Uuid, name: String }\n",
            "# #[derive(TenantTable)]\n",
            "# #[tenant(org = \"organization_id\", select = \"viewer\")]\n",
            "# struct Task { id: Uuid, organization_id: Uuid, #[tenant(references = Project)] project_id: Uuid, done: bool }\n",
            "# let user = Uuid::nil();\n",
            $code,
            "\n```"
        )
    };
}
