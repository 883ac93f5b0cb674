//! The roles that ship: `Viewer` < `Member` < `Admin`, over `Uuid` keys, with the prefix `app_`.

use uuid::Uuid;

tenant_derive::tenancy! {
    /// The tenancy that ships: organizations and users with `Uuid` keys.
    pub Organizations {
        crate: crate,
        key: Uuid,
        role_prefix: "app_",
        roles: {
            /// Reads what the tables open to every member of the organization.
            Viewer,
            /// Does the daily work; includes [`Viewer`].
            Member: Viewer,
            /// Runs the organization; includes [`Member`].
            Admin: Member,
        },
    }
}
