//! Invitations: who is asked to become a member, by a token of which the database keeps a hash.

use std::{fmt, str::FromStr, time::Duration};

use futures_core::future::BoxFuture;
use sha2::{Digest as _, Sha256};

use super::{
    access::{CanRead, May, RoleOf, cmd},
    declared::Declares,
    derive_support::Labelled,
    executor::{Opened, TenantExecutor},
    statement::call,
    table::{Select, TenantTable},
    value::Values,
};
use crate::{
    error::{Attempt, Error, Result},
    model::names,
    tenant::Role,
};

/// A table of invitations. Implemented by `#[derive(TenantTable)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no invitations",
    label = "nobody can be invited by it",
    note = "add `invitation(email = \"…\", role = \"…\", token = \"…\", expires = \"…\", by = \"…\")` to `#[tenant(…)]` on the \
            struct of the invitations"
)]
pub trait Invitation: Select + Declares<cmd::Invite> {
    /// The least role that may invite: the one that manages members.
    type InviteRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
    /// The enum of the column that says what somebody is invited as; its labels are names of roles.
    type MemberRole: Labelled + Send + 'static;
}

/// What can be done with invitations; on every struct whose declaration says `invitation(…)`.
///
/// Who was invited accepts by [`UserScope::accept`](crate::UserScope::accept); to withdraw an invitation, delete it.
pub trait Invitations: TenantTable {
    /// Invites somebody into the context's tenant, for some time; returns the token to send to that address.
    ///
    /// The database keeps a hash of the token and not the token itself, so it is to be had here and now only.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] where the role is above the own one, or the database knows the caller as a lesser member than the
    /// context says; those of the table's own constraints; [`Error::Database`], and on a scope those of beginning a
    /// transaction.
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
    values.bind(role.label());
    values.bind(Sha256::digest(token.0).to_vec());
    values.bind(valid_for.as_secs_f64());
    let query = call(T::TABLE.tenancy, names::INVITE, values).into_query()?;
    let attempt = Attempt { table: T::TABLE_NAME, command: "invite by", role: <H::Role as Role>::DB_ROLE };
    let mut opened = handle.open().await?;
    opened.tx().trusted().fetch_optional(query).await.map_err(|error| attempt.error(error))?;
    opened.finish(true).await?;
    Ok(token)
}

/// What lets somebody accept an invitation, together with the address: 32 random bytes, written as 64 hexadecimal digits.
///
/// Whoever has it may try, so it belongs into the mail and nowhere else; `Debug` does not show it.
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

    /// Reads a token as it was sent.
    ///
    /// # Errors
    ///
    /// [`Error::NoInvitation`] where it is none.
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
