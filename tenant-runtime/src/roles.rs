//! The default roles: `Viewer` < `Member` < `Admin`, with `Uuid` keys and the prefix `app_`.

use uuid::Uuid;

tenant_derive::tenancy! {
    /// The default tenancy: organizations and users with `Uuid` keys.
    pub Organizations {
        crate: crate,
        key: Uuid,
        role_prefix: "app_",
        roles: {
            /// Has the privileges of every member of the organization.
            Viewer,
            /// Has the privileges of a regular member; includes [`Viewer`].
            Member: Viewer,
            /// Manages the organization; includes [`Member`].
            Admin: Member,
        },
    }
}
