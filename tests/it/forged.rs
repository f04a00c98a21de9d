//! Forged and abused access tokens: each is refused at both APIs, all with one answer.

mod forge;

use base64::{Engine, engine::general_purpose::STANDARD};
use events::ids::derive;
use platform::{
    clock::Clock,
    crypto::{SigningAlgorithm, SigningKey, SigningKeys},
    tokens::kid,
};
use reqwest::Method;
use serde_json::{Value, json};

use self::forge::{Forge, encode, with};
use crate::support::{Answer, Client, PASSWORD, TestWorld, keys, new_user, send};

/// The issue asks for so many.
const AT_LEAST: usize = 60;

/// What is wrong, and the token.
type Forgeries = Vec<(String, String)>;

fn algorithms(forge: &Forge) -> Forgeries {
    let [header, claims, signature] = forge.parts();
    let unsigned = |alg: &str| encode(with(&forge.header, "alg", alg.into()).to_string());
    let mut all = Forgeries::new();
    for none in ["none", "None", "NONE", "nOnE"] {
        all.push((format!("alg {none}"), format!("{}.{claims}.", unsigned(none))));
        all.push((format!("alg {none} with a signature"), format!("{}.{claims}.{signature}", unsigned(none))));
    }
    let raw = forge.public_key();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&raw));
    for (what, secret) in
        [("raw", raw.clone()), ("base64", encode(&raw).into()), ("pem", pem.into()), ("empty", vec![])]
    {
        all.push((format!("HS256 with the public key, {what}"), forge.mac("HS256", &secret)));
    }
    all.extend(["HS384", "HS512"].map(|alg| (format!("{alg} with the public key"), forge.mac(alg, &raw))));
    for alg in ["RS256", "PS256", "ES256", "ES384", "Ed25519", "eddsa", ""] {
        all.push((format!("alg {alg:?} over our signature"), forge.with_header("alg", alg.into())));
    }
    all.push(("no alg".to_owned(), forge.with_header("alg", Value::Null)));
    all.push(("alg as a number".to_owned(), forge.with_header("alg", json!(8))));
    all.push(("the signature left out".to_owned(), format!("{header}.{claims}.")));
    all
}

fn keys(forge: &Forge) -> Forgeries {
    let own = |name: &str, value: Value| forge.own_key(&[(name, value)]);
    let jwk = forge.own_jwk();
    let mut all = vec![
        ("another key of the same name".to_owned(), forge.own_key(&[])),
        ("another key by its own name".to_owned(), own("kid", forge.own_thumbprint().into())),
        ("an embedded key".to_owned(), own("jwk", jwk.clone())),
        ("an embedded key of its own name".to_owned(), forge.own_key(&[("jwk", jwk), ("kid", Value::Null)])),
        ("a key's address".to_owned(), own("jku", "http://127.0.0.1:9/jwks.json".into())),
        ("a certificate's address".to_owned(), own("x5u", "http://127.0.0.1:9/cert.pem".into())),
        ("an embedded certificate".to_owned(), own("x5c", json!([STANDARD.encode("certificate")]))),
        ("no kid".to_owned(), forge.with_header("kid", Value::Null)),
        ("kid as a list".to_owned(), forge.with_header("kid", json!([forge.header["kid"]]))),
    ];
    for kid in ["", "other", "../../../../../../dev/null", "' OR '1'='1", "a\u{0}b", "*", "file:///dev/null"] {
        all.push((format!("kid {kid:?}"), forge.with_header("kid", kid.into())));
    }
    all.push(("an endless kid".to_owned(), forge.with_header("kid", "k".repeat(4_000).into())));
    all
}

/// Our own keys under each other's names and algorithms, and a key that we have dropped.
fn mixed(forge: &Forge, dropped: &SigningKey) -> Forgeries {
    let [current, next, previous] = forge.names();
    let (ours, before) = (&forge.keys().current, forge.keys().previous.as_ref().unwrap());
    let dropped_name = kid(dropped).unwrap();
    vec![
        ("EdDSA by the name of ES256".to_owned(), forge.ed_key(ours, &next, "EdDSA")),
        ("EdDSA by the name of ES256, as ES256".to_owned(), forge.ed_key(ours, &next, "ES256")),
        ("EdDSA by its own name, as ES256".to_owned(), forge.ed_key(ours, &current, "ES256")),
        ("ES256 by the name of EdDSA".to_owned(), forge.es_key(&current, "ES256")),
        ("ES256 by the name of EdDSA, as EdDSA".to_owned(), forge.es_key(&current, "EdDSA")),
        ("ES256 by its own name, as EdDSA".to_owned(), forge.es_key(&next, "EdDSA")),
        ("ES256 by its own name, as ES384".to_owned(), forge.es_key(&next, "ES384")),
        ("ES256 with a signature in ASN.1".to_owned(), forge.es_key_asn1(&next)),
        ("the key before by the name of the one that signs".to_owned(), forge.ed_key(before, &current, "EdDSA")),
        ("the key that signs by the name of the one before".to_owned(), forge.ed_key(ours, &previous, "EdDSA")),
        ("a key that was dropped".to_owned(), forge.ed_key(dropped, &dropped_name, "EdDSA")),
        ("a key that was dropped, by a good name".to_owned(), forge.ed_key(dropped, &current, "EdDSA")),
    ]
}

fn types(forge: &Forge) -> Forgeries {
    let mut all: Forgeries = ["JWT", "at+JWT+x", "refresh+jwt", "application/json", ""]
        .map(|kind| (format!("typ {kind:?}"), forge.with_header("typ", kind.into())))
        .into();
    all.push(("no typ".to_owned(), forge.with_header("typ", Value::Null)));
    let header = forge.header.to_string();
    let twice = header.replacen('{', r#"{"alg":"none","#, 1);
    all.push(("alg twice".to_owned(), forge.signed(&twice, &forge.claims.to_string())));
    all.push(("a header that is no object".to_owned(), forge.signed("[]", &forge.claims.to_string())));
    all
}

fn claims(forge: &Forge) -> Forgeries {
    let now = forge.claims["iat"].as_i64().unwrap();
    let wrong = [
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", forge.claims["iss"].as_str().unwrap()))),
        ("iss", json!("")),
        ("iss", Value::Null),
        ("aud", json!("other")),
        ("aud", json!(["other", "another"])),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", json!(now - 60)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!("9999999999")),
        ("exp", json!(i64::MAX)),
        ("exp", json!(1e300)),
        ("exp", Value::Null),
        ("nbf", json!(now + 3_600)),
        ("nbf", Value::Null),
        ("sub", json!("admin")),
        ("sub", json!("")),
        ("sub", Value::Null),
        ("sid", json!("../1")),
        ("sid", Value::Null),
        ("ver", json!(-1)),
        ("ver", Value::Null),
        ("roles", json!("administrator")),
        ("roles", Value::Null),
    ];
    let mut all: Forgeries =
        wrong.map(|(name, value)| (format!("{name} {value}"), forge.with_claim(name, value))).into();
    let (header, claims) = (forge.header.to_string(), forge.claims.to_string());
    let twice = claims.replacen('{', &format!(r#"{{"sub":"{}","#, derive(&["eve"])), 1);
    all.push(("sub twice".to_owned(), forge.signed(&header, &twice)));
    for (what, text) in [("a list", "[]"), ("nothing", ""), ("no JSON", "{"), ("a text", "\"sub\"")] {
        all.push((format!("claims that are {what}"), forge.signed(&header, text)));
    }
    all
}

fn damaged(forge: &Forge, refresh_token: &str) -> Forgeries {
    let [header, claims, signature] = forge.parts();
    let flipped = |text: &str| {
        let at = text.len() / 2;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    let richer =
        with(&forge.claims, "roles", json!([{ "role_id": derive(&["x"]), "scope": null, "expires_at": null }]));
    let texts = [
        ("the header changed", format!("{}.{claims}.{signature}", flipped(header))),
        ("the claims changed", format!("{header}.{}.{signature}", flipped(claims))),
        ("the signature changed", format!("{header}.{claims}.{}", flipped(signature))),
        ("other roles", format!("{header}.{}.{signature}", encode(richer.to_string()))),
        ("cut", forge.good[..forge.good.len() - 1].to_owned()),
        ("cut to its half", forge.good[..forge.good.len() / 2].to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("one part", header.to_owned()),
        ("four parts", format!("{}.{signature}", forge.good)),
        ("five parts", format!("{header}..{claims}..{signature}")),
        ("dots", "..".to_owned()),
        ("padded", format!("{}==", forge.good)),
        ("a space within", forge.good.replacen('.', ". ", 1)),
        ("something behind", format!("{}!", forge.good)),
        ("twice", format!("{},{}", forge.good, forge.good)),
        ("a signature of zeros", format!("{header}.{claims}.{}", encode([0; 64]))),
        ("a short signature", format!("{header}.{claims}.{}", encode([1; 32]))),
        ("the refresh token", refresh_token.to_owned()),
        ("a password", PASSWORD.to_owned()),
        ("endless", format!("{header}.{}.{signature}", "A".repeat(6_000))),
    ];
    texts.map(|(what, token)| (what.to_owned(), token)).into()
}

/// Everything of an answer that a client could tell answers apart by.
fn shown(answer: &Answer) -> Value {
    let challenge = answer.header("www-authenticate");
    let body = with(&answer.body, "trace_id", Value::Null);
    json!({ "status": answer.status.as_u16(), "type": answer.header("content-type"), "challenge": challenge, "body": body })
}

/// What both APIs answer to a value of `Authorization`.
async fn asked(api: &Client, authorization: &str) -> [Value; 2] {
    let nobody = Client::new(api.base());
    let read = nobody.request(Method::GET, "/v1/me").header("authorization", authorization);
    let written =
        nobody.request(Method::POST, "/v1/auth/logout?validate_only=true").header("authorization", authorization);
    [shown(&send(read).await), shown(&send(written).await)]
}

#[tokio::test]
async fn whatever_is_no_token_of_ours_is_refused_with_one_answer() {
    let now = Clock::system().now();
    let draw = |algorithm| SigningKey::draw(algorithm, now).unwrap();
    let (next, previous) = (draw(SigningAlgorithm::Es256), draw(SigningAlgorithm::EdDsa));
    let current = draw(SigningAlgorithm::EdDsa);
    let signing = SigningKeys { rotated_at: now, next: Some(next), current, previous: Some(previous) };
    let directory = tempfile::tempdir().unwrap();
    keys::place(directory.path(), &signing);
    let world = TestWorld::start_in(directory).await;
    let api = &world.api;
    let request = json!({ "identifier": dev::seed::ADMINISTRATOR, "password": PASSWORD });
    let login = api.post("/v1/auth/login", &request).await.expect(200);
    let forge = Forge::new(&login.text("access_token"), &signing);
    let same = forge.signed(&forge.header.to_string(), &forge.claims.to_string());
    let [_, next, previous] = forge.names();
    let of_previous = forge.ed_key(signing.previous.as_ref().unwrap(), &previous, "EdDSA");
    for good in [&forge.good, &same, &of_previous, &forge.es_key(&next, "ES256")] {
        api.with_token(good).get("/v1/me").await.expect(200);
        api.with_token(good).post("/v1/users?validate_only=true", &new_user(1)).await.expect(200);
    }

    let refusal = json!({
        "status": 401, "type": "application/problem+json", "challenge": "Bearer realm=\"fieldfuze\"",
        "body": {
            "type": "urn:fieldfuze:problem:unauthenticated", "title": "A valid access token is needed",
            "status": 401, "code": "unauthenticated"
        }
    });
    let mut all = algorithms(&forge);
    all.extend(keys(&forge));
    all.extend(mixed(&forge, &draw(SigningAlgorithm::EdDsa)));
    all.extend(types(&forge));
    all.extend(claims(&forge));
    all.extend(damaged(&forge, &login.text("refresh_token")));
    assert!(all.len() >= AT_LEAST, "{} forgeries", all.len());
    for (what, token) in &all {
        for answer in asked(api, &format!("Bearer {token}")).await {
            assert_eq!(answer, refusal, "{what}");
        }
    }
    for authorization in
        ["", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=", &forge.good, &format!("Token {}", forge.good)]
    {
        for answer in asked(api, authorization).await {
            assert_eq!(answer, refusal, "{authorization:.16}");
        }
    }
    println!("{} forgeries", all.len());
    world.world.stop().await;
}
