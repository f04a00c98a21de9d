use events::ids::derive;
use jsonwebtoken::{Algorithm, EncodingKey};

use super::{
    live::TokenKeys,
    rotation::{PUBLISHED_FIRST, replace_all, rotate},
    *,
};
use crate::crypto::{SigningAlgorithm, SigningKey, SigningKeys};

struct World {
    keys: SigningKeys,
    live: TokenKeys,
    signer: Signer,
    verifier: Verifier,
    now: DateTime<Utc>,
}

fn world(algorithm: SigningAlgorithm) -> World {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let keys = SigningKeys::draw(algorithm, now).unwrap();
    let live = TokenKeys::new(&keys).unwrap();
    let (signer, verifier) = (Signer::new(live.clone()), Verifier::new(live.clone(), "https://api.example"));
    World { keys, live, signer, verifier, now }
}

/// A token signed with this key, under any name and algorithm.
fn token(key: &SigningKey, algorithm: Algorithm, kid: &str, claims: &Claims) -> String {
    let pkcs8 = key.pkcs8().unwrap();
    let key = match key.algorithm {
        SigningAlgorithm::EdDsa => EncodingKey::from_ed_der(&pkcs8),
        SigningAlgorithm::Es256 => EncodingKey::from_ec_der(&pkcs8),
    };
    let header = Header { kid: Some(kid.to_owned()), typ: Some(TOKEN_TYPE.to_owned()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

fn claims(now: DateTime<Utc>) -> Claims {
    Claims {
        iss: "https://api.example".to_owned(),
        sub: UserId(derive(&["ada"])),
        aud: AUDIENCE.to_owned(),
        client_id: AUDIENCE.to_owned(),
        exp: (now + ACCESS_TOKEN_LIFETIME).timestamp(),
        nbf: now.timestamp(),
        iat: now.timestamp(),
        auth_time: now.timestamp(),
        jti: derive(&["token"]),
        sid: SessionId(derive(&["session"])),
        ver: Version(3),
        roles: Vec::new(),
    }
}

#[test]
fn a_signed_token_verifies_within_its_times_only() {
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256] {
        let World { signer, verifier, now, .. } = world(algorithm);
        let token = signer.sign(&claims(now)).unwrap();
        assert_eq!(verifier.verify(&token, now), Ok(claims(now)));
        let end = now + ACCESS_TOKEN_LIFETIME + LEEWAY;
        assert_eq!(verifier.verify(&token, end), Err(TokenError::Expired));
        assert_eq!(verifier.verify(&token, now - TimeDelta::seconds(6)), Err(TokenError::NotYet));
    }
}

#[test]
fn another_issuer_audience_key_or_type_is_forged() {
    let World { signer, verifier, now, keys, .. } = world(SigningAlgorithm::EdDsa);
    let refuse = |token: &str| assert_eq!(verifier.verify(token, now), Err(TokenError::Forged));
    refuse(&signer.sign(&Claims { iss: "https://evil.example".to_owned(), ..claims(now) }).unwrap());
    refuse(&signer.sign(&Claims { aud: "other".to_owned(), ..claims(now) }).unwrap());
    refuse(&world(SigningAlgorithm::EdDsa).signer.sign(&claims(now)).unwrap());
    let mut token = signer.sign(&claims(now)).unwrap();
    token.truncate(token.len() - 4);
    refuse(&token);
    let name = kid(&keys.current).unwrap();
    let mut plain = Header::new(Algorithm::EdDSA);
    plain.kid = Some(name.clone());
    let key = EncodingKey::from_ed_der(&keys.current.pkcs8().unwrap());
    refuse(&jsonwebtoken::encode(&plain, &claims(now), &key).unwrap());
    let symmetric = Header { kid: Some(name), typ: Some(TOKEN_TYPE.to_owned()), ..Header::default() };
    refuse(&jsonwebtoken::encode(&symmetric, &claims(now), &EncodingKey::from_secret(b"x")).unwrap());
}

#[test]
fn the_algorithm_is_the_keys_own_whatever_the_token_says() {
    let World { mut keys, live, verifier, now, .. } = world(SigningAlgorithm::EdDsa);
    keys.next = Some(SigningKey::draw(SigningAlgorithm::Es256, now).unwrap());
    live.take(&keys).unwrap();
    let (ed, es) = (&keys.current, keys.next.as_ref().unwrap());
    let (ed_name, es_name) = (kid(ed).unwrap(), kid(es).unwrap());
    let asked = |key, algorithm, name: &str| verifier.verify(&token(key, algorithm, name, &claims(now)), now).is_ok();
    assert!(asked(ed, Algorithm::EdDSA, &ed_name));
    assert!(asked(es, Algorithm::ES256, &es_name));
    // One of our own keys under the other's name.
    assert!(!asked(ed, Algorithm::EdDSA, &es_name));
    assert!(!asked(es, Algorithm::ES256, &ed_name));
}

#[test]
fn a_rotation_is_seen_by_signer_and_verifier_at_once_and_ends_no_token() {
    let World { mut keys, live, signer, verifier, now, .. } = world(SigningAlgorithm::EdDsa);
    let first = keys.current.clone();
    let next = keys.next.clone().unwrap();
    let old = signer.sign(&claims(now)).unwrap();
    // Published before it signs, and good from then on: another instance may have turned earlier.
    let of_next = token(&next, Algorithm::EdDSA, &kid(&next).unwrap(), &claims(now));
    assert!(verifier.verify(&of_next, now).is_ok());
    assert!(!live.take(&keys).unwrap());

    rotate(&mut keys, Some(SigningAlgorithm::Es256), now + PUBLISHED_FIRST).unwrap();
    assert!(live.take(&keys).unwrap());
    let new = signer.sign(&claims(now)).unwrap();
    assert_eq!(jsonwebtoken::decode_header(&new).unwrap().kid, Some(kid(&next).unwrap()));
    assert!(verifier.verify(&old, now).is_ok() && verifier.verify(&new, now).is_ok());
    let published: Vec<_> = verifier.key_set().keys.into_iter().filter_map(|key| key.common.key_id).collect();
    let names = [&next, keys.next.as_ref().unwrap(), &first].map(|key| kid(key).unwrap());
    assert_eq!(published, names);

    live.take(&replace_all(SigningAlgorithm::Es256, now).unwrap()).unwrap();
    for token in [old, new, of_next] {
        assert_eq!(verifier.verify(&token, now), Err(TokenError::Forged));
    }
    assert!(verifier.verify(&signer.sign(&claims(now)).unwrap(), now).is_ok());
}

#[test]
fn keys_that_cannot_be_used_change_nothing() {
    let World { keys, live, signer, verifier, now, .. } = world(SigningAlgorithm::EdDsa);
    let token = signer.sign(&claims(now)).unwrap();
    for (place, key) in [("next", "AAAA"), ("current", "no base64"), ("previous", "")] {
        let mut text = serde_json::to_value(&keys).unwrap();
        text[place] = serde_json::json!({ "algorithm": "ES256", "created_at": now, "key": key });
        let broken: SigningKeys = serde_json::from_value(text).unwrap();
        assert!(live.take(&broken).is_err(), "{place}");
    }
    let mut other = serde_json::to_value(&keys).unwrap();
    other["next"]["algorithm"] = "ES256".into();
    assert!(live.take(&serde_json::from_value(other).unwrap()).is_err());
    assert!(verifier.verify(&token, now).is_ok());
}
