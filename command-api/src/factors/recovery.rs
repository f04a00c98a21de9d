use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use events::ids::UserId;
use platform::{
    credentials::Credential,
    crypto::{KeyError, NotSealed},
    store::StoreError,
};

use super::Factors;

/// Codes of a set.
const CODES: usize = 10;

/// Letters of a code: 50 bits, of which nobody guesses one through a throttle.
const LETTERS: usize = 10;

/// Letters that are not taken for one another (Crockford's base 32, in lower case).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// New recovery codes, to be shown once.
#[derive(Debug)]
pub struct RecoveryCodes(Vec<String>);

impl RecoveryCodes {
    /// Draws a set.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn draw() -> Result<Self, StoreError> {
        let mut codes = Vec::with_capacity(CODES);
        for _ in 0..CODES {
            let mut bytes = [0; LETTERS];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Randomness(NotSealed))?;
            codes.push(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect());
        }
        Ok(Self(codes))
    }

    /// For being written down: with a dash in the middle.
    pub fn shown(&self) -> Vec<String> {
        self.0.iter().map(|code| format!("{}-{}", &code[..LETTERS / 2], &code[LETTERS / 2..])).collect()
    }
}

impl Factors {
    /// The action that makes these the user's recovery codes and no others, for the transaction of the commit that says so.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn recovery_action(&self, user: UserId, codes: &RecoveryCodes) -> Result<TransactWriteItem, StoreError> {
        let tags = codes.0.iter().map(|code| self.tag(user, code)).collect();
        let put = Put::builder()
            .table_name(&self.table)
            .item("user", Credential::Recovery.key(user))
            .item("codes", AttributeValue::Ss(tags));
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }

    /// The action that uses a recovery code up, if `said` looks like one, for the transaction of the commit that says so:
    /// its condition fails when it is none that is left.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn use_recovery_action(&self, user: UserId, said: &str) -> Result<Option<TransactWriteItem>, StoreError> {
        let letters =
            said.chars().filter(|letter| !matches!(letter, ' ' | '-')).map(|letter| letter.to_ascii_lowercase());
        let code: String = letters.collect();
        if code.len() != LETTERS || !code.bytes().all(|letter| ALPHABET.contains(&letter)) {
            return Ok(None);
        }
        let tag = self.tag(user, &code);
        let update = Update::builder()
            .table_name(&self.table)
            .key("user", Credential::Recovery.key(user))
            .update_expression("DELETE codes :used")
            .condition_expression("contains(codes, :code)")
            .expression_attribute_values(":used", AttributeValue::Ss(vec![tag.clone()]))
            .expression_attribute_values(":code", AttributeValue::S(tag));
        Ok(Some(TransactWriteItem::builder().update(update.build()?).build()))
    }

    fn tag(&self, user: UserId, code: &str) -> String {
        self.key.tag(&[b"recovery code", user.0.as_bytes(), code.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_set_has_ten_codes_that_differ() {
        let codes = RecoveryCodes::draw().unwrap().shown();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), CODES);
        assert!(
            codes.iter().all(|code| code.len() == LETTERS + 1 && code.as_bytes()[LETTERS / 2] == b'-'),
            "{codes:?}"
        );
    }
}
