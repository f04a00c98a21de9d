//! What a sign-in takes beside the password: the codes of an authenticator (RFC 6238), and recovery codes.
//!
//! Both lie in table `credentials`: a seed sealed with its user's key, so that it is gone with the user; recovery codes as
//! MACs. One that was sent in a text message is a one-time code like others (see [`crate::codes`]).

mod recovery;
mod seed;

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use chrono::TimeDelta;
use events::ids::UserId;
use platform::{
    clock::Clock,
    credentials::Credential,
    crypto::{Keyring, MacKey, SubjectKey},
    store::{StoreError, bad_row, unavailable},
    tables::{CREDENTIALS, Names},
};

pub use self::{recovery::RecoveryCodes, seed::Seed};

/// How long a seed waits to be confirmed by a first code.
const CONFIRM_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// The seeds and recovery codes of one stage. Clones share everything.
#[derive(Debug, Clone)]
pub struct Factors {
    client: Client,
    table: String,
    keyring: Keyring,
    key: MacKey,
    clock: Clock,
}

impl Factors {
    /// Those of one stage.
    pub fn new(client: Client, names: &Names, keyring: Keyring, key: MacKey, clock: Clock) -> Self {
        Self { client, table: names.table(&CREDENTIALS), keyring, key, clock }
    }

    /// Draws a seed that waits to be confirmed. One that waited before is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draw(&self, user: UserId) -> Result<Seed, StoreError> {
        let seed = Seed::random()?;
        let until = self.clock.now() + CONFIRM_WITHIN;
        let mut item = self.item(user, Credential::WaitingTotp, &seed, 0).await?;
        item.insert("expires_at".to_owned(), number(until.timestamp().unsigned_abs()));
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await.map_err(unavailable)?;
        Ok(seed)
    }

    /// The actions that make the waiting seed the one of sign-ins, if `said` is a code of it; for the transaction of the
    /// commit that says so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn confirm(&self, user: UserId, said: &str) -> Result<Option<[TransactWriteItem; 2]>, StoreError> {
        let Some((seed, _)) = self.seed(user, Credential::WaitingTotp).await? else { return Ok(None) };
        let Some(step) = seed.step_of(said, self.clock.now()) else { return Ok(None) };
        let item = self.item(user, Credential::Totp, &seed, step).await?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build()?;
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("user", Credential::WaitingTotp.key(user))
            .condition_expression("attribute_exists(seed)");
        Ok(Some([
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().delete(delete.build()?).build(),
        ]))
    }

    /// Whether `said` is a code of the user's authenticator that was not used before (RFC 6238 §5.2): the step that is
    /// accepted is kept by a conditional write, so that of two at once one wins.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accept(&self, user: UserId, said: &str) -> Result<bool, StoreError> {
        let Some((seed, last)) = self.seed(user, Credential::Totp).await? else { return Ok(false) };
        let Some(step) = seed.step_of(said, self.clock.now()).filter(|step| *step > last) else { return Ok(false) };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("user", Credential::Totp.key(user))
            .update_expression("SET step = :step")
            .condition_expression("attribute_exists(seed) AND step < :step")
            .expression_attribute_values(":step", number(step));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The action that forgets the seed, for the transaction of the commit that says so.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn forget_action(&self, user: UserId) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder().table_name(&self.table).key("user", Credential::Totp.key(user));
        Ok(TransactWriteItem::builder().delete(delete.build()?).build())
    }

    async fn item(
        &self,
        user: UserId,
        credential: Credential,
        seed: &Seed,
        step: u64,
    ) -> Result<HashMap<String, AttributeValue>, StoreError> {
        let malformed = || bad_row::<()>(&self.table)(());
        let SubjectKey::Live(key) = self.keyring.load_now(user.into()).await? else { return Err(malformed()) };
        let sealed = key.seal(&credential.place(user), seed.bytes()).map_err(|_| malformed())?;
        Ok(HashMap::from([
            ("user".to_owned(), credential.key(user)),
            ("seed".to_owned(), AttributeValue::S(sealed)),
            ("step".to_owned(), number(step)),
        ]))
    }

    /// A seed and the last step that was accepted of it.
    async fn seed(&self, user: UserId, credential: Credential) -> Result<Option<(Seed, u64)>, StoreError> {
        let get =
            self.client.get_item().table_name(&self.table).key("user", credential.key(user)).consistent_read(true);
        let Some(item) = get.send().await.map_err(unavailable)?.item else { return Ok(None) };
        let field = |name: &str| match item.get(name) {
            Some(AttributeValue::S(text) | AttributeValue::N(text)) => Some(text.as_str()),
            _ => None,
        };
        let number = |name: &str| field(name).and_then(|text| text.parse::<u64>().ok());
        if number("expires_at").is_some_and(|end| end <= self.clock.now().timestamp().unsigned_abs()) {
            return Ok(None);
        }
        let SubjectKey::Live(key) = self.keyring.load_now(user.into()).await? else { return Ok(None) };
        let opened = field("seed").and_then(|sealed| key.open(&credential.place(user), sealed).ok());
        let seed = opened.and_then(|bytes| Seed::of(&bytes));
        let malformed = || bad_row::<()>(&self.table)(());
        Ok(Some((seed.ok_or_else(malformed)?, number("step").ok_or_else(malformed)?)))
    }
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
