//! Makes tokens that look like ours, with whatever key, header and claims.

use aws_lc_rs::{
    digest, hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, KeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use platform::{
    crypto::{SigningKey, SigningKeys},
    tokens::kid,
};
use serde_json::{Value, json};

/// A forger who has seen a good token, and, to test the rules beside the signature, may sign with the real key.
pub struct Forge {
    real: Ed25519KeyPair,
    own: Ed25519KeyPair,
    keys: SigningKeys,
    /// The header of a good token.
    pub header: Value,
    /// The claims of a good token.
    pub claims: Value,
    /// A good token.
    pub good: String,
}

pub fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

impl Forge {
    /// Learns from a good token. Of `keys` the next one is of `ES256`, the others are of `EdDSA`.
    pub fn new(good: &str, keys: &SigningKeys) -> Self {
        let part = |number: usize| -> Value {
            let text = good.split('.').nth(number).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let own = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self {
            real: ed25519(&keys.current),
            keys: keys.clone(),
            own: Ed25519KeyPair::from_pkcs8(own.as_ref()).unwrap(),
            header: part(0),
            claims: part(1),
            good: good.to_owned(),
        }
    }

    /// A token of these two texts, signed with the real key.
    pub fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.real.sign(message.as_bytes()).as_ref());
        format!("{message}.{signature}")
    }

    /// A token with another header, signed with the real key.
    pub fn header(&self, header: &Value) -> String {
        self.signed(&header.to_string(), &self.claims.to_string())
    }

    /// A token with one field of the header changed (`null` leaves it out), signed with the real key.
    pub fn with_header(&self, name: &str, value: Value) -> String {
        self.header(&with(&self.header, name, value))
    }

    /// A token with one claim changed (`null` leaves it out), signed with the real key.
    pub fn with_claim(&self, name: &str, value: Value) -> String {
        self.signed(&self.header.to_string(), &with(&self.claims, name, value).to_string())
    }

    /// A token of the forger's own key that calls itself by the real key's name.
    pub fn own_key(&self, extra: &[(&str, Value)]) -> String {
        let header = extra.iter().fold(self.header.clone(), |header, (name, value)| with(&header, name, value.clone()));
        let message = format!("{}.{}", encode(header.to_string()), encode(self.claims.to_string()));
        let signature = encode(self.own.sign(message.as_bytes()).as_ref());
        format!("{message}.{signature}")
    }

    /// A token signed with an `EdDSA` key of ours, or of old, that says this name and algorithm.
    pub fn ed_key(&self, key: &SigningKey, name: &str, algorithm: &str) -> String {
        self.named(name, algorithm, |message| ed25519(key).sign(message).as_ref().to_vec())
    }

    /// A token signed with our ES256 key that says this name and algorithm.
    pub fn es_key(&self, name: &str, algorithm: &str) -> String {
        self.ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, name, algorithm)
    }

    /// The same, with a signature as ASN.1 and not as RFC 7518 has it.
    pub fn es_key_asn1(&self, name: &str) -> String {
        self.ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, name, "ES256")
    }

    fn ecdsa(&self, how: &'static EcdsaSigningAlgorithm, name: &str, algorithm: &str) -> String {
        let pair = EcdsaKeyPair::from_pkcs8(how, &self.keys.next.as_ref().unwrap().pkcs8().unwrap()).unwrap();
        self.named(name, algorithm, |message| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }

    fn named(&self, name: &str, algorithm: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let header = with(&with(&self.header, "kid", name.into()), "alg", algorithm.into());
        let message = format!("{}.{}", encode(header.to_string()), encode(self.claims.to_string()));
        let signature = encode(sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// Our keys.
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// The names of our keys: the one that signs, the next one, the one before.
    pub fn names(&self) -> [String; 3] {
        let (next, previous) = (self.keys.next.as_ref().unwrap(), self.keys.previous.as_ref().unwrap());
        [&self.keys.current, next, previous].map(|key| kid(key).unwrap())
    }

    /// The forger's public key as a JWK.
    pub fn own_jwk(&self) -> Value {
        let x = encode(self.own.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.header["kid"], "x": x })
    }

    /// A token whose MAC was made with what everybody knows of the real key.
    pub fn mac(&self, algorithm: &str, secret: &[u8]) -> String {
        let kind = match algorithm {
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        let header = with(&self.header, "alg", algorithm.into());
        let message = format!("{}.{}", encode(header.to_string()), encode(self.claims.to_string()));
        let tag = hmac::sign(&hmac::Key::new(kind, secret), message.as_bytes());
        format!("{message}.{}", encode(tag.as_ref()))
    }

    /// The real public key.
    pub fn public_key(&self) -> Vec<u8> {
        self.real.public_key().as_ref().to_vec()
    }

    /// The parts of the good token.
    pub fn parts(&self) -> [&str; 3] {
        let mut parts = self.good.split('.');
        [(); 3].map(|()| parts.next().unwrap())
    }

    /// The name that the thumbprint of the forger's key would have (RFC 7638).
    pub fn own_thumbprint(&self) -> String {
        let x = encode(self.own.public_key().as_ref());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    }
}

fn ed25519(key: &SigningKey) -> Ed25519KeyPair {
    Ed25519KeyPair::from_pkcs8(&key.pkcs8().unwrap()).unwrap()
}

/// A copy with one field changed; `null` leaves it out.
pub fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    let fields = object.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
    object
}
