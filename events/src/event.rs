//! How an event is named and stored.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, value::MapDeserializer},
};
use serde_json::{Map, Value};

/// One type of event in the shape that is written today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// Name, in the past tense.
    pub name: &'static str,
    /// Number of the shape of its data.
    pub schema: u32,
    /// Fields of its data that are sealed with the subject's key.
    pub personal: &'static [&'static str],
}

/// Turns a stored shape into the next one.
#[derive(Debug, Clone, Copy)]
pub struct Upcast {
    /// The stored type.
    pub from: (&'static str, u32),
    /// What it becomes.
    pub to: (&'static str, u32),
    /// How its data changes. Sealed fields are open by then, or erased.
    pub apply: fn(Map<String, Value>) -> Map<String, Value>,
}

/// An event's type and data as they stand in a commit's text.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Name of the type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Number of the shape.
    pub schema: u32,
    /// Data; sealed fields as ciphertext, or open after unsealing.
    pub data: Map<String, Value>,
}

/// Shows the type only: once unsealed the data are personal.
impl fmt::Debug for StoredEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredEvent({} {}, ..)", self.kind, self.schema)
    }
}

/// A stored event that today's code cannot read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No event of this category has this type and schema.
    #[error("unknown event type {kind} schema {schema}")]
    UnknownType {
        /// Stored type.
        kind: String,
        /// Stored schema.
        schema: u32,
    },
    /// Its data does not fit. The cause is not told: it could quote personal data.
    #[error("the data of {kind} schema {schema} does not fit")]
    BadData {
        /// Stored type.
        kind: String,
        /// Stored schema.
        schema: u32,
    },
}

/// The events of one category: an enum that serde tags with `type` and `data`.
pub trait EventData:
    Clone + std::fmt::Debug + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// Every type that is written today.
    const CATALOGUE: &'static [EventType];
    /// Every older shape that may still be stored.
    const UPCASTS: &'static [Upcast] = &[];
    /// Types and schemas that can be read already and are not written yet: for one release, so that none is ever met by a
    /// build that cannot read it.
    const NOT_WRITTEN_YET: &'static [EventType] = &[];

    /// Whether this build can read events of a type and schema.
    fn knows(kind: &str, schema: u32) -> bool {
        let mut today = Self::CATALOGUE.iter().chain(Self::NOT_WRITTEN_YET);
        today.any(|known| known.name == kind && known.schema == schema)
            || Self::UPCASTS.iter().any(|upcast| upcast.from == (kind, schema))
    }

    /// The type of this event.
    fn event_type(&self) -> &'static EventType;

    /// The stored form, with every field open.
    fn to_stored(&self) -> StoredEvent {
        let kind = self.event_type();
        let data = match serde_json::to_value(self) {
            Ok(Value::Object(mut tagged)) => match tagged.remove("data") {
                Some(Value::Object(data)) => data,
                _ => Map::new(),
            },
            _ => Map::new(),
        };
        StoredEvent { kind: kind.name.to_owned(), schema: kind.schema, data }
    }

    /// Reads a stored event whose sealed fields are open (or erased), through as many upcasts as it needs.
    ///
    /// # Errors
    /// [`Unreadable`] when the type is unknown or its data does not fit.
    fn from_stored(stored: StoredEvent) -> Result<Self, Unreadable> {
        let StoredEvent { mut kind, mut schema, mut data } = stored;
        while let Some(upcast) = Self::UPCASTS.iter().find(|upcast| upcast.from == (kind.as_str(), schema)) {
            data = (upcast.apply)(data);
            (kind, schema) = (upcast.to.0.to_owned(), upcast.to.1);
        }
        let mut known = Self::CATALOGUE.iter().chain(Self::NOT_WRITTEN_YET);
        if !known.any(|known| known.name == kind && known.schema == schema) {
            return Err(Unreadable::UnknownType { kind, schema });
        }
        // The type comes first, so that serde knows what the data are to be before it sees them.
        let tagged = [("type", Value::String(kind.clone())), ("data", Value::Object(data))];
        let tagged = MapDeserializer::<_, serde_json::Error>::new(tagged.into_iter());
        Self::deserialize(tagged).map_err(|_| Unreadable::BadData { kind, schema })
    }
}

#[cfg(test)]
mod tests;
