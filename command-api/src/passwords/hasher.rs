//! Hashes and checks: ours, and the algorithms of the systems that people come from.

use argon2::{
    Argon2, PasswordVerifier,
    password_hash::{Error, phc::PasswordHash},
};
use bcrypt::HashParts;
use events::values::Invalid;
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;
use secrecy::{ExposeSecret, SecretString};

use super::{
    PasswordError, Verified,
    ours::{Memory, Ours},
};

/// Most memory that a foreign argon2 or scrypt hash may ask for, in KiB: what the heaviest settings in use ask for. Each
/// thread of the pool may need it at once.
const MAX_FOREIGN_MEMORY_KIB: u32 = 131_072;

/// Most passes of a foreign argon2 hash.
const MAX_FOREIGN_PASSES: u32 = 10;

/// Most lanes of a foreign argon2 or scrypt hash.
const MAX_FOREIGN_LANES: u32 = 8;

/// Largest cost of a foreign bcrypt hash: about a second.
const MAX_BCRYPT_COST: u32 = 14;

/// Most rounds of a foreign PBKDF2 hash: three times what OWASP asks for of HMAC-SHA-256.
const MAX_PBKDF2_ROUNDS: u32 = 2_000_000;

/// Longest foreign hash, in bytes: a PHC string of the longest salt and output has some 200.
const MAX_FOREIGN_BYTES: usize = 512;

/// Hashes and checks.
pub(super) struct Hasher {
    ours: Ours,
    /// What is checked when there is no account, no password or none that reads, so that the time tells nothing.
    nobody: PasswordHash,
}

/// A hash that we can check.
enum Known {
    Argon2(PasswordHash),
    Scrypt(PasswordHash),
    Pbkdf2(PasswordHash),
    Bcrypt(String, u32),
}

impl Hasher {
    pub(super) fn new() -> anyhow::Result<Self> {
        let ours = Ours::new()?;
        let nobody = ours.hash(&mut Memory::default(), b"nobody's password")?;
        Ok(Self { ours, nobody })
    }

    pub(super) fn hash(&self, memory: &mut Memory, password: &SecretString) -> Result<String, PasswordError> {
        Ok(self.ours.hash(memory, password.expose_secret().as_bytes())?.to_string())
    }

    pub(super) fn verify(
        &self,
        memory: &mut Memory,
        password: &SecretString,
        stored: Option<&str>,
    ) -> Result<Verified, PasswordError> {
        let (known, shown) = (stored.and_then(Known::parse), password.expose_secret().as_bytes());
        if stored.is_some() && known.is_none() {
            tracing::error!("a stored password hash does not read: its user cannot sign in");
        }
        match known {
            None => self.ours.matches(memory, shown, &self.nobody).map(|_| Verified::No),
            Some(Known::Argon2(hash)) if self.ours.made(&hash) => {
                Ok(if self.ours.matches(memory, shown, &hash)? { Verified::Yes } else { Verified::No })
            }
            Some(known) if known.matches(shown)? => self.hash(memory, password).map(Verified::Rehashed),
            Some(_) => Ok(Verified::No),
        }
    }
}

/// Refuses what is no hash that we can check, or one that would take too much to check.
///
/// # Errors
/// `invalid-password-hash`.
pub fn check_foreign(hash: &str) -> Result<(), Invalid> {
    let bounded = Some(hash).filter(|hash| hash.len() <= MAX_FOREIGN_BYTES).and_then(Known::parse);
    match bounded {
        Some(known) if known.is_affordable() => Ok(()),
        _ => Err(Invalid {
            code: "invalid-password-hash",
            message: "must be an argon2, scrypt or PBKDF2 hash as a PHC string, or a bcrypt hash, at a usual cost"
                .into(),
        }),
    }
}

impl Known {
    fn parse(hash: &str) -> Option<Self> {
        if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
            let parts: HashParts = hash.parse().ok()?;
            return Some(Self::Bcrypt(hash.to_owned(), parts.get_cost()));
        }
        let phc = PasswordHash::new(hash).ok().filter(|phc| phc.salt.is_some() && phc.hash.is_some())?;
        match phc.algorithm.as_str() {
            "argon2id" | "argon2i" | "argon2d" => Some(Self::Argon2(phc)),
            "scrypt" => Some(Self::Scrypt(phc)),
            "pbkdf2-sha256" | "pbkdf2-sha512" => Some(Self::Pbkdf2(phc)),
            _ => None,
        }
    }

    fn is_affordable(&self) -> bool {
        let at_most =
            |hash: &PasswordHash, name, most| hash.params.get_decimal(name).is_some_and(|value| value <= most);
        match self {
            Self::Argon2(hash) => {
                at_most(hash, "m", MAX_FOREIGN_MEMORY_KIB)
                    && at_most(hash, "t", MAX_FOREIGN_PASSES)
                    && at_most(hash, "p", MAX_FOREIGN_LANES)
            }
            // It takes 128 * r * 2^ln bytes, p times one after the other.
            Self::Scrypt(hash) => {
                let blocks = hash.params.get_decimal("ln").and_then(|ln| 1_u32.checked_shl(ln));
                let memory = blocks.zip(hash.params.get_decimal("r")).and_then(|(blocks, r)| blocks.checked_mul(r));
                memory.is_some_and(|memory| memory / 8 <= MAX_FOREIGN_MEMORY_KIB)
                    && at_most(hash, "p", MAX_FOREIGN_LANES)
            }
            Self::Pbkdf2(hash) => at_most(hash, "i", MAX_PBKDF2_ROUNDS),
            Self::Bcrypt(_, cost) => *cost <= MAX_BCRYPT_COST,
        }
    }

    fn matches(&self, password: &[u8]) -> Result<bool, PasswordError> {
        let verified = match self {
            Self::Argon2(hash) => Argon2::default().verify_password(password, hash),
            Self::Scrypt(hash) => Scrypt::default().verify_password(password, hash),
            Self::Pbkdf2(hash) => Pbkdf2::default().verify_password(password, hash),
            // bcrypt looks at the first 72 bytes only, and so did whoever made the hash. The hash reads: what it may still
            // refuse is a password that it cannot have been made of.
            Self::Bcrypt(hash, _) => return Ok(bcrypt::verify(password, hash).unwrap_or(false)),
        };
        match verified {
            Ok(()) => Ok(true),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(_) => Err(PasswordError::Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `correct horse battery`, by other implementations.
    const FOREIGN: [&str; 5] = [
        "$2b$04$d48aSUVyoKKrqAhF2kMkZuZDJiHKOpOtdL7doz7RkqYprp.PZ2vJq",
        "$argon2id$v=19$m=8192,t=3,p=1$Q915J+TeP/n9vm3yK1U79w$PMjKcQvPqPHkPiw1hAfzTNt20zgVZUVk+LoCOpS1528",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$fXnS5Awj6eMC+z1SbPBpyxEKbW7GHGyuCeVjw7IJSMI",
        "$pbkdf2-sha256$i=10000,l=32$c2FsdHNhbHRzYWx0c2FsdA$kE3o2dEnF1WuUhq4bKPamw64U1LeCPCYqZtAUmNXxj8",
        "$pbkdf2-sha512$i=10000,l=32$c2FsdHNhbHRzYWx0c2FsdA$wxsYIQn/1sLsXu0XdohVO3F574zVhMTW9u6skKO0UiM",
    ];

    #[test]
    fn hashes_of_other_systems_are_known_and_rehashed() {
        let (hasher, mut memory) = (Hasher::new().unwrap(), Memory::default());
        for hash in FOREIGN {
            check_foreign(hash).unwrap();
            let verified = hasher.verify(&mut memory, &"correct horse battery".into(), Some(hash)).unwrap();
            assert!(
                matches!(&verified, Verified::Rehashed(new) if new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")),
                "{hash}"
            );
            let wrong = hasher.verify(&mut memory, &"correct horse batterz".into(), Some(hash));
            assert_eq!(wrong, Ok(Verified::No), "{hash}");
        }
    }

    #[test]
    fn what_is_no_hash_or_costs_too_much_is_refused() {
        let salted = "c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
        for hash in [
            String::new(),
            "correct horse battery".to_owned(),
            "{SSHA}c2FsdA==".to_owned(),
            "$argon2id$v=19$m=19456,t=2,p=1".to_owned(),
            format!("$argon2id$v=19$m=4000000,t=2,p=1${salted}"),
            format!("$argon2id$v=19$m=19456,t=2000,p=1${salted}"),
            format!("$scrypt$ln=24,r=8,p=1${salted}"),
            format!("$scrypt$ln=63,r=8,p=1${salted}"),
            format!("$pbkdf2-sha256$i=4000000000,l=32${salted}"),
            format!("$md5$i=1${salted}"),
            "$2b$31$abcdefghijklmnopqrstuu5DRVQfDq5IFKg2kVFkMYYeKz4oJ2Fyu".to_owned(),
        ] {
            assert_eq!(check_foreign(&hash).map_err(|invalid| invalid.code), Err("invalid-password-hash"), "{hash}");
        }
    }

    #[test]
    fn a_stored_hash_that_does_not_read_lets_nobody_in() {
        let (hasher, mut memory) = (Hasher::new().unwrap(), Memory::default());
        assert_eq!(hasher.verify(&mut memory, &"anything".into(), Some("$argon2id$broken")), Ok(Verified::No));
    }
}
