//! Which generation of a read model's rows is read, and which ones are fed.
//!
//! One small item of table `leases` says it for all of them. Whoever changes it raises its number; the owners of the
//! log's shards confirm that number in their lease rows.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError, types::AttributeValue};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    store::{StoreError, bad_row, unavailable},
    tables::{LEASES, Names, Table},
};

/// The item's key: no lease is called so, for those begin with the stream's ARN.
const KEY: &str = "generations";

/// How often readers look.
const POLL: Duration = Duration::from_secs(1);

/// A copy older than this is read anew before it is used: in time before what nobody should read is deleted.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// How long after a switch every reader has noticed it, or answers 503: `STALE_AFTER`, the time of one call and as much
/// again.
pub const SWITCHED_WITHIN: Duration = Duration::from_secs(20);

/// The generation with which every read model began.
pub(crate) const FIRST: u32 = 1;

/// The generations of all read models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Grows with every change.
    pub number: u64,
    /// By the table's name without prefix; a model that is missing has only its first generation.
    pub models: BTreeMap<String, Model>,
}

/// The generations of one read model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The one that is read.
    pub current: u32,
    /// All that are kept up to date, the newest first. A row of a newer one is never behind the same row of an older one
    /// once it is built.
    pub fed: Vec<u32>,
    /// The highest number that was ever given: none is given twice.
    pub newest: u32,
    /// When `current` was changed last.
    pub switched_at: Option<DateTime<Utc>>,
}

impl Default for Model {
    fn default() -> Self {
        Self { current: FIRST, fed: vec![FIRST], newest: FIRST, switched_at: None }
    }
}

impl Model {
    /// The generation that is being built, if there is one.
    pub fn building(&self) -> Option<u32> {
        self.fed.iter().copied().find(|fed| *fed > self.current)
    }

    /// With a new generation to be built.
    #[must_use]
    pub fn with_another(&self) -> Self {
        let newest = self.newest + 1;
        let fed = std::iter::once(newest).chain(self.fed.iter().copied()).collect();
        Self { fed, newest, ..self.clone() }
    }

    /// With what was built as what is read.
    #[must_use]
    pub fn switched(&self, now: DateTime<Utc>) -> Self {
        Self { current: self.building().unwrap_or(self.current), switched_at: Some(now), ..self.clone() }
    }

    /// Without the generations before the one that is read.
    #[must_use]
    pub fn without_old(&self) -> Self {
        let fed = self.fed.iter().copied().filter(|fed| *fed >= self.current).collect();
        Self { fed, ..self.clone() }
    }
}

impl Plan {
    /// The generations of a read model.
    pub fn of(&self, table: &str) -> Model {
        self.models.get(table).cloned().unwrap_or_default()
    }

    /// The next plan, with other generations of one model.
    #[must_use]
    pub fn with(&self, table: &str, model: Model) -> Self {
        let mut models = self.models.clone();
        models.insert(table.to_owned(), model);
        Self { number: self.number + 1, models }
    }
}

/// The item.
#[derive(Debug, Clone)]
pub struct Plans {
    client: Client,
    table: String,
}

impl Plans {
    /// The item of one stage.
    pub fn new(client: Client, names: &Names) -> Self {
        Self { client, table: names.table(&LEASES) }
    }

    /// The plan as it is now; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&self) -> Result<Plan, StoreError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = get.key("lease", AttributeValue::S(KEY.to_owned())).send().await.map_err(unavailable)?;
        let plan = answer.item.map(|item| serde_dynamo::from_item(item).map_err(bad_row(&self.table))).transpose()?;
        Ok(plan.unwrap_or_default())
    }

    /// Makes a plan out of the one before. `false`: somebody else changed it meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn write(&self, before: &Plan, plan: &Plan) -> Result<bool, StoreError> {
        let mut item: std::collections::HashMap<String, AttributeValue> =
            serde_dynamo::to_item(plan).map_err(bad_row(&self.table))?;
        item.insert("lease".to_owned(), AttributeValue::S(KEY.to_owned()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(lease) OR #number = :before")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":before", AttributeValue::N(before.number.to_string()));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                // A try of ours whose answer was lost may have been stored.
                Ok(self.read().await? == *plan)
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// A reader's copy of the plan. Clones share it.
#[derive(Debug, Clone)]
pub struct Generations {
    plans: Plans,
    copy: Arc<RwLock<Option<Copy>>>,
}

/// A plan and when it was read.
type Copy = (Instant, Arc<Plan>);

/// Which rows of a table are meant.
#[derive(Debug, Clone)]
pub(super) enum Which {
    /// Those that are read at the moment.
    Current(Generations, &'static str),
    /// Those of one generation.
    Fixed(u32),
}

impl Generations {
    /// A copy that is read when it is needed first.
    pub fn new(client: Client, names: &Names) -> Self {
        Self { plans: Plans::new(client, names), copy: Arc::default() }
    }

    /// Reads the plan once a second, for ever, so that nobody has to wait for it.
    pub async fn poll(self) {
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.refresh().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the generations cannot be read");
            }
        }
    }

    /// The generation of a table that is read now.
    pub(super) async fn current(&self, table: &str) -> Result<u32, StoreError> {
        let copy = self.copy.read().unwrap_or_else(PoisonError::into_inner).clone();
        let plan = match copy.filter(|(read_at, _)| read_at.elapsed() < STALE_AFTER) {
            Some((_, plan)) => plan,
            None => self.refresh().await?,
        };
        Ok(plan.models.get(table).map_or(FIRST, |model| model.current))
    }

    async fn refresh(&self) -> Result<Arc<Plan>, StoreError> {
        let read_at = Instant::now();
        let plan = Arc::new(self.plans.read().await?);
        let mut copy = self.copy.write().unwrap_or_else(PoisonError::into_inner);
        if copy.as_ref().is_none_or(|(held, _)| *held < read_at) {
            *copy = Some((read_at, Arc::clone(&plan)));
        }
        Ok(plan)
    }
}

impl Which {
    pub(super) fn current(generations: &Generations, table: &Table) -> Self {
        Self::Current(generations.clone(), table.name)
    }

    pub(super) async fn number(&self) -> Result<u32, StoreError> {
        match self {
            Self::Current(generations, table) => generations.current(table).await,
            Self::Fixed(number) => Ok(*number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_built_switched_to_and_the_old_one_dropped() {
        let first = Model::default();
        assert_eq!(first.building(), None);
        let building = first.with_another();
        assert_eq!((building.building(), building.current, &building.fed[..]), (Some(2), 1, &[2, 1][..]));
        let switched = building.switched(DateTime::UNIX_EPOCH);
        assert_eq!((switched.building(), switched.current, &switched.fed[..]), (None, 2, &[2, 1][..]));
        // The next one may begin before the old one is dropped, and outlives it.
        let next = switched.with_another().without_old();
        assert_eq!((next.building(), next.current, &next.fed[..]), (Some(3), 2, &[3, 2][..]));
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let plan = Plan::default().with("users1", Model::default().with_another().switched(DateTime::UNIX_EPOCH));
        let item: std::collections::HashMap<String, AttributeValue> = serde_dynamo::to_item(&plan).unwrap();
        assert_eq!(serde_dynamo::from_item::<_, Plan>(item).unwrap(), plan);
        assert_eq!((plan.number, plan.of("users1").current, plan.of("role").current), (1, 2, 1));
    }
}
