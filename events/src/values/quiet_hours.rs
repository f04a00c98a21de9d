use chrono::{NaiveTime, Timelike};
use serde::{Deserialize, Serialize};

use super::{Invalid, text_value};

text_value! {
    /// A time of day, `HH:MM` in 24 hours.
    TimeOfDay, true
}

impl TimeOfDay {
    const FORMAT: &str = "%H:%M";

    /// # Errors
    /// `invalid-time` when it is not `HH:MM`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        NaiveTime::parse_from_str(text, Self::FORMAT)
            .ok()
            .map(|time| time.format(Self::FORMAT).to_string())
            .filter(|same| same == text)
            .map(Self)
            .ok_or_else(|| Invalid::new("invalid-time", "must be a time of day as HH:MM, from 00:00 to 23:59"))
    }

    fn minute(&self) -> Option<u32> {
        let time = NaiveTime::parse_from_str(&self.0, Self::FORMAT).ok()?;
        Some(time.num_seconds_from_midnight() / 60)
    }
}

/// The part of the day in which somebody is not to be disturbed, on their own clock. It can reach over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    from: TimeOfDay,
    to: TimeOfDay,
}

impl QuietHours {
    /// From one time of day to another.
    ///
    /// # Errors
    /// `no-time-left` when they are the same: nobody could say whether that is always or never.
    pub fn new(from: TimeOfDay, to: TimeOfDay) -> Result<Self, Invalid> {
        if from == to {
            return Err(Invalid::new("no-time-left", "must begin and end at different times"));
        }
        Ok(Self { from, to })
    }

    /// When they begin.
    pub fn from(&self) -> &TimeOfDay {
        &self.from
    }

    /// When they are over.
    pub fn to(&self) -> &TimeOfDay {
        &self.to
    }

    /// Whether a moment of the day lies within.
    pub fn contain(&self, time: NaiveTime) -> bool {
        let minute = time.num_seconds_from_midnight() / 60;
        match (self.from.minute(), self.to.minute()) {
            (Some(from), Some(to)) if from < to => (from..to).contains(&minute),
            (Some(from), Some(to)) => minute >= from || minute < to,
            _ => false,
        }
    }
}

impl Default for QuietHours {
    /// 21:00 to 08:00: the hours in which the law of the United States keeps calls and messages that nobody asked for from
    /// people (47 CFR 64.1200(c)(1)).
    fn default() -> Self {
        Self { from: TimeOfDay("21:00".to_owned()), to: TimeOfDay("08:00".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str) -> QuietHours {
        QuietHours::new(TimeOfDay::parse(from).unwrap(), TimeOfDay::parse(to).unwrap()).unwrap()
    }

    fn time(text: &str) -> NaiveTime {
        NaiveTime::parse_from_str(text, "%H:%M:%S").unwrap()
    }

    #[test]
    fn they_may_reach_over_midnight_and_end_on_the_minute() {
        let cases = [
            (QuietHours::default(), "20:59:59", false),
            (QuietHours::default(), "21:00:00", true),
            (QuietHours::default(), "00:00:00", true),
            (QuietHours::default(), "07:59:59", true),
            (QuietHours::default(), "08:00:00", false),
            (hours("12:00", "14:30"), "11:59:59", false),
            (hours("12:00", "14:30"), "12:00:00", true),
            (hours("12:00", "14:30"), "14:30:00", false),
        ];
        for (hours, at, quiet) in cases {
            assert_eq!(hours.contain(time(at)), quiet, "{hours:?} {at}");
        }
    }

    #[test]
    fn a_time_of_day_has_one_form() {
        for text in ["", "8:00", "24:00", "12:60", "12:00:00", "12.00", "noon", "+1:00"] {
            assert_eq!(TimeOfDay::parse(text).unwrap_err().code, "invalid-time", "{text}");
        }
        let noon = TimeOfDay::parse("12:00").unwrap();
        assert_eq!(QuietHours::new(noon.clone(), noon).unwrap_err().code, "no-time-left");
    }
}
