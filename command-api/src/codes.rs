//! One-time codes at work: that one was sent, how often it was guessed at, and that it is used up.
//!
//! The code itself lies nowhere: whoever has the key makes it again from the notification that brought it (see
//! [`platform::codes`]). What lies in table `credentials` is which notification that was, until when its code is good, and
//! how many guesses were made. A newer code takes the place of an older one of the same purpose, and when the user's
//! telephone becomes another, the codes that went to the one before go.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, Delete, Put, ReturnValue, TransactWriteItem},
};
use chrono::{DateTime, Utc};
use events::{
    ids::{NotificationId, UserId},
    notification::template::Template,
    reaction::Notifying,
    user::{CodePurpose, Status, User},
    values::Invalid,
};
use platform::{
    clock::Clock,
    codes::{CodeKey, MAX_TRIES},
    credentials::Credential,
    store::{Companions, Draft, StoreError, unavailable},
    tables::{CREDENTIALS, Names},
};
use secrecy::{ExposeSecret, SecretString};

/// Longest code that is looked at, in characters: the longest are recovery codes, typed with blanks.
const MAX_CHARACTERS: usize = 32;

/// Refuses what is longer than any code.
///
/// # Errors
/// `code-too-long`.
pub fn check_length(said: SecretString) -> Result<SecretString, Invalid> {
    if said.expose_secret().chars().count() <= MAX_CHARACTERS {
        return Ok(said);
    }
    Err(Invalid { code: "code-too-long", message: format!("must have at most {MAX_CHARACTERS} characters") })
}

/// The codes that are good at a moment. Clones share everything.
#[derive(Debug, Clone)]
pub struct Codes {
    client: Client,
    table: String,
    key: CodeKey,
    clock: Clock,
}

/// A code that was shown, and has to be used up by the commit that it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownCode {
    user: UserId,
    purpose: CodePurpose,
    notification: NotificationId,
}

impl Codes {
    /// The codes of one stage.
    pub fn new(client: Client, names: &Names, key: CodeKey, clock: Clock) -> Self {
        Self { client, table: names.table(&CREDENTIALS), key, clock }
    }

    /// The actions that let the codes be shown that a commit's notifications will bring, and take back those that went to a
    /// telephone that is not the user's any more, for its transaction.
    ///
    /// # Errors
    /// Only if an action cannot be built.
    pub fn expect_actions(&self, draft: &Draft<User>) -> Result<Companions, StoreError> {
        let Some(user) = &draft.after().state else { return Ok(Companions::new()) };
        let (mut actions, mut brought_anew) = (Companions::new(), Vec::new());
        for reaction in draft.events().iter().filter_map(Notifying::reaction) {
            let purpose = Template::named(&reaction.request.template).and_then(|template| template.purpose);
            // Who has a password is welcomed without a code.
            let brought =
                purpose.filter(|purpose| *purpose != CodePurpose::Invitation || user.status == Status::Invited);
            if let Some(purpose) = brought {
                actions.push(self.expect(user.id, purpose, reaction.id, reaction.request.expires_at)?);
                brought_anew.push(purpose);
            }
        }
        if draft.before().state.as_ref().is_some_and(|before| before.phone != user.phone) {
            // Of an item there is one action in a transaction: what is brought anew takes the old one's place by itself.
            for purpose in CodePurpose::ALL.into_iter().filter(|purpose| !brought_anew.contains(purpose)) {
                actions.push(self.take_back(user.id, purpose)?);
            }
        }
        Ok(actions)
    }

    fn expect(
        &self,
        user: UserId,
        purpose: CodePurpose,
        notification: NotificationId,
        until: DateTime<Utc>,
    ) -> Result<TransactWriteItem, StoreError> {
        let number = |number: i64| AttributeValue::N(number.to_string());
        let item = HashMap::from([
            ("user".to_owned(), Credential::Code(purpose).key(user)),
            ("notification".to_owned(), AttributeValue::S(notification.to_string())),
            ("tries".to_owned(), number(0)),
            ("expires_at".to_owned(), number(until.timestamp())),
        ]);
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn take_back(&self, user: UserId, purpose: CodePurpose) -> Result<TransactWriteItem, StoreError> {
        let delete =
            Delete::builder().table_name(&self.table).key("user", Credential::Code(purpose).key(user)).build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Counts a guess, and says whether it is right. It is one write whether there is a code or not, so that neither the
    /// time nor anything else tells.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn show(&self, user: UserId, purpose: CodePurpose, said: &str) -> Result<Option<ShownCode>, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("user", Credential::Code(purpose).key(user))
            .update_expression("ADD tries :one")
            .condition_expression("expires_at > :now AND tries < :most")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":now", AttributeValue::N(self.clock.now().timestamp().to_string()))
            .expression_attribute_values(":most", AttributeValue::N(MAX_TRIES.to_string()))
            .return_values(ReturnValue::AllNew);
        let item = match update.send().await {
            Ok(updated) => updated.attributes.unwrap_or_default(),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(unavailable(error)),
        };
        let notification = item.get("notification").and_then(|id| id.as_s().ok()).and_then(|id| id.parse().ok());
        let shown = notification.map(|id| ShownCode { user, purpose, notification: NotificationId(id) });
        Ok(shown.filter(|shown| self.key.is_code_of(said, shown.notification, purpose)))
    }

    /// The action that uses a code up, for the transaction of the commit that it allows: its condition fails when another
    /// has used it, or a newer one has taken its place.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn use_action(&self, shown: &ShownCode) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("user", Credential::Code(shown.purpose).key(shown.user))
            .condition_expression("notification = :notification")
            .expression_attribute_values(":notification", AttributeValue::S(shown.notification.to_string()));
        Ok(TransactWriteItem::builder().delete(delete.build()?).build())
    }
}
