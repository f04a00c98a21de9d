use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::{UpdateItemError, UpdateItemOutput, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use chrono::{DateTime, TimeDelta, Utc};
use platform::{
    store::{StoreError, bad_row, unavailable},
    tables::{Names, THROTTLES},
};

use super::{
    counter::{Counter, Rule, Standing},
    delay::{Delay, Failures, Success},
    quota::Quota,
};

/// How often a counter is looked at again when others count at the same moment. The second look is for those who made the
/// last free attempts; who loses to others even then comes back in a moment.
const LOOKS: usize = 3;

/// Table `throttles`.
///
/// An addition whose answer was lost may be made twice by the client of AWS: then one attempt too many is counted.
#[derive(Debug, Clone)]
pub(super) struct Table {
    client: Client,
    name: String,
}

type Item = HashMap<String, AttributeValue>;

/// What became of a conditional write: the item after it, or the one that did not fit.
type Written = Result<Item, Option<Item>>;

fn number(value: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

impl Table {
    pub fn new(client: Client, names: &Names) -> Self {
        Self { client, name: names.table(&THROTTLES) }
    }

    /// Counts one attempt, unless it is refused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self, counter: &Counter, now: DateTime<Utc>) -> Result<Standing, StoreError> {
        match &counter.rule {
            Rule::Quota(quota) => self.count_in_window(counter, quota, now).await,
            Rule::Delay(delay) => self.count_failure(counter, delay, now).await,
        }
    }

    /// Takes back what was counted at `at`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_back(&self, counter: &Counter, at: DateTime<Utc>) -> Result<(), StoreError> {
        let (key, attribute) = match &counter.rule {
            Rule::Quota(quota) => (window_key(counter, quota.window_at(&counter.id, at).number), "used"),
            Rule::Delay(_) => (counter.id.to_string(), "tries"),
        };
        let update = self
            .update(key)
            .update_expression("SET #count = #count - :one")
            .condition_expression("#count > :none")
            .expression_attribute_names("#count", attribute)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":none", number(0));
        written(update.send().await).map(drop)
    }

    /// Says that what was counted at `at` was a success.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn succeeded(&self, counter: &Counter, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let Rule::Delay(delay) = &counter.rule else { return Ok(()) };
        let forgive = self.update(counter.id.to_string());
        let forgive = match delay.success {
            Success::NotCounted => return self.take_back(counter, at).await,
            Success::Forgiven => forgive.update_expression("REMOVE tries, next_at, forgotten_at"),
            Success::Remembered(span) => {
                let until = now + span;
                forgive
                    .update_expression(
                        "SET known_until = :until, expires_at = :expires REMOVE tries, next_at, forgotten_at",
                    )
                    .expression_attribute_values(":until", number(until.timestamp_millis()))
                    .expression_attribute_values(":expires", number(until.timestamp() + 1))
            }
        };
        written(forgive.send().await).map(drop)
    }

    async fn count_in_window(
        &self,
        counter: &Counter,
        quota: &Quota,
        now: DateTime<Utc>,
    ) -> Result<Standing, StoreError> {
        let window = quota.window_at(&counter.id, now);
        let update = self
            .update(window_key(counter, window.number))
            .update_expression("SET used = if_not_exists(used, :none) + :one, expires_at = :expires")
            .condition_expression("attribute_not_exists(used) OR used < :most")
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expires", number((window.end + quota.window).timestamp()))
            .expression_attribute_values(":most", number(quota.per_window))
            .return_values(ReturnValue::AllNew);
        let Ok(item) = written(update.send().await)? else { return Ok(Standing::refused(counter, window.end)) };
        let used = item.get("used").and_then(|used| used.as_n().ok()).and_then(|used| used.parse().ok());
        let used: u32 = used.ok_or_else(|| bad_row(&self.name)(()))?;
        let left = quota.per_window.saturating_sub(used);
        Ok(Standing { refused: false, left, ..Standing::refused(counter, window.end) })
    }

    async fn count_failure(
        &self,
        counter: &Counter,
        delay: &Delay,
        now: DateTime<Utc>,
    ) -> Result<Standing, StoreError> {
        for _ in 0..LOOKS {
            let counted = match self.count_free(counter, delay, now).await? {
                Ok(item) => self.read(item)?,
                Err(item) => {
                    let seen = self.read(item.unwrap_or_default())?;
                    let next = match delay.count(&seen, now) {
                        Ok(next) => next,
                        Err(until) => return Ok(Standing::refused(counter, until)),
                    };
                    if !self.exchange(counter, &seen, &next).await? {
                        continue;
                    }
                    next
                }
            };
            let left = delay.free.saturating_sub(counted.tries);
            let until = if left == 0 { counted.next_at } else { counted.forgotten_at };
            let until = DateTime::from_timestamp_millis(until).unwrap_or(now + delay.longest);
            let known = counted.known_until.is_some_and(|until| until > now.timestamp_millis());
            return Ok(Standing { refused: false, left, known, ..Standing::refused(counter, until) });
        }
        Ok(Standing::refused(counter, now + delay.first))
    }

    /// One of the free attempts. `expires_at` is not moved on: an item that remembers a success must not go before its
    /// time, and what is lost with one that goes early is a few free attempts.
    async fn count_free(&self, counter: &Counter, delay: &Delay, now: DateTime<Utc>) -> Result<Written, StoreError> {
        let forgotten_at = now + delay.forgotten_after;
        let update = self
            .update(counter.id.to_string())
            .update_expression(
                "SET tries = if_not_exists(tries, :none) + :one, next_at = :next, forgotten_at = :forgotten, \
                 expires_at = if_not_exists(expires_at, :expires)",
            )
            .condition_expression("attribute_not_exists(tries) OR (tries < :free AND forgotten_at > :now)")
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":next", number((now + delay.first).timestamp_millis()))
            .expression_attribute_values(":forgotten", number(forgotten_at.timestamp_millis()))
            .expression_attribute_values(":expires", number((forgotten_at + TimeDelta::seconds(1)).timestamp()))
            .expression_attribute_values(":free", number(delay.free))
            .expression_attribute_values(":now", number(now.timestamp_millis()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        written(update.send().await)
    }

    /// Puts `next` in the place of `seen`, unless another attempt was counted meanwhile: each moves `next_at` on.
    async fn exchange(&self, counter: &Counter, seen: &Failures, next: &Failures) -> Result<bool, StoreError> {
        let update = self
            .update(counter.id.to_string())
            .update_expression("SET tries = :tries, next_at = :next, forgotten_at = :forgotten, expires_at = :expires")
            .condition_expression("tries = :seen AND next_at = :seen_next")
            .expression_attribute_values(":tries", number(next.tries))
            .expression_attribute_values(":next", number(next.next_at))
            .expression_attribute_values(":forgotten", number(next.forgotten_at))
            .expression_attribute_values(":expires", number(next.expires_at))
            .expression_attribute_values(":seen", number(seen.tries))
            .expression_attribute_values(":seen_next", number(seen.next_at));
        Ok(written(update.send().await)?.is_ok())
    }

    fn update(&self, key: String) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.name).key(THROTTLES.partition.name, AttributeValue::S(key))
    }

    fn read(&self, item: Item) -> Result<Failures, StoreError> {
        serde_dynamo::from_item(item).map_err(bad_row(&self.name))
    }
}

fn window_key(counter: &Counter, window: i64) -> String {
    format!("{}.{window}", counter.id)
}

fn written<R>(answer: Result<UpdateItemOutput, SdkError<UpdateItemError, R>>) -> Result<Written, StoreError> {
    match answer {
        Ok(output) => Ok(Ok(output.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok(Err(refused.item.clone())),
            _ => Err(unavailable(error)),
        },
    }
}
