//! The default roles: `Viewer` < `Member` < `Admin`, with `Uuid` keys and the prefix `app_`.
//!
//! ```
//! # use tenant_runtime::{Result, Session, TenantCtx, roles::*};
//! fn contexts(session: &Session<Organizations>) -> Result<(TenantCtx<Admin>, TenantCtx<Member>, TenantCtx<Viewer>)> {
//!     let admin: TenantCtx<Admin> = session.require()?;
//!     let (member, viewer) = (admin.narrow::<Member>(), admin.narrow::<Viewer>());
//!     Ok((admin, member, viewer))
//! }
//! ```

use uuid::Uuid;

tenant_derive::tenancy! {
    /// The default tenancy: organizations and users with `Uuid` keys.
    pub Organizations {
        crate: crate,
        key: Uuid,
        role_prefix: "app_",
        roles: {
            /// Has the privileges that every member of the organization has.
            Viewer,
            /// Has the privileges of a regular member; includes [`Viewer`].
            Member: Viewer,
            /// Manages the organization; includes [`Member`].
            Admin: Member,
        },
    }
}
