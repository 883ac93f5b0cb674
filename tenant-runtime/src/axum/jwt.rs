//! The shipped verifier: JSON Web Tokens, with keys that are each for one algorithm.

use std::{error::Error as StdError, fmt};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use serde_json::{Map, Value};

use super::verify::{TokenError, TokenVerifier};
use crate::tenant::{ContextKey, Tenancy};

/// A secret of HMAC is to be as long as the hash that it keys (RFC 7518, 3.2).
const LEAST_SECRET: usize = 32;

/// Verifies JSON Web Tokens: signature, `iss`, `aud`, `exp` and `nbf`, all of which but `nbf` have to be there.
///
/// Each key is for one algorithm, so a token cannot choose what it is checked by: neither `none`, nor a public key taken
/// for a secret. Dates may be a minute off, as clocks are. The user is what stands in `sub`.
///
/// ```
/// # use tenant_runtime::axum::{Jwt, JwtError};
/// # fn f(secret: &[u8], key_set: &str) -> Result<(), JwtError> {
/// let one_secret = Jwt::new("https://id.acme.example", "tracker").hs256(secret)?;
/// let an_identity_provider = Jwt::new("https://acme.eu.auth0.com/", "tracker").jwks(key_set)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a verifier is to be passed to `AuthState::new`"]
pub struct Jwt {
    issuer: String,
    audience: String,
    user_claim: String,
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    key: DecodingKey,
    algorithm: Algorithm,
}

/// Says why a key was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// The secret can be guessed.
    #[error(
        "a secret of HS256 has at least {LEAST_SECRET} bytes, and this has {bytes}; `openssl rand -base64 32` makes one"
    )]
    WeakSecret {
        /// How many bytes it has.
        bytes: usize,
    },
    /// The text is no key of that kind.
    #[error("this is no public key for {algorithm}")]
    Key {
        /// The algorithm.
        algorithm: &'static str,
        /// What is wrong with it.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The text is no key set.
    #[error("this is no JSON Web Key Set")]
    KeySet(#[source] serde_json::Error),
    /// The key set has no key for signatures.
    #[error("the key set holds no public key for RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA")]
    NoKey,
}

impl JwtError {
    /// Keeps what the crate that verifies says as it is, but for its type: that crate may be another one some day.
    fn key(algorithm: &'static str) -> impl FnOnce(jsonwebtoken::errors::Error) -> Self {
        move |source| Self::Key { algorithm, source: source.into() }
    }
}

impl Jwt {
    /// Makes a verifier that has no key yet, and so accepts nothing, for tokens of one issuer and for one audience.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), user_claim: "sub".to_owned(), keys: Vec::new() }
    }

    /// Takes the user from another claim than `sub`.
    pub fn user_claim(mut self, claim: impl Into<String>) -> Self {
        self.user_claim = claim.into();
        self
    }

    /// Accepts tokens signed by HMAC with SHA-256 and a secret of at least 32 bytes.
    ///
    /// # Errors
    ///
    /// [`JwtError::WeakSecret`].
    pub fn hs256(self, secret: &[u8]) -> Result<Self, JwtError> {
        if secret.len() < LEAST_SECRET {
            return Err(JwtError::WeakSecret { bytes: secret.len() });
        }
        Ok(self.with(None, DecodingKey::from_secret(secret), Algorithm::HS256))
    }

    /// Accepts tokens signed by RSA (PKCS#1 v1.5) with SHA-256, by its public key as PEM.
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`].
    pub fn rs256(self, pem: &[u8]) -> Result<Self, JwtError> {
        let key = DecodingKey::from_rsa_pem(pem).map_err(JwtError::key("RS256"))?;
        Ok(self.with(None, key, Algorithm::RS256))
    }

    /// Accepts tokens signed by ECDSA over P-256 with SHA-256, by its public key as PEM.
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`].
    pub fn es256(self, pem: &[u8]) -> Result<Self, JwtError> {
        let key = DecodingKey::from_ec_pem(pem).map_err(JwtError::key("ES256"))?;
        Ok(self.with(None, key, Algorithm::ES256))
    }

    /// Accepts tokens signed by Ed25519, by its public key as PEM.
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`].
    pub fn eddsa(self, pem: &[u8]) -> Result<Self, JwtError> {
        let key = DecodingKey::from_ed_pem(pem).map_err(JwtError::key("EdDSA"))?;
        Ok(self.with(None, key, Algorithm::EdDSA))
    }

    /// Accepts tokens signed by the keys of a JSON Web Key Set, as identity providers publish them.
    ///
    /// Keys for encryption, secrets and unknown kinds are passed over. The set is not fetched: make a verifier anew when
    /// the provider changes its keys.
    ///
    /// # Errors
    ///
    /// [`JwtError::KeySet`], [`JwtError::NoKey`], [`JwtError::Key`].
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

    /// Returns the claims of a token that one of the keys has signed and that is valid here and now.
    fn claims(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        let header = decode_header(token).map_err(TokenError::invalid)?;
        if header.crit.is_some() {
            return Err(TokenError::invalid("it asks for extensions (`crit`), and none is known here"));
        }
        let named = |key: &&Key| match (&key.id, &header.kid) {
            (Some(own), Some(asked)) => own == asked,
            _ => true,
        };
        let mut reason = TokenError::invalid("no key is for this token");
        for key in self.keys.iter().filter(named).filter(|key| key.algorithm == header.alg) {
            match decode(token, &key.key, &self.validation(key.algorithm)) {
                Ok(decoded) => return Ok(decoded.claims),
                Err(error) => reason = TokenError::invalid(error),
            }
        }
        Err(reason)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // A claim that is missing would pass otherwise.
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation
    }
}

/// Returns for which algorithm a key of a set is, where it is for signatures and public.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if matches!(&jwk.common.public_key_use, Some(used) if *used != PublicKeyUse::Signature) {
        return None;
    }
    let own = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Algorithm::ES384,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    match jwk.common.key_algorithm {
        None => Some(own),
        // Of its own kind alone, lest a public key be taken for a secret.
        Some(named) => named.to_string().parse().ok().filter(|named: &Algorithm| named.family() == own.family()),
    }
}

impl<T: Tenancy> TokenVerifier<T> for Jwt {
    async fn verify(&self, token: &str) -> Result<T::User, TokenError> {
        let claims = self.claims(token)?;
        let user = claims.get(&self.user_claim).and_then(Value::as_str).and_then(T::User::read_text);
        user.ok_or_else(|| TokenError::invalid(format!("its `{}` is no user's key", self.user_claim)))
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys may be secrets.
        let mut f = f.debug_struct("Jwt");
        f.field("issuer", &self.issuer).field("audience", &self.audience).field("keys", &self.keys.len()).finish()
    }
}
