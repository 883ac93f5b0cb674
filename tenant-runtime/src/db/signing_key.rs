//! The key with which an app signs contexts, and what a signature includes.

use std::{fmt, str::FromStr};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use sqlx::Row as _;

use super::{message::Answer, session_context::SessionContext};
use crate::{
    hex::{from_hex, hex},
    ident::in_double_quotes,
};

/// The key with which an app signs its contexts, for a tenancy with `signed_context: true`; see
/// [`TenantDbOptions::signing_key`](crate::TenantDbOptions::signing_key).
///
/// `gen-migrations context-key create` writes a key in the form `1:` and 64 hexadecimal digits: its number, and 32 random bytes.
/// Keep it as secret as a password, for example in an environment variable; `Debug` does not show it.
///
/// ```
/// use tenant_runtime::SigningKey;
///
/// let text = format!("1:{}", "0f".repeat(32));
/// let key: SigningKey = text.parse()?;
/// assert_eq!(format!("{key:?}"), "SigningKey { number: 1, .. }");
/// # Ok::<_, tenant_runtime::InvalidSigningKey>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    number: i16,
    hmac: Hmac<Sha256>,
}

/// The text is not a [`SigningKey`]. The error does not contain the text.
///
/// ```
/// # use tenant_runtime::{InvalidSigningKey, SigningKey};
/// let error: InvalidSigningKey = "0f0f".parse::<SigningKey>().unwrap_err();
/// assert!(error.to_string().contains("64 hexadecimal digits"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a context key: it must have the form `1:` and 64 hexadecimal digits, as `gen-migrations context-key create` writes it"
)]
#[non_exhaustive]
pub struct InvalidSigningKey;

impl SigningKey {
    /// Creates a key from its number, which is at least 1, and 32 random bytes.
    ///
    /// ```
    /// # let bytes = [7; 32];
    /// let key = tenant_runtime::SigningKey::new(1, &bytes)?;
    /// # Ok::<_, tenant_runtime::InvalidSigningKey>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidSigningKey`] if the number is less than 1.
    pub fn new(number: i16, key: &[u8; 32]) -> Result<Self, InvalidSigningKey> {
        let hmac = Hmac::new_from_slice(key).map_err(|_| InvalidSigningKey)?;
        (number > 0).then_some(Self { number, hmac }).ok_or(InvalidSigningKey)
    }

    /// Signs a role and the settings of a context for one use.
    pub(super) fn sign(&self, role: &str, settings: String, challenge: &Challenge) -> Signature {
        let mut hmac = self.hmac.clone();
        hmac.update(&challenge.server);
        match challenge.usage {
            Usage::Number(number) => {
                hmac.update(b"N");
                hmac.update(&number.to_be_bytes());
            }
            Usage::Transaction(started) => {
                hmac.update(b"T");
                hmac.update(&started.to_be_bytes());
            }
        }
        hmac.update(format!("{}:{role}", role.chars().count()).as_bytes());
        hmac.update(settings.as_bytes());
        let signature = hex(&hmac.finalize().into_bytes());
        Signature { key: self.number, signature, settings, numbered: matches!(challenge.usage, Usage::Number(_)) }
    }
}

impl FromStr for SigningKey {
    type Err = InvalidSigningKey;

    fn from_str(text: &str) -> Result<Self, InvalidSigningKey> {
        let (number, key) = text.trim().split_once(':').ok_or(InvalidSigningKey)?;
        let key: [u8; 32] = from_hex(key).and_then(|key| key.try_into().ok()).ok_or(InvalidSigningKey)?;
        Self::new(number.parse().map_err(|_| InvalidSigningKey)?, &key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The arguments of the function that sets a signed context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) key: i16,
    pub(super) signature: String,
    /// The settings as an array of PostgreSQL, in exactly the form that was signed.
    pub(super) settings: String,
    pub(super) numbered: bool,
}

/// The settings of a context without a tenant and a user.
pub(super) const NO_SETTINGS: &str = "{}";

/// Returns the tenant, the user and the access ID of a context as an array of PostgreSQL.
pub(super) fn settings(context: &SessionContext) -> String {
    let values = [Some(&context.tenant_id), Some(&context.user_id), context.system_access.as_ref()];
    let quoted = values.into_iter().flatten().map(|value| in_double_quotes(value));
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}

/// What a signature is valid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// The server connection, as the server writes it.
    server: Vec<u8>,
    usage: Usage,
}

/// The use for which a signature is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usage {
    /// The next number of the server connection.
    Number(i64),
    /// The transaction that began at this time, in microseconds since 2000-01-01.
    Transaction(i64),
}

impl Challenge {
    /// Reads the challenge for the next number of the connection; `None` on a read-only server, which has no numbers.
    pub(super) fn numbered(answer: &Answer) -> sqlx::Result<Option<Self>> {
        let row = answer.one()?;
        let number: Option<i64> = row.try_get(1)?;
        Ok(match number {
            Some(number) => Some(Self { server: server(answer)?, usage: Usage::Number(number) }),
            None => None,
        })
    }

    /// Reads the challenge for the open transaction.
    pub(super) fn of_transaction(answer: &Answer) -> sqlx::Result<Self> {
        Ok(Self { server: server(answer)?, usage: Usage::Transaction(answer.one()?.try_get(2)?) })
    }

    /// Returns the challenge after this one was used.
    pub(super) fn next(self) -> Self {
        let usage = match self.usage {
            Usage::Number(number) => Usage::Number(number.wrapping_add(1)),
            usage @ Usage::Transaction(_) => usage,
        };
        Self { usage, ..self }
    }
}

fn server(answer: &Answer) -> sqlx::Result<Vec<u8>> {
    let text: String = answer.one()?.try_get(0)?;
    from_hex(&text).ok_or_else(|| sqlx::Error::Decode("the server connection is not hexadecimal".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::Organizations;

    fn key(byte: u8) -> SigningKey {
        SigningKey::new(1, &[byte; 32]).expect("a key")
    }

    fn context(user: u128) -> SessionContext {
        SessionContext::user::<Organizations>(Some(&uuid::Uuid::from_u128(user)))
    }

    #[test]
    fn signature_depends_on_everything_that_it_is_valid_for() {
        let challenge = |server: u8, usage| Challenge { server: vec![server; 20], usage };
        let number = Usage::Number(5);
        let signed = |key: u8, user, server, usage| key_sign(key, user, &challenge(server, usage));
        fn key_sign(byte: u8, user: u128, challenge: &Challenge) -> String {
            key(byte).sign("app_no_tenant", settings(&context(user)), challenge).signature
        }
        let one = signed(1, 7, 3, number);
        assert_eq!(one, signed(1, 7, 3, number));
        let others = [
            signed(2, 7, 3, number),
            signed(1, 8, 3, number),
            signed(1, 7, 4, number),
            signed(1, 7, 3, Usage::Number(6)),
            signed(1, 7, 3, Usage::Transaction(5)),
        ];
        assert!(others.iter().all(|other| *other != one), "{one} {others:?}");
    }

    #[test]
    fn settings_are_an_array_whose_values_are_quoted() {
        let mut context = context(7);
        context.tenant_id = "a\"b\\,{}".to_owned();
        assert_eq!(settings(&context), format!("{{\"a\\\"b\\\\,{{}}\",\"{}\"}}", context.user_id));
    }

    #[test]
    fn key_with_another_form_is_refused_and_not_shown() {
        let good = format!("3:{}", "0F".repeat(32));
        assert_eq!(good.parse::<SigningKey>().map(|key| key.number), Ok(3));
        for text in ["", "3", &good[2..], &format!("0:{}", &good[2..]), &good[..60], &format!("{good}00"), "3:zz"] {
            let error = text.parse::<SigningKey>().expect_err(text).to_string();
            assert!(text.is_empty() || !error.contains(text) || text == "3", "{error}");
        }
    }
}
