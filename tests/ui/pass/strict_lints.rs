//! The derive's output passes strict lints.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unused_qualifications,
    unused,
    rust_2018_idioms,
    single_use_lifetimes,
    let_underscore_drop,
    non_ascii_idents,
    trivial_casts,
    variant_size_differences
)]

pub use model::{Project, Status};

mod model {
    use tenant_runtime::{
        TenantEnum, TenantTable,
        roles::{Admin, Member, Viewer},
    };
    use uuid::Uuid;

    /// A project.
    #[derive(Debug, TenantTable)]
    #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
    pub struct Project {
        /// Names it.
        pub id: Uuid,
        /// Whose it is.
        pub organization_id: Uuid,
        /// What it is called.
        pub name: Option<String>,
        /// How it is.
        #[tenant(default = "'open'")]
        pub status: Status,
        /// A type that sqlx knows.
        #[tenant(sql_type = "citext")]
        pub tag: String,
    }

    /// How a project is.
    #[derive(Debug, TenantEnum)]
    pub enum Status {
        /// Under way.
        Open,
    }
}

fn main() {}
