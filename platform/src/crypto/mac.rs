use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A key for HMAC-SHA-256.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// A key from its bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The MAC over length-prefixed parts, so that no two lists of parts are one text; URL-safe base64.
    pub fn tag(&self, parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes(parts))
    }

    /// Whether `tag` is the MAC over `parts`, in a time that does not tell how much of it is.
    pub fn is_tag_of(&self, tag: &str, parts: &[&[u8]]) -> bool {
        let tag = URL_SAFE_NO_PAD.decode(tag).unwrap_or_default();
        constant_time::verify_slices_are_equal(self.bytes(parts).as_ref(), &tag).is_ok()
    }

    /// The MAC as bytes.
    pub fn bytes(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign()
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(..)")
    }
}
