//! The JWT verifier: keys of a set, one algorithm for each key, and the types of tokens.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tenant_runtime::{
    axum::{Jwt, TokenError, TokenVerifier},
    roles::Organizations,
};
use uuid::Uuid;

use super::axum_requests::{AUDIENCE, ISSUER, SECRET, claims, tokens};

async fn verified(tokens: &Jwt, token: &str) -> Option<Uuid> {
    match TokenVerifier::<Organizations>::verify(tokens, token).await {
        Ok(user) => Some(user),
        Err(TokenError::Invalid(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The example key of RFC 8037, A.1 and A.2.
const ED25519: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED25519_PRIVATE: [u8; 48] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\
    \x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\
    \x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";

#[tokio::test]
async fn jwks_token_is_verified_with_the_key_it_names() {
    let user = Uuid::new_v4();
    let set = |kid: &str| {
        json!({ "keys": [
            { "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256", "kid": "secret" },
            { "kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": kid, "use": "sig" },
        ]})
    };
    let token = |header: Header, key: &EncodingKey| encode(&header, &claims(user), key).expect("a token");
    let named = |kid: &str, algorithm| Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    let tokens = Jwt::new(ISSUER, AUDIENCE).jwks(&set("2026").to_string()).expect("a key set");
    let private = EncodingKey::from_ed_der(&ED25519_PRIVATE);
    let secret = EncodingKey::from_base64_secret("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA==").expect("base 64");
    let public = EncodingKey::from_secret(ED25519.as_bytes());
    let seen = [
        verified(&tokens, &token(named("2026", Algorithm::EdDSA), &private)).await,
        verified(&tokens, &token(Header::new(Algorithm::EdDSA), &private)).await,
        verified(&tokens, &token(named("2025", Algorithm::EdDSA), &private)).await,
        verified(&tokens, &token(named("secret", Algorithm::HS256), &secret)).await,
        verified(&tokens, &token(named("2026", Algorithm::HS256), &public)).await,
    ];
    assert_eq!(seen, [Some(user), Some(user), None, None, None]);
}

#[tokio::test]
async fn jwt_public_key_is_not_accepted_as_an_hmac_secret() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let tokens = Jwt::new(ISSUER, AUDIENCE).eddsa(pem.as_bytes()).expect("a public key");
    let user = Uuid::new_v4();
    let by = |algorithm, key: &EncodingKey| encode(&Header::new(algorithm), &claims(user), key).expect("a token");
    let forged = by(Algorithm::HS256, &EncodingKey::from_secret(pem.as_bytes()));
    let genuine = by(Algorithm::EdDSA, &EncodingKey::from_ed_der(&ED25519_PRIVATE));
    assert_eq!((verified(&tokens, &forged).await, verified(&tokens, &genuine).await), (None, Some(user)));
}

#[test]
fn invalid_jwt_keys_are_rejected_with_help() {
    let jwt = || Jwt::new(ISSUER, AUDIENCE);
    let told = [
        jwt().hs256(b"short").map(drop),
        jwt().rs256(b"no key").map(drop),
        jwt().es256(b"no key").map(drop),
        jwt().jwks("no set").map(drop),
        jwt().jwks(r#"{"keys":[{"kty":"oct","k":"YQ","alg":"HS256"}]}"#).map(drop),
    ];
    let told = told.map(|told| told.expect_err("refused").to_string());
    assert!(told[0].contains("32 bytes") && told[1].contains("RS256") && told[2].contains("ES256"), "{told:?}");
    assert!(told[3].contains("Key Set") && told[4].contains("no public signature key"), "{told:?}");
    assert!(!format!("{:?}", tokens()).contains("a secret"));
}

#[tokio::test]
async fn jwt_of_another_type_is_rejected() {
    let user = Uuid::new_v4();
    let signed = |typ: Option<&str>| {
        let header = Header { typ: typ.map(str::to_owned), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims(user), &EncodingKey::from_secret(SECRET)).expect("a token")
    };
    // The type in the header, and whether the verifier accepts it by default, as an access token, and as `application/x+jwt`.
    let cases = [
        (None, [true, false, false]),
        (Some("JWT"), [true, false, false]),
        (Some("jwt"), [true, false, false]),
        (Some("application/jwt"), [true, false, false]),
        (Some("at+jwt"), [false, true, false]),
        (Some("AT+JWT"), [false, true, false]),
        (Some("application/at+jwt"), [false, true, false]),
        (Some("Application/AT+jwt"), [false, true, false]),
        (Some("x+jwt"), [false, false, true]),
        (Some("application/x+jwt"), [false, false, true]),
        // An ID token, a logout token, a proof of possession, and types that only resemble an accepted one.
        (Some("id_token+jwt"), [false; 3]),
        (Some("logout+jwt"), [false; 3]),
        (Some("dpop+jwt"), [false; 3]),
        (Some(""), [false; 3]),
        (Some("application/"), [false; 3]),
        (Some("application/application/at+jwt"), [false; 3]),
        (Some(" at+jwt"), [false; 3]),
    ];
    let verifiers = [tokens(), tokens().token_type("at+jwt"), tokens().token_type("application/x+jwt")];
    for (typ, expected) in cases {
        let mut seen = [false; 3];
        for (seen, tokens) in seen.iter_mut().zip(&verifiers) {
            *seen = verified(tokens, &signed(typ)).await == Some(user);
        }
        assert_eq!(seen, expected, "{typ:?}");
    }
    let refused = TokenVerifier::<Organizations>::verify(&verifiers[1], &signed(Some("logout+jwt"))).await;
    let told = format!("{:?}", refused.expect_err("another type"));
    assert!(told.contains("logout+jwt") && told.contains("at+jwt"), "{told}");
}
