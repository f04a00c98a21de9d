//! A message that somebody sent to one of our numbers: whether it says that they want no more of ours, or want them again.

use events::values::Phone;
use platform::telnyx::wire::Message;

/// A wish that a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// No messages any more.
    Stop,
    /// Messages again.
    Start,
}

/// Whole messages by which Telnyx blocks a number for our profile, unless the profile has words of its own.
const STOP: [&str; 7] = ["STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"];

/// Whole messages by which it takes that back.
const START: [&str; 2] = ["START", "UNSTOP"];

/// Who said what. Telnyx's own reading counts before ours, since the profile may have other words; what it answers by itself
/// (`HELP`) and everything else is no wish.
pub(super) fn wish(message: &Message) -> Option<(Phone, Said)> {
    let said = match message.autoresponse_type.as_deref() {
        Some(read) => word(read),
        None => word(message.text.as_deref().unwrap_or_default()),
    }?;
    // Whoever has a number can write from it, whatever the numbering plans say.
    let from = Phone::try_from(message.from.as_ref()?.phone_number.clone()).ok()?;
    Some((from, said))
}

fn word(text: &str) -> Option<Said> {
    let text = text.trim().to_uppercase();
    let is = |words: &[&str]| words.contains(&text.as_str());
    is(&STOP).then_some(Said::Stop).or_else(|| is(&START).then_some(Said::Start))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(autoresponse: Option<&str>, text: &str, from: &str) -> Option<Said> {
        let message = json!({
            "id": "1", "text": text, "from": { "phone_number": from }, "autoresponse_type": autoresponse
        });
        wish(&serde_json::from_value(message).unwrap()).map(|(_, said)| said)
    }

    #[test]
    fn only_a_whole_message_is_a_wish() {
        let from = "+15125550123";
        for text in ["STOP", " stop\n", "Stop All", "unsubscribe", "cancel", "END", "quit", "stopall"] {
            assert_eq!(said(None, text, from), Some(Said::Stop), "{text}");
        }
        for text in ["start", "UNSTOP "] {
            assert_eq!(said(None, text, from), Some(Said::Start), "{text}");
        }
        for text in ["", "HELP", "please stop by at nine", "cancel the visit", "yes"] {
            assert_eq!(said(None, text, from), None, "{text}");
        }
    }

    #[test]
    fn the_providers_reading_counts_first() {
        let from = "+15125550123";
        assert_eq!(said(Some("STOP"), "ya no", from), Some(Said::Stop));
        assert_eq!(said(Some("START"), "otra vez", from), Some(Said::Start));
        assert_eq!(said(Some("HELP"), "STOP", from), None);
    }

    #[test]
    fn a_sender_that_is_no_telephone_number_has_no_wish() {
        for from in ["", "12345", "FieldFuze"] {
            assert_eq!(said(None, "STOP", from), None, "{from}");
        }
    }
}
