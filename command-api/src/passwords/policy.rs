//! Which passwords may be set (NIST SP 800-63B-4 §3.1.1.2): long ones that are not easily guessed, whatever they are made
//! of.

use events::values::Invalid;
use secrecy::{ExposeSecret, SecretString};
use zxcvbn::{Score, zxcvbn};

/// Fewest characters of a password that is the only factor (§3.1.1.2).
const MIN_ALONE: usize = 15;

/// Fewest characters of one that is never enough without a second factor (§3.1.1.2).
const MIN_BESIDE_A_FACTOR: usize = 8;

/// Most characters of a password; the hash takes all of them.
const MAX_CHARACTERS: usize = 128;

/// What a password must be worth: more than 10^8 guesses by one who knows common passwords, words, names, dates, rows of
/// keys and repetitions, all offline. It stands for the block list that §3.1.1.2 asks for.
const MIN_SCORE: Score = Score::Three;

/// What one must be worth that is too short to stand alone: more than 10^6 guesses. Whoever guesses has to show a second
/// factor, too, and no eight characters are worth more than 10^8.
const MIN_SCORE_BESIDE_A_FACTOR: Score = Score::Two;

/// Words that everybody would try here.
const OUR_WORDS: [&str; 4] = ["fieldfuze", "field", "fuze", "fieldservice"];

/// Refuses a password that is too short to be the only factor, or too long.
///
/// # Errors
/// `password-too-short` or `password-too-long`.
pub fn check_length(password: &SecretString) -> Result<(), Invalid> {
    of_at_least(MIN_ALONE, password)
}

/// Refuses a password that is too short even beside a second factor, or too long. Whoever has no second factor needs more:
/// [`check_length`].
///
/// # Errors
/// `password-too-short` or `password-too-long`.
pub fn check_length_beside_a_factor(password: &SecretString) -> Result<(), Invalid> {
    of_at_least(MIN_BESIDE_A_FACTOR, password)
}

fn of_at_least(fewest: usize, password: &SecretString) -> Result<(), Invalid> {
    let length = password.expose_secret().chars().count();
    let refuse = |code, message: String| Err(Invalid { code, message });
    if length < fewest {
        refuse("password-too-short", format!("must have at least {fewest} characters"))
    } else if length > MAX_CHARACTERS {
        refuse("password-too-long", format!("must have at most {MAX_CHARACTERS} characters"))
    } else {
        Ok(())
    }
}

pub(super) fn check_guessable(password: &str, context: &[String]) -> Result<(), Invalid> {
    let words: Vec<&str> = OUR_WORDS.into_iter().chain(context.iter().flat_map(|text| parts(text))).collect();
    let estimate = zxcvbn(password, &words);
    let alone = password.chars().count() >= MIN_ALONE;
    if estimate.score() >= if alone { MIN_SCORE } else { MIN_SCORE_BESIDE_A_FACTOR } {
        return Ok(());
    }
    let why = estimate.feedback().and_then(zxcvbn::feedback::Feedback::warning).map(|warning| warning.to_string());
    let why = why.unwrap_or_else(|| "It is made of what is tried first.".to_owned());
    Err(Invalid { code: "password-too-guessable", message: format!("is too easily guessed. {why}") })
}

/// A text and the words that it is made of: the parts of an address are tried, too.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    std::iter::once(text).chain(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_characters() {
        assert_eq!(check_length(&"é".repeat(14).into()).unwrap_err().code, "password-too-short");
        assert!(check_length(&"é".repeat(15).into()).is_ok());
        assert_eq!(check_length_beside_a_factor(&"é".repeat(7).into()).unwrap_err().code, "password-too-short");
        assert!(check_length_beside_a_factor(&"é".repeat(8).into()).is_ok());
        assert_eq!(check_length(&"e".repeat(129).into()).unwrap_err().code, "password-too-long");
    }

    #[test]
    fn what_everybody_tries_is_refused_and_what_nobody_tries_is_not() {
        let ada = ["ada.lovelace@analytical.example".to_owned(), "Ada".to_owned(), "Lovelace".to_owned()];
        for guessed in [
            "passwordpassword",
            "aaaaaaaaaaaaaaaaaaaa",
            "123456789012345",
            "qwertyuiopasdfghjkl",
            "adalovelaceadalovelace",
            "ada.lovelace@analytical.example",
            "FieldFuzeFieldFuze",
            "password1",
            "adalove1",
        ] {
            let refusal = check_guessable(guessed, &ada).expect_err(guessed);
            assert_eq!(refusal.code, "password-too-guessable");
            assert!(!refusal.message.contains(guessed));
        }
        for good in ["correct horse battery staple", "wind 7 over the grey harbour", "kV9#qLm2xTz!wR4p", "kV9#qLm2"] {
            assert_eq!(check_guessable(good, &ada), Ok(()), "{good}");
        }
    }
}
