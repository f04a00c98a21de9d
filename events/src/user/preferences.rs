use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{notification::MessageCategory, values::QuietHours};

/// Which messages a user wants, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Categories of which they want no message.
    pub muted: BTreeSet<MessageCategory>,
    /// When messages that can wait do wait; none when they may come at any time.
    pub quiet_hours: Option<QuietHours>,
}

impl Default for Preferences {
    /// Of somebody who has not said anything.
    fn default() -> Self {
        Self { muted: BTreeSet::new(), quiet_hours: Some(QuietHours::default()) }
    }
}
