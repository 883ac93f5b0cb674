//! Sends the message that sets a context, with the signature that the database requires.

use std::sync::Arc;

use sqlx::PgConnection;

use super::{
    begin_sql::{self, Unit},
    context_tx::{ContextTx, Stage, has_code},
    login_check::tenancies,
    logins::MeantFor,
    message::{Answer, FailedAt, Loss, MessageError, loss},
    signing_key::{Challenge, NO_SETTINGS, SigningKey, settings},
};
use crate::{
    error::{Error, Result},
    model::{def::TenancyDef, sqlstate::CONTEXT_NOT_SIGNED},
};

/// The error of a statement that writes in a read-only transaction, such as taking a number on a standby server.
const READ_ONLY: &str = "25006";

impl ContextTx {
    /// Sends the message that sets the context and does the work of `unit`.
    ///
    /// With a signed context, the first use of a connection asks for its next number before. Behind a connection pooler, on a
    /// read-only server and for a deferrable transaction, which would wait for its snapshot too early, the signature is for the
    /// transaction itself, so each transaction takes two messages.
    pub(super) async fn send(&mut self, unit: Unit<'_>) -> Result<Answer, MessageError> {
        let pools = Arc::clone(&self.pools);
        let Some(key) = pools.signing_key(self.context.tenancy).map_err(before_sending)? else {
            let message = self.pools.message(&self.context, unit, None);
            return message.send(self.connection().map_err(not_sent)?).await;
        };
        if self.pools.pooled() || self.options.deferrable {
            return self.send_in_two(key, unit).await;
        }
        let mut is_first = true;
        loop {
            let Some(challenge) = self.challenge().await? else { return self.send_in_two(key, unit).await };
            let signature = key.sign(self.context.role, settings(&self.context), &challenge);
            let message = self.pools.message(&self.context, unit, Some(&signature));
            let result = message.send(self.connection().map_err(not_sent)?).await;
            // The number is used once the context is set. After any other error, and if this future is dropped, the connection is
            // asked again: two contexts must not be signed for one number.
            let is_used = match &result {
                Ok(_) => true,
                Err(failed) => {
                    !matches!(failed.at, FailedAt::Context | FailedAt::Signature) && loss(&failed.error) == Loss::None
                }
            };
            if let Some(lease) = self.lease.as_mut().filter(|_| is_used) {
                lease.challenge = Some(challenge.next());
            }
            match &result {
                // Another statement took a number, or the connection has used up its numbers.
                Err(failed) if is_first && is_refused(failed) => is_first = false,
                _ => return result,
            }
        }
    }

    /// Returns the next number of the connection, which it forgets; `None` on a read-only server.
    async fn challenge(&mut self) -> Result<Option<Challenge>, MessageError> {
        if let Some(known) = self.lease.as_mut().and_then(|lease| lease.challenge.take()) {
            return Ok(Some(known));
        }
        let message = begin_sql::challenge(self.context.tenancy, self.context.role);
        let answer = message.send(self.connection().map_err(not_sent)?).await.map_err(asking)?;
        Challenge::numbered(&answer).map_err(not_sent)
    }

    /// Begins a transaction, signs the context for it, and does the work of `unit`.
    async fn send_in_two(&mut self, key: &SigningKey, unit: Unit<'_>) -> Result<Answer, MessageError> {
        self.stage = Stage::Beginning;
        let first = self.pools.begin_for_signature(&self.context, unit);
        let answer = first.send(self.connection().map_err(not_sent)?).await.map_err(asking)?;
        let challenge = Challenge::of_transaction(&answer).map_err(not_sent)?;
        let signature = key.sign(self.context.role, settings(&self.context), &challenge);
        let second = begin_sql::signed(&self.context, &signature, unit);
        second.send(self.connection().map_err(not_sent)?).await
    }
}

/// Whether the signature was not accepted for this use of the connection.
fn is_refused(failed: &MessageError) -> bool {
    failed.at == FailedAt::Signature
        && (has_code(&failed.error, CONTEXT_NOT_SIGNED) || has_code(&failed.error, READ_ONLY))
}

fn not_sent(error: sqlx::Error) -> MessageError {
    MessageError { at: FailedAt::Context, error }
}

fn before_sending(error: Error) -> MessageError {
    not_sent(error.into_sqlx())
}

/// The question for the challenge is not the statement of the caller.
fn asking(failed: MessageError) -> MessageError {
    let at = if failed.at == FailedAt::Statement { FailedAt::Signature } else { failed.at };
    MessageError { at, ..failed }
}

/// Checks that the database accepts the app's key for a login, which serves the roles in `meant_for` (none: all roles).
pub(super) async fn check_login(
    connection: &mut PgConnection,
    key: Option<&SigningKey>,
    login: &str,
    meant_for: &[MeantFor],
) -> Result<()> {
    // A login that no tenancy declares can serve any of them; its key is then checked by the first call.
    let (own, others): (Vec<_>, Vec<_>) = tenancies().into_iter().partition(|tenancy| tenancy.has_login(login));
    let served = if own.is_empty() { &others } else { &own };
    if key.is_some() && !served.iter().any(|tenancy| tenancy.signed_context) {
        return Err(Error::SigningKeyUnused);
    }
    for tenancy in own.into_iter().filter(|tenancy| tenancy.signed_context) {
        let Some(key) = key else { return Err(Error::SigningKeyRequired { schema: tenancy.schema }) };
        let role = match meant_for.iter().find(|meant_for| meant_for.tenancy == tenancy) {
            // The role of users without a tenant exists only with a membership table.
            Some(meant_for) => meant_for.role,
            None => tenancy.roles.first().map(|role| role.name),
        };
        if let Some(role) = role {
            check(connection, key, tenancy, &tenancy.database_role(role)).await?;
        }
    }
    Ok(())
}

/// Signs an empty context as a role, and rolls it back: an app whose key the database does not accept is refused when it
/// connects.
pub(super) async fn check(
    connection: &mut PgConnection,
    key: &SigningKey,
    tenancy: &'static TenancyDef,
    role: &str,
) -> Result<()> {
    let refused = |failed: MessageError| match failed.at {
        FailedAt::Signature | FailedAt::Statement => Error::ContextNotSigned { source: failed.error },
        _ => failed.error.into(),
    };
    // In a transaction: behind a pooler, both messages then reach the same server connection.
    let begun = begin_sql::begin_challenge(tenancy, role).send(connection).await.map_err(refused)?;
    let challenge = Challenge::of_transaction(&begun)?;
    let signature = key.sign(role, NO_SETTINGS.to_owned(), &challenge);
    begin_sql::check_signature(tenancy, &signature).send(connection).await.map_err(refused)?;
    Ok(())
}
