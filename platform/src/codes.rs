//! One-time codes: what a text message brings, and nothing keeps.

use events::{ids::NotificationId, user::CodePurpose};

use crate::crypto::MacKey;

/// How many codes there are: eight digits are typed without a slip, and with [`MAX_TRIES`] guesses a code is met once in
/// ten million times (NIST SP 800-63B-4 §3.1.3.2 asks for six digits).
const CODES: u64 = 100_000_000;

/// Digits of a code.
const DIGITS: usize = 8;

/// Guesses at one code.
pub const MAX_TRIES: u32 = 10;

/// Makes codes out of notifications: whoever has the key makes a code again, so it is stored nowhere, and rides in no
/// queue.
#[derive(Debug, Clone)]
pub struct CodeKey(MacKey);

impl CodeKey {
    /// With this key.
    pub fn new(key: MacKey) -> Self {
        Self(key)
    }

    /// The code that a notification brings.
    pub fn code(&self, notification: NotificationId, purpose: CodePurpose) -> String {
        let tag = self.0.bytes(&[b"one-time code", notification.0.as_bytes(), purpose.as_str().as_bytes()]);
        let first =
            tag.as_ref().iter().take(size_of::<u64>()).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{:0DIGITS$}", first % CODES)
    }

    /// Whether somebody who typed `said` read the code; blanks and dashes are passed over. The time does not tell how much of
    /// it is right.
    pub fn is_code_of(&self, said: &str, notification: NotificationId, purpose: CodePurpose) -> bool {
        let digits: String = said.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect();
        let code = self.code(notification, purpose);
        aws_lc_rs::constant_time::verify_slices_are_equal(digits.as_bytes(), code.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use events::ids::derive;

    use super::*;

    #[test]
    fn a_code_is_of_one_notification_purpose_and_key() {
        let (key, other) = (CodeKey::new(MacKey::new(&[1; 32])), CodeKey::new(MacKey::new(&[2; 32])));
        let notification = |name: &str| NotificationId(derive(&[name]));
        let (id, purpose) = (notification("one"), CodePurpose::PasswordReset);
        let code = key.code(id, purpose);
        assert!(code.len() == DIGITS && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
        for said in [code.clone(), format!(" {} {} ", &code[..4], &code[4..]), format!("{}-{}", &code[..4], &code[4..])]
        {
            assert!(key.is_code_of(&said, id, purpose), "{said}");
        }
        for said in ["", "0", &code[1..], &format!("{code}0")] {
            assert!(!key.is_code_of(said, id, purpose), "{said}");
        }
        assert!(!key.is_code_of(&code, notification("two"), purpose));
        assert!(!key.is_code_of(&code, id, CodePurpose::SignIn));
        assert!(!other.is_code_of(&code, id, purpose));
    }

    #[test]
    fn every_digit_comes_first_about_as_often() {
        let key = CodeKey::new(MacKey::new(&[1; 32]));
        let mut firsts = [0; 10];
        for number in 0..10_000_u32 {
            let code = key.code(NotificationId(derive(&[&number.to_string()])), CodePurpose::SignIn);
            firsts[usize::from(code.as_bytes()[0] - b'0')] += 1;
        }
        assert!(firsts.iter().all(|times| (850..1_150).contains(times)), "{firsts:?}");
    }
}
