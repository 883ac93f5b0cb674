//! Invitations: tokens for e-mail addresses, of which the database stores only hashes.

use std::{fmt, str::FromStr, time::Duration};

use futures_core::future::BoxFuture;
use sha2::{Digest as _, Sha256};

use super::{
    access::{CanRead, May, RoleOf},
    cmd,
    declared::Declares,
    derive_support::Labelled,
    executor::TenantExecutor,
    function_statement::call,
    table::Select,
    tenant_table::TenantTable,
    value::Values,
};
use crate::{
    error::{Attempt, Error, Result},
    model::names,
    tenant::Role,
};

/// An invitation table. Implemented by `#[derive(TenantTable)]`.
///
/// ```
/// # use tenant_runtime::{Role, prelude::*, roles::{Admin, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantEnum)]
/// # enum MemberRole { Viewer, Member, Admin }
/// # type Utc = sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc>;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "admin", insert = "admin", delete = "admin")]
/// # #[tenant(invitation(email = "email", role = "role", token = "token_hash", expires = "expires_at", by = "invited_by"))]
/// # struct Invitation {
/// #     id: Uuid,
/// #     organization_id: Uuid,
/// #     email: String,
/// #     role: MemberRole,
/// #     #[tenant(select = "none")]
/// #     token_hash: Vec<u8>,
/// #     expires_at: Utc,
/// #     invited_by: Uuid,
/// # }
/// use tenant_runtime::repo::invitations;
///
/// assert_eq!(<Invitation as invitations::Invitation>::InviteRole::NAME, "admin");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an invitation table",
    label = "not a table with `invitation(…)`",
    note = "add `invitation(email = \"…\", role = \"…\", token = \"…\", expires = \"…\", by = \"…\")` to `#[tenant(…)]` on the \
            struct of the invitations"
)]
pub trait Invitation: Select + Declares<cmd::Invite> {
    /// Minimum role required to invite: the role that manages members.
    type InviteRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
    /// The enum of the role column; its labels are role names.
    type MemberRole: Labelled + Send + 'static;
}

/// Methods to create invitations; implemented for every struct with `invitation(…)`.
///
/// The invited user accepts with [`UserScope::accept`](crate::UserScope::accept); to withdraw an invitation, delete its row.
///
/// ```
/// # use tenant_runtime::{InvitationToken, Result, prelude::*, roles::{Admin, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantEnum)]
/// # enum MemberRole { Viewer, Member, Admin }
/// # type Utc = sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc>;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "admin", insert = "admin", delete = "admin")]
/// # #[tenant(invitation(email = "email", role = "role", token = "token_hash", expires = "expires_at", by = "invited_by"))]
/// # struct Invitation {
/// #     id: Uuid,
/// #     organization_id: Uuid,
/// #     email: String,
/// #     role: MemberRole,
/// #     #[tenant(select = "none")]
/// #     token_hash: Vec<u8>,
/// #     expires_at: Utc,
/// #     invited_by: Uuid,
/// # }
/// # async fn f(tx: &mut TenantTx<Admin>, withdrawn: Uuid) -> Result<()> {
/// let week = std::time::Duration::from_secs(7 * 24 * 60 * 60);
/// let token = Invitation::invite(&mut *tx, "ada@example.com", MemberRole::Member, week).await?;
/// let link = format!("https://app.example.com/invitations#{token}");
///
/// Invitation::delete(&mut *tx, withdrawn).await?;
/// # Ok(()) }
/// ```
pub trait Invitations: TenantTable {
    /// Invites an e-mail address to the context's tenant for a limited time, and returns the token to be sent there.
    ///
    /// The database stores only a hash of the token, so the token cannot be read later.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenant_runtime::{InvitationToken, Invitations, Result, TenantTx, repo::invitations, roles::*};
    /// # async fn f<Invitation>(tx: &mut TenantTx<Admin>, role: Invitation::MemberRole) -> Result<InvitationToken>
    /// # where Invitation: invitations::Invitation<Tenancy = Organizations, InviteRole = Admin> {
    /// let token = Invitation::invite(tx, "ada@example.com", role, Duration::from_secs(86_400)).await?;
    /// # Ok(token) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Forbidden`] if the user of the context is not, or no longer, a member with a role that manages
    ///   members, or that role does not include the new member's role.
    /// - [`Error::UniqueViolation`], [`Error::ForeignKeyViolation`], [`Error::CheckViolation`] if the row violates a constraint of
    ///   the table.
    /// - [`Error::NotMigrated`], [`Error::Aborted`], [`Error::TimedOut`], [`Error::Retryable`] or [`Error::Database`] as for
    ///   [`Repository::find`](super::methods::Repository::find).
    /// - On a scope, also the errors of [`TenantDb::begin`](crate::TenantDb::begin) and
    ///   [`TenantTx::commit`](crate::TenantTx::commit).
    fn invite<'h, H>(
        handle: H,
        email: impl Into<String>,
        role: Self::MemberRole,
        valid_for: Duration,
    ) -> BoxFuture<'h, Result<InvitationToken>>
    where
        Self: Invitation,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Invite, Self, Self::InviteRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(invite::<Self, H>(handle, email.into(), role, valid_for))
    }
}

impl<T: TenantTable> Invitations for T {}

async fn invite<T: Invitation, H: TenantExecutor>(
    handle: H,
    email: String,
    role: T::MemberRole,
    valid_for: Duration,
) -> Result<InvitationToken> {
    let token = InvitationToken::random()?;
    let mut values = Values::default();
    values.bind(email);
    values.bind_label(role.label());
    values.bind(Sha256::digest(token.0).to_vec());
    values.bind(valid_for.as_secs_f64());
    let attempt = Attempt { table: T::TABLE_NAME, command: "invite by", role: <H::Role as Role>::DB_ROLE };
    handle.call(call(T::TABLE.tenancy, names::INVITE, None, values).writes(attempt), |_| Ok(())).await?;
    Ok(token)
}

/// An invitation's secret: 32 random bytes, shown as 64 hexadecimal digits. Accepting also requires the e-mail address.
///
/// Send it by e-mail and do not log it; `Debug` does not show the secret.
///
/// ```
/// use tenant_runtime::{Error, InvitationToken};
///
/// // The end of a link such as `https://app.example.com/invitations#00ff…`.
/// let token: Result<InvitationToken, Error> = "00ff".repeat(16).parse();
/// assert!(token.is_ok());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationToken([u8; 32]);

impl InvitationToken {
    fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| sqlx::Error::Io(error.into()))?;
        Ok(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Display for InvitationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationToken(…)")
    }
}

impl FromStr for InvitationToken {
    type Err = Error;

    /// Parses a token.
    ///
    /// # Errors
    ///
    /// [`Error::NoInvitation`] if the string is not a token.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.trim().as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Error::NoInvitation);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = str::from_utf8(pair).map_err(|_| Error::NoInvitation)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| Error::NoInvitation)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invitation_token_round_trips_and_debug_hides_it() {
        let token = InvitationToken::random().expect("random bytes");
        let text = token.to_string();
        assert_eq!((text.len(), text.parse::<InvitationToken>().ok()), (64, Some(token.clone())));
        assert_eq!(format!("{token:?}"), "InvitationToken(…)");
        assert_ne!(InvitationToken::random().expect("random bytes"), token);
    }

    #[test]
    fn malformed_invitation_token_is_rejected() {
        for text in ["", "abc", &"g".repeat(64), &"+f".repeat(32), &"0".repeat(65), &"é".repeat(32)] {
            assert!(matches!(text.parse::<InvitationToken>(), Err(Error::NoInvitation)), "{text}");
        }
    }
}
