//! The examples of columns, filters and orders, which share their tables.

/// Writes an example for documentation: `$code` with the tables `Project` and `Task`, a view of `Project`, and a `user`.
macro_rules! column_example {
    ($code:literal) => {
        concat!(
            "\n```\n",
            "# use tenant_runtime::{Column, TenantTable, TenantView, roles::Viewer};\n",
            "# use uuid::Uuid;\n",
            "# #[derive(TenantTable)]\n",
            "# #[tenant(org = \"organization_id\", select = \"viewer\")]\n",
            "# struct Project { id: Uuid, organization_id: Uuid, name: String, lead: Option<Uuid>, size: i32 }\n",
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
