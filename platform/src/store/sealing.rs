//! Personal fields on their way into the log and back.

use events::{
    event::{EventType, StoredEvent},
    stream::{Category, StreamId, Version},
    values::Personal,
};
use serde_json::{Value, json};

use crate::crypto::{NotSealed, SealingKey, SubjectKey};

/// Whose key seals what a stream's commits hold of a person.
pub(super) fn subject(stream: StreamId) -> Option<StreamId> {
    (stream.category == Category::User).then_some(stream)
}

/// Stands before a text of a subject's stream that is not sealed, so that it outlives the subject's key. No sealed text
/// has a colon (base64).
const OPEN: &str = "open:";

/// How what a commit holds beside its events is kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seal<'a> {
    /// The stream has no subject.
    Plain,
    /// With the subject's key.
    Key(&'a SealingKey),
    /// In the open: the commit erases its subject.
    Open,
}

/// The place of one text in the log; a sealed text does not open anywhere else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) stream: StreamId,
    pub(super) version: Version,
}

impl Place {
    fn context(self, field: &str) -> String {
        format!("{}@{}/{field}", self.stream, self.version)
    }

    /// Seals a text, or marks it as open.
    pub(super) fn seal(self, seal: Seal<'_>, field: &str, text: String) -> Result<String, NotSealed> {
        match seal {
            Seal::Key(key) => key.seal(&self.context(field), text.as_bytes()),
            Seal::Plain => Ok(text),
            Seal::Open => Ok(format!("{OPEN}{text}")),
        }
    }

    /// Opens a text; `None` when the subject was erased.
    pub(super) fn open(self, key: Option<&SubjectKey>, field: &str, text: &str) -> Result<Option<String>, NotSealed> {
        match (key, text.strip_prefix(OPEN)) {
            (None, _) => Ok(Some(text.to_owned())),
            (Some(_), Some(text)) => Ok(Some(text.to_owned())),
            (Some(SubjectKey::Erased), None) => Ok(None),
            (Some(SubjectKey::Live(key)), None) => {
                let bytes = key.open(&self.context(field), text)?;
                String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| NotSealed)
            }
        }
    }

    /// Replaces each personal field of an event by `{"sealed": …}`.
    pub(super) fn seal_event(
        self,
        key: Option<&SealingKey>,
        index: usize,
        kind: &EventType,
        event: &mut StoredEvent,
    ) -> Result<(), NotSealed> {
        let Some(key) = key else { return Ok(()) };
        for field in kind.personal {
            if let Some(value) = event.data.get_mut(*field) {
                let sealed = key.seal(&self.context(&format!("{index}/{field}")), value.to_string().as_bytes())?;
                *value = json!({ "sealed": sealed });
            }
        }
        Ok(())
    }

    /// Replaces each `{"sealed": …}` by its value, or by the mark of an erased one.
    pub(super) fn open_event(
        self,
        key: Option<&SubjectKey>,
        index: usize,
        event: &mut StoredEvent,
    ) -> Result<(), NotSealed> {
        for (field, value) in &mut event.data {
            let Some(sealed) = value.get("sealed").and_then(Value::as_str) else {
                continue;
            };
            *value = match key {
                None => return Err(NotSealed),
                Some(SubjectKey::Erased) => Personal::<()>::erased_json(),
                Some(SubjectKey::Live(key)) => {
                    let bytes = key.open(&self.context(&format!("{index}/{field}")), sealed)?;
                    serde_json::from_slice(&bytes).map_err(|_| NotSealed)?
                }
            };
        }
        Ok(())
    }
}
