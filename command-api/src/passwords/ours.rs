//! argon2id as we hash: in memory that is kept from one hash to the next.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        phc::{Output, ParamsString, PasswordHash, Salt},
        try_generate_salt,
    },
};
use zeroize::Zeroizing;

use super::PasswordError;

/// Memory per hash, in KiB (OWASP Password Storage Cheat Sheet, first choice).
const MEMORY_KIB: u32 = 19_456;

/// Passes over the memory (same source).
const PASSES: u32 = 2;

/// Lanes (same source).
const LANES: u32 = 1;

/// Length of what is kept of a password, in bytes (RFC 9106, section 4: 256 bits).
const OUTPUT_BYTES: usize = 32;

/// What hashes are made in. Getting 19 MiB from the system and giving them back is some 5,000 page faults, a fifteenth of what
/// a hash takes. It is overwritten when it is let go.
#[derive(Default)]
pub(super) struct Memory(Zeroizing<Vec<Block>>);

/// Our parameters.
pub(super) struct Ours {
    argon2: Argon2<'static>,
    params: ParamsString,
}

impl Memory {
    /// Lets go of it.
    pub(super) fn free(&mut self) {
        *self = Self::default();
    }
}

impl Ours {
    pub(super) fn new() -> anyhow::Result<Self> {
        let refused = |error| anyhow::anyhow!("our argon2 parameters: {error}");
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES)).map_err(refused)?;
        let told = ParamsString::try_from(&params).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Self { argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params), params: told })
    }

    /// Whether a hash was made like this.
    pub(super) fn made(&self, hash: &PasswordHash) -> bool {
        hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && hash.params == self.params
            && hash.hash.is_some_and(|output| output.len() == OUTPUT_BYTES)
    }

    /// The hash of a password, with a salt of its own.
    pub(super) fn hash(&self, memory: &mut Memory, password: &[u8]) -> Result<PasswordHash, PasswordError> {
        let salt = try_generate_salt().map_err(|_| PasswordError::Broken)?;
        let salt = Salt::new(&salt).map_err(|_| PasswordError::Broken)?;
        Ok(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: self.params.clone(),
            hash: Some(self.output(memory, password, &salt)?),
            salt: Some(salt),
        })
    }

    /// Whether it is the password of a hash that was [made](Self::made) like this. Compares in constant time.
    pub(super) fn matches(
        &self,
        memory: &mut Memory,
        password: &[u8],
        hash: &PasswordHash,
    ) -> Result<bool, PasswordError> {
        let salt = hash.salt.as_ref().ok_or(PasswordError::Broken)?;
        Ok(hash.hash == Some(self.output(memory, password, salt)?))
    }

    fn output(&self, memory: &mut Memory, password: &[u8], salt: &Salt) -> Result<Output, PasswordError> {
        let blocks = &mut memory.0;
        blocks.resize(self.argon2.params().block_count(), Block::new());
        let mut output = [0; OUTPUT_BYTES];
        self.argon2
            .hash_password_into_with_memory(password, salt, &mut output, blocks.as_mut_slice())
            .map_err(|_| PasswordError::Broken)?;
        Output::new(&output).map_err(|_| PasswordError::Broken)
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;

    use super::*;

    #[test]
    fn a_hash_is_the_library_s_own_whatever_was_hashed_in_the_memory_before() {
        let (ours, mut memory) = (Ours::new().unwrap(), Memory::default());
        for password in ["one", "another", ""] {
            let hash = ours.hash(&mut memory, password.as_bytes()).unwrap();
            assert!(ours.made(&PasswordHash::new(&hash.to_string()).unwrap()));
            Argon2::default().verify_password(password.as_bytes(), &hash).unwrap();
            assert_eq!(ours.matches(&mut memory, password.as_bytes(), &hash), Ok(true));
            assert_eq!(ours.matches(&mut memory, b"wrong", &hash), Ok(false));
            memory.free();
            assert_eq!(ours.matches(&mut memory, password.as_bytes(), &hash), Ok(true));
        }
    }

    #[test]
    fn what_was_hashed_in_another_way_is_not_ours() {
        let ours = Ours::new().unwrap();
        let salted = "c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
        let made = |hash: String| ours.made(&PasswordHash::new(&hash).unwrap());
        assert!(made(format!("$argon2id$v=19$m=19456,t=2,p=1${salted}")));
        for how in [
            "argon2i$v=19$m=19456,t=2,p=1",
            "argon2id$v=16$m=19456,t=2,p=1",
            "argon2id$m=19456,t=2,p=1",
            "argon2id$v=19$m=19456,t=3,p=1",
            "argon2id$v=19$m=19456,t=2,p=1,data=c2FsdA",
        ] {
            assert!(!made(format!("${how}${salted}")), "{how}");
        }
        assert!(!made("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA".to_owned()));
    }
}
