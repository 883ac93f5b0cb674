//! JSON Web Token verifier in which each key is bound to one algorithm.

use std::{error::Error as StdError, fmt};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use serde_json::{Map, Value};

use super::token::{TokenError, TokenVerifier};
use crate::tenant::{ContextKey, Tenancy};

/// An HMAC secret must be at least as long as the hash (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The type that a token can have if no other type is required (RFC 7519, 5.1).
const DEFAULT_TYPE: &str = "JWT";

/// Verifies JSON Web Tokens: the type, the signature, `iss`, `aud`, `exp` and `nbf`. All of these except
/// the type and `nbf` are required.
///
/// A token whose header names a type (`typ`) must have the type `JWT`, or the type set with
/// [`token_type`](Self::token_type), which is then required.
///
/// Each key is bound to one algorithm, so a token cannot choose how it is verified: neither with
/// `none`, nor with a public key as an HMAC secret. Dates have a tolerance of one minute for clock
/// differences. The claim `sub` is the user ID.
///
/// ```
/// # use tenant_runtime::axum::{Jwt, JwtError};
/// # fn f(secret: &[u8], key_set: &str) -> Result<(), JwtError> {
/// let one_secret = Jwt::new("https://id.acme.example", "tracker").hs256(secret)?;
/// let an_identity_provider = Jwt::new("https://acme.eu.auth0.com/", "tracker").jwks(key_set)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a verifier must be passed to `AuthState::new`"]
pub struct Jwt {
    issuer: String,
    audience: String,
    user_claim: String,
    /// The required type, without `application/`.
    token_type: Option<String>,
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    key: DecodingKey,
    algorithm: Algorithm,
}

impl Key {
    /// Returns whether the key could have signed a token with this key ID. If the key or the token
    /// has no ID, every key matches.
    fn matches(&self, kid: Option<&str>) -> bool {
        match (self.id.as_deref(), kid) {
            (Some(id), Some(kid)) => id == kid,
            _ => true,
        }
    }
}

/// The reason why a key was not accepted.
///
/// ```
/// # use tenant_runtime::axum::{Jwt, JwtError};
/// let result = Jwt::new("https://id.acme.example", "tracker").hs256(b"short");
/// assert!(matches!(result, Err(JwtError::WeakSecret { bytes: 5 })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// The secret is too short.
    #[error(
        "an HS256 secret requires at least {MIN_SECRET_BYTES} bytes; this one has {bytes}; create one with `openssl rand -base64 32`"
    )]
    WeakSecret {
        /// The length of the secret in bytes.
        bytes: usize,
    },
    /// The input is not a public key for the algorithm.
    #[error("invalid public key for {algorithm}")]
    Key {
        /// The algorithm.
        algorithm: &'static str,
        /// The error of the parser.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The string is not a JSON Web Key Set.
    #[error("invalid JSON Web Key Set")]
    KeySet(#[source] serde_json::Error),
    /// The key set contains no usable public signing key.
    #[error(
        "the key set contains no public signature key for RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA"
    )]
    NoKey,
}

impl JwtError {
    /// Erases the type of the source, so that the JWT crate does not become part of the public
    /// API.
    fn key(algorithm: &'static str) -> impl FnOnce(jsonwebtoken::errors::Error) -> Self {
        move |source| Self::Key { algorithm, source: source.into() }
    }
}

impl Jwt {
    /// Creates a verifier for tokens from one issuer and for one audience. Until a key is added, it
    /// accepts no token.
    ///
    /// ```
    /// # use tenant_runtime::axum::{Jwt, JwtError};
    /// # fn f(secret: &[u8]) -> Result<(), JwtError> {
    /// let tokens = Jwt::new("https://id.acme.example", "tracker").hs256(secret)?;
    /// # Ok(()) }
    /// ```
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        let user_claim = "sub".to_owned();
        Self { issuer: issuer.into(), audience: audience.into(), user_claim, token_type: None, keys: Vec::new() }
    }

    /// Sets the claim that holds the user ID. Default: `sub`.
    ///
    /// ```
    /// # use tenant_runtime::axum::Jwt;
    /// let tokens = Jwt::new("https://id.acme.example", "tracker").user_claim("uid");
    /// ```
    pub fn user_claim(mut self, claim: impl Into<String>) -> Self {
        self.user_claim = claim.into();
        self
    }

    /// Requires that the header of a token names this type in `typ`, such as `at+jwt` for OAuth 2.0 access tokens (RFC 9068).
    ///
    /// Set it if the provider names the type of its access tokens: a token of another kind with the same issuer and
    /// audience, such as an ID token or a logout token, is then rejected (RFC 8725, 3.11). A token without `typ` or with `JWT`
    /// is rejected as well. Upper and lower case are equal, and the prefix `application/` can be omitted.
    ///
    /// Default: tokens with the type `JWT` and tokens without `typ` are accepted, and tokens with another type are
    /// rejected.
    ///
    /// ```
    /// # use tenant_runtime::axum::Jwt;
    /// let tokens = Jwt::new("https://id.acme.example", "tracker").token_type("at+jwt");
    /// ```
    pub fn token_type(mut self, name: impl Into<String>) -> Self {
        self.token_type = Some(name.into());
        self
    }

    /// Accepts tokens signed with HMAC SHA-256 and a secret of at least 32 bytes.
    ///
    /// ```
    /// # use tenant_runtime::axum::{Jwt, JwtError};
    /// # fn f(key: &[u8]) -> Result<(), JwtError> {
    /// let tokens = Jwt::new("https://id.acme.example", "tracker").hs256(key)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JwtError::WeakSecret`] for a shorter secret.
    pub fn hs256(self, secret: &[u8]) -> Result<Self, JwtError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(JwtError::WeakSecret { bytes: secret.len() });
        }
        Ok(self.with(None, DecodingKey::from_secret(secret), Algorithm::HS256))
    }

    /// Accepts tokens signed with RSA (PKCS#1 v1.5) and SHA-256. `pem` is the public key.
    ///
    /// ```
    /// # use tenant_runtime::axum::{Jwt, JwtError};
    /// # fn f(key: &[u8]) -> Result<(), JwtError> {
    /// let tokens = Jwt::new("https://id.acme.example", "tracker").rs256(key)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] if the key cannot be parsed.
    pub fn rs256(self, pem: &[u8]) -> Result<Self, JwtError> {
        let key = DecodingKey::from_rsa_pem(pem).map_err(JwtError::key("RS256"))?;
        Ok(self.with(None, key, Algorithm::RS256))
    }

    /// Accepts tokens signed with ECDSA over P-256 and SHA-256. `pem` is the public key.
    ///
    /// ```
    /// # use tenant_runtime::axum::{Jwt, JwtError};
    /// # fn f(key: &[u8]) -> Result<(), JwtError> {
    /// let tokens = Jwt::new("https://id.acme.example", "tracker").es256(key)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] if the key cannot be parsed.
    pub fn es256(self, pem: &[u8]) -> Result<Self, JwtError> {
        let key = DecodingKey::from_ec_pem(pem).map_err(JwtError::key("ES256"))?;
        Ok(self.with(None, key, Algorithm::ES256))
    }

    /// Accepts tokens signed with Ed25519. `pem` is the public key.
    ///
    /// ```
    /// # use tenant_runtime::axum::{Jwt, JwtError};
    /// # fn f(key: &[u8]) -> Result<(), JwtError> {
    /// let tokens = Jwt::new("https://id.acme.example", "tracker").eddsa(key)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] if the key cannot be parsed.
    pub fn eddsa(self, pem: &[u8]) -> Result<Self, JwtError> {
        let key = DecodingKey::from_ed_pem(pem).map_err(JwtError::key("EdDSA"))?;
        Ok(self.with(None, key, Algorithm::EdDSA))
    }

    /// Accepts tokens signed with the keys of a JSON Web Key Set, as identity providers publish
    /// them.
    ///
    /// Encryption keys, secrets and keys of unknown types are skipped. The set is not fetched:
    /// create a new verifier when the provider changes its keys.
    ///
    /// ```
    /// # use tenant_runtime::axum::{Jwt, JwtError};
    /// # fn f(key: &str) -> Result<(), JwtError> {
    /// let tokens = Jwt::new("https://id.acme.example", "tracker").jwks(key)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JwtError::KeySet`] for invalid JSON, [`JwtError::Key`] for an invalid key,
    /// [`JwtError::NoKey`] if the set contains no usable key.
    pub fn jwks(mut self, json: &str) -> Result<Self, JwtError> {
        let set: JwkSet = serde_json::from_str(json).map_err(JwtError::KeySet)?;
        let before = self.keys.len();
        for jwk in &set.keys {
            let Some(algorithm) = algorithm(jwk) else { continue };
            let key = DecodingKey::from_jwk(jwk).map_err(JwtError::key("a key set"))?;
            self = self.with(jwk.common.key_id.clone(), key, algorithm);
        }
        if self.keys.len() == before { Err(JwtError::NoKey) } else { Ok(self) }
    }

    fn with(mut self, id: Option<String>, key: DecodingKey, algorithm: Algorithm) -> Self {
        self.keys.push(Key { id, key, algorithm });
        self
    }

    /// Returns the claims of a token that is signed by one of the keys, for this audience, and not
    /// expired.
    fn claims(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        let header = decode_header(token).map_err(TokenError::invalid)?;
        if header.crit.is_some() {
            return Err(TokenError::invalid("the token requires extensions (`crit`), and none is supported"));
        }
        if !self.is_accepted_type(header.typ.as_deref()) {
            let expected = self.token_type.as_deref().unwrap_or(DEFAULT_TYPE);
            let found = header.typ.unwrap_or_default();
            return Err(TokenError::invalid(format!(
                "the token has the type {found:?} (`typ`), and {expected:?} is expected"
            )));
        }
        let keys = self.keys.iter().filter(|key| key.matches(header.kid.as_deref()) && key.algorithm == header.alg);
        let mut reason = TokenError::invalid("no key matches this token");
        for key in keys {
            match decode(token, &key.key, &self.validation(key.algorithm)) {
                Ok(decoded) => return Ok(decoded.claims),
                Err(error) => reason = TokenError::invalid(error),
            }
        }
        Err(reason)
    }

    /// Returns whether a token can have this `typ`. A media type is compared without regard to case, and an omitted
    /// `application/` is implied (RFC 7515, 4.1.9).
    fn is_accepted_type(&self, found: Option<&str>) -> bool {
        match (&self.token_type, found) {
            (None, None) => true,
            (Some(_), None) => false,
            (expected, Some(found)) => {
                let expected = expected.as_deref().unwrap_or(DEFAULT_TYPE);
                subtype(found).eq_ignore_ascii_case(subtype(expected))
            }
        }
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // By default a missing claim would be accepted.
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation
    }
}

/// Removes `application/` from a media type.
fn subtype(media_type: &str) -> &str {
    const PREFIX: &str = "application/";
    match media_type.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => media_type,
    }
}

/// Returns the algorithm of a key in a set; `None` if the key is not a public signing key.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if matches!(&jwk.common.public_key_use, Some(used) if *used != PublicKeyUse::Signature) {
        return None;
    }
    let default = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Algorithm::ES384,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    match jwk.common.key_algorithm {
        None => Some(default),
        // The named algorithm must be of the same family, so that a public key is never used as a secret.
        Some(named) => named.to_string().parse().ok().filter(|named: &Algorithm| named.family() == default.family()),
    }
}

impl<T: Tenancy> TokenVerifier<T> for Jwt {
    async fn verify(&self, token: &str) -> Result<T::User, TokenError> {
        let claims = self.claims(token)?;
        let user = claims.get(&self.user_claim).and_then(Value::as_str).and_then(T::User::read_text);
        user.ok_or_else(|| TokenError::invalid(format!("the claim `{}` is not a valid user ID", self.user_claim)))
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys are omitted, because they can be secrets.
        let mut f = f.debug_struct("Jwt");
        f.field("issuer", &self.issuer).field("audience", &self.audience).field("keys", &self.keys.len()).finish()
    }
}
