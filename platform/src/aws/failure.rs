use std::{collections::BTreeSet, fmt};

use aws_sdk_dynamodb::{
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

use super::deadline::is_too_late;

/// Longest code or request id that is kept. AWS's own have less than 64 characters.
const MAX_WORD: usize = 64;

/// A call of AWS that failed: how, the service's code, and the request id to ask AWS about.
///
/// Nothing else is kept. The service's message, and an answer that could not be read, may quote an item, and items hold
/// personal data; this ends up in logs and in table `parked`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CallFailed {
    how: How,
    code: Option<String>,
    request_id: Option<String>,
}

/// What DynamoDB says of a request that it refuses for what it holds: as an error, or as the reason of an action of a
/// transaction.
const NEVER: [&str; 5] = [
    "ValidationException",
    "ValidationError",
    "SerializationException",
    "ItemCollectionSizeLimitExceededException",
    "ItemCollectionSizeLimitExceeded",
];

/// In which way a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// It could not be built; nothing was sent.
    NotBuilt,
    /// No answer in time.
    TimedOut,
    /// No connection, or it broke.
    NotConnected,
    /// An answer came that could not be read.
    Garbled,
    /// The service refused.
    Refused,
}

impl CallFailed {
    /// A refusal that the service explains by codes of its own; each is told once.
    pub fn refused(codes: &[&str]) -> Self {
        // Of a transaction's actions most have no reason of their own.
        let codes: BTreeSet<&str> = codes.iter().copied().filter(|code| *code != "None").collect();
        let codes: Vec<&str> = codes.into_iter().collect();
        Self { how: How::Refused, code: word(Some(&codes.join("+"))), request_id: None }
    }

    /// Whether the same request will be refused each time: for what it holds, and not for how the service is. Nothing was
    /// written then.
    pub fn is_for_ever(&self) -> bool {
        let mut codes = self.code.iter().flat_map(|codes| codes.split('+'));
        self.how == How::Refused && codes.any(|code| NEVER.contains(&code))
    }
}

impl<E: ProvideErrorMetadata, R> From<SdkError<E, R>> for CallFailed {
    fn from(error: SdkError<E, R>) -> Self {
        let how = match &error {
            SdkError::ConstructionFailure(_) => How::NotBuilt,
            SdkError::TimeoutError(_) => How::TimedOut,
            SdkError::DispatchFailure(failure)
                if failure.is_timeout() || failure.as_connector_error().is_some_and(is_too_late) =>
            {
                How::TimedOut
            }
            SdkError::DispatchFailure(_) => How::NotConnected,
            SdkError::ServiceError(_) => How::Refused,
            _ => How::Garbled,
        };
        let metadata = error.meta();
        Self { how, code: word(metadata.code()), request_id: word(metadata.request_id()) }
    }
}

impl From<BuildError> for CallFailed {
    fn from(_: BuildError) -> Self {
        Self { how: How::NotBuilt, code: None, request_id: None }
    }
}

/// What an honest service says is one short word. Anything else could be part of an item.
fn word(text: Option<&str>) -> Option<String> {
    let is_word = |text: &&str| {
        (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_+=".contains(&b))
    };
    text.filter(is_word).map(ToOwned::to_owned)
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.how {
            How::NotBuilt => "the request could not be built",
            How::TimedOut => "no answer in time",
            How::NotConnected => "no connection",
            How::Garbled => "the answer could not be read",
            How::Refused => "refused",
        })?;
        if let Some(code) = &self.code {
            write!(f, " with {code}")?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, ", request {request_id}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        error::ErrorMetadata,
        operation::put_item::PutItemError,
        types::{AttributeValue, error::ConditionalCheckFailedException},
    };

    use super::*;

    const CANARY: &str = "canary@example.com";

    fn told(error: SdkError<PutItemError, String>) -> String {
        let failed = CallFailed::from(error);
        assert!(!format!("{failed:?}").contains(CANARY), "{failed:?}");
        failed.to_string()
    }

    #[test]
    fn only_what_is_refused_for_what_it_holds_is_refused_for_ever() {
        for (codes, expected) in [
            (&["ValidationException"][..], true),
            (&["None", "ValidationError"], true),
            (&[&["None"; 99][..], &["ItemCollectionSizeLimitExceeded", "ThrottlingError"]].concat(), true),
            (&["ItemCollectionSizeLimitExceeded"], true),
            (&["None", "ThrottlingError"], false),
            (&["ResourceNotFoundException"], false),
            (&["AccessDeniedException"], false),
            (&[], false),
        ] {
            assert_eq!(CallFailed::refused(codes).is_for_ever(), expected, "{codes:?}");
        }
    }

    #[test]
    fn nothing_of_an_item_and_nothing_of_a_message_is_kept() {
        let raw = || format!("the raw answer with {CANARY}");
        let meta = |code: &str| {
            ErrorMetadata::builder().code(code).message(CANARY).custom("aws_request_id", "ABC-123").build()
        };
        let refused = ConditionalCheckFailedException::builder()
            .message(CANARY)
            .item("email", AttributeValue::S(CANARY.to_owned()))
            .meta(meta("ConditionalCheckFailedException"))
            .build();
        let refused = SdkError::service_error(PutItemError::ConditionalCheckFailedException(refused), raw());
        assert_eq!(told(refused), "refused with ConditionalCheckFailedException, request ABC-123");
        let unknown = SdkError::service_error(PutItemError::generic(meta(CANARY)), raw());
        assert_eq!(told(unknown), "refused, request ABC-123");
        assert_eq!(told(SdkError::response_error(CANARY, raw())), "the answer could not be read");
        assert_eq!(told(SdkError::timeout_error(CANARY)), "no answer in time");
        assert_eq!(told(SdkError::construction_failure(CANARY)), "the request could not be built");
    }
}
