use chrono::{DateTime, Utc};
use platform::store::StoreError;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

/// Bytes of a seed (RFC 4226 §4, R6: 160 bits).
const BYTES: usize = 20;

/// Digits of a code: what authenticators expect.
const DIGITS: u8 = 6;

/// Seconds of a step (RFC 6238 §5.2).
const STEP: u64 = 30;

/// Steps before and after the present one that are accepted, for clocks that are not exact (the same).
const SKEW: u16 = 1;

/// Who is named in the authenticator.
const ISSUER: &str = "FieldFuze";

/// What an authenticator and we have in common.
pub struct Seed(Zeroizing<[u8; BYTES]>);

impl Seed {
    pub(super) fn random() -> Result<Self, StoreError> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| platform::crypto::NotSealed).map_err(no_randomness)?;
        Ok(Self(bytes))
    }

    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The step whose code `said` is, among those that are accepted at `now`.
    pub(super) fn step_of(&self, said: &str, now: DateTime<Utc>) -> Option<u64> {
        let digits: String = said.chars().filter(|letter| *letter != ' ').collect();
        let digits = Some(digits)
            .filter(|said| said.len() == usize::from(DIGITS) && said.bytes().all(|b| b.is_ascii_digit()))?;
        self.totp(None)?.check(&digits, now.timestamp().unsigned_abs())
    }

    /// The seed for typing it off, in base 32.
    pub fn base32(&self) -> Option<String> {
        Some(self.totp(None)?.secret().to_base32())
    }

    /// The seed for an authenticator's camera: an `otpauth:` URI that names `account`.
    pub fn uri(&self, account: &str) -> Option<String> {
        self.totp(Some(account))?.to_url().ok()
    }

    fn totp(&self, account: Option<&str>) -> Option<Totp> {
        let builder = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(SKEW)
            .with_step_duration(STEP)
            .with_secret(self.bytes().to_vec())
            .with_issuer(Some(ISSUER));
        account.map_or_else(|| builder.clone(), |account| builder.clone().with_account_name(account)).build().ok()
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

fn no_randomness(error: platform::crypto::NotSealed) -> StoreError {
    platform::crypto::KeyError::Randomness(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the seed and codes of SHA-1, cut to six digits.
    const VECTORS: [(i64, &str); 4] =
        [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")];

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_the_rfc_and_the_steps_beside_theirs_are_accepted() {
        let seed = Seed::of(b"12345678901234567890").unwrap();
        for (seconds, code) in VECTORS {
            let step = seconds.unsigned_abs() / STEP;
            for shifted in [-30, 0, 30] {
                assert_eq!(seed.step_of(code, at(seconds + shifted)), Some(step), "{code}");
            }
            assert_eq!(seed.step_of(code, at(seconds + 61)), None);
        }
        for said in ["", "28708", "2870820", "28708a", "٢٨٧٠٨٢"] {
            assert_eq!(seed.step_of(said, at(59)), None, "{said}");
        }
        assert_eq!(seed.step_of("287 082", at(59)), Some(1));
    }

    #[test]
    fn it_is_shown_as_authenticators_read_it() {
        let seed = Seed::of(b"12345678901234567890").unwrap();
        assert_eq!(seed.base32().unwrap(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = seed.uri("ada@example.com").unwrap();
        assert!(uri.starts_with("otpauth://totp/FieldFuze:") && uri.contains("secret=GEZDGNBVGY3TQOJQ"), "{uri}");
    }
}
