use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::{delete_item::DeleteItemError, update_item::UpdateItemError},
    types::AttributeValue,
};
use aws_sdk_dynamodbstreams::types::AttributeValue as ImageValue;
use chrono::{DateTime, Utc};
use events::commit::timestamp;
use platform::{
    clock::Clock,
    store::{StoreError, bad_row, unavailable},
    tables::{Names, PARKED},
};
use serde::{Deserialize, Serialize};

/// The version of this build.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");

/// A stream that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedStream {
    /// Its name, as far as it could be read.
    pub stream: String,
    /// The first version that failed, as far as it could be read.
    pub version: String,
    /// Why.
    pub error: String,
    /// When it failed for the first time.
    pub parked_at: DateTime<Utc>,
    /// The newest build that tried it. Empty: one that did not say.
    #[serde(default)]
    pub build: String,
    /// How often it failed: each later record of the stream fails at the same place.
    #[serde(default)]
    pub failures: u64,
}

/// Sets a stream's failing record aside, visibly, so that all the others go on.
#[derive(Debug, Clone)]
pub struct Parking {
    client: Client,
    table: String,
    clock: Clock,
}

type Error = dyn std::error::Error + Send + Sync + 'static;

impl ParkedStream {
    /// Whether a build older than this one tried it last.
    pub fn is_of_an_older_build(&self) -> bool {
        let version = |text: &str| semver::Version::parse(text).ok();
        version(&self.build) < version(BUILD)
    }
}

impl Parking {
    /// The notes of one stage.
    pub fn new(client: Client, names: &Names, clock: Clock) -> Self {
        Self { client, table: names.table(&PARKED), clock }
    }

    /// Every stream that is set aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self) -> Result<Vec<ParkedStream>, StoreError> {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let mut items = scan.into_paginator().items().send();
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.push(self.read(item.map_err(unavailable)?)?);
        }
        Ok(all)
    }

    /// What is noted of a stream.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, stream: &str) -> Result<Option<ParkedStream>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = get.key("stream", text(stream)).send().await.map_err(unavailable)?;
        answer.item.map(|item| self.read(item)).transpose()
    }

    /// Records the first version that fails. Later records of the stream fail at the same place: they are counted, so
    /// that a retry that did not see them does not remove the note.
    pub(super) async fn park(&self, stream: &str, version: &str, error: &Error) -> Result<(), StoreError> {
        tracing::error!(stream, version, error = error as &dyn std::error::Error, "the stream is parked");
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("stream", text(stream))
            .update_expression(
                "SET #version = if_not_exists(#version, :version), #error = if_not_exists(#error, :error), \
                 #parked_at = if_not_exists(#parked_at, :now), #build = if_not_exists(#build, :build) \
                 ADD #failures :one",
            )
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#error", "error")
            .expression_attribute_names("#parked_at", "parked_at")
            .expression_attribute_names("#build", "build")
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_values(":version", text(version))
            .expression_attribute_values(":error", text(&chain(error)))
            .expression_attribute_values(":now", text(&timestamp(self.clock.now())))
            .expression_attribute_values(":build", text(BUILD))
            .expression_attribute_values(":one", number(1));
        update.send().await.map(drop).map_err(unavailable)
    }

    /// Parks what does not even say readably which commit it is.
    pub(super) async fn park_image(
        &self,
        image: &HashMap<String, ImageValue>,
        error: &Error,
    ) -> Result<(), StoreError> {
        let text = |name| match image.get(name) {
            Some(ImageValue::S(text) | ImageValue::N(text)) => text.as_str(),
            _ => "unreadable",
        };
        self.park(text("stream"), text("version"), error).await
    }

    /// Notes that this build, too, fails, and where. What another one noted meanwhile stands.
    pub(super) async fn still_parked(
        &self,
        seen: &ParkedStream,
        version: &str,
        error: &Error,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("stream", text(&seen.stream))
            .update_expression("SET #version = :version, #error = :error, #build = :build ADD #failures :one")
            .condition_expression(UNCHANGED)
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#error", "error")
            .expression_attribute_names("#build", "build")
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_names("#parked_at", "parked_at")
            .expression_attribute_values(":version", text(version))
            .expression_attribute_values(":error", text(&chain(error)))
            .expression_attribute_values(":build", text(BUILD))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":failures", number(seen.failures))
            .expression_attribute_values(":parked_at", text(&timestamp(seen.parked_at)));
        match update.send().await {
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            sent => sent.map(drop).map_err(unavailable),
        }
    }

    /// Removes a note if nothing failed since it was read. `false`: something did.
    pub(super) async fn unpark(&self, seen: &ParkedStream) -> Result<bool, StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("stream", text(&seen.stream))
            .condition_expression(UNCHANGED)
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_names("#parked_at", "parked_at")
            .expression_attribute_values(":failures", number(seen.failures))
            .expression_attribute_values(":parked_at", text(&timestamp(seen.parked_at)));
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    fn read(&self, item: HashMap<String, AttributeValue>) -> Result<ParkedStream, StoreError> {
        serde_dynamo::from_item(item).map_err(bad_row(&self.table))
    }
}

/// That a note is as it was read. One of a build that did not count yet has no number.
const UNCHANGED: &str = "#parked_at = :parked_at AND (#failures = :failures OR attribute_not_exists(#failures))";

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// An error with its causes. None of ours quotes personal data.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_builds_note_is_tried_again() {
        let parked = |build: &str| ParkedStream {
            stream: "role#x".to_owned(),
            version: "1".to_owned(),
            error: "unreadable".to_owned(),
            parked_at: DateTime::UNIX_EPOCH,
            build: build.to_owned(),
            failures: 1,
        };
        for (build, older) in [("", true), ("0.0.9", true), ("0.0.10-rc.1", true), (BUILD, false), ("99.0.0", false)] {
            assert_eq!(parked(build).is_of_an_older_build(), older, "{build}");
        }
    }
}
