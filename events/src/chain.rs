//! The hash chain that shows tampering with a stream.

use std::{collections::BTreeMap, fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first commit of every stream follows.
    pub const GENESIS: Self = Self([0; 32]);

    /// A hash that was computed elsewhere.
    pub(crate) const fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A text that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hash: expected 64 hexadecimal digits")]
pub struct NotAHash;

/// The hash of a commit: its predecessor's, then each attribute's name and value in the order of the names, each behind
/// its length in bytes (64 bits, big endian), so that no two commits are one sequence of bytes.
pub fn link(previous: &Hash, attributes: &BTreeMap<&'static str, String>) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous.0);
    for part in attributes.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(NotAHash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAHash)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moving_a_byte_between_attributes_changes_the_hash() {
        let one = BTreeMap::from([("a", "xy".to_owned()), ("b", "z".to_owned())]);
        let other = BTreeMap::from([("a", "x".to_owned()), ("b", "yz".to_owned())]);
        assert_ne!(link(&Hash::GENESIS, &one), link(&Hash::GENESIS, &other));
        assert_ne!(link(&Hash::GENESIS, &one), link(&link(&Hash::GENESIS, &one), &one));
    }

    proptest! {
        #[test]
        fn a_hash_reads_back(bytes: [u8; 32]) {
            prop_assert_eq!(Hash(bytes).to_string().parse(), Ok(Hash(bytes)));
        }
    }
}
