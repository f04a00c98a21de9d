//! Money, counted in whole units of which none is lost.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Millionths of a dollar in a dollar.
const UNIT: u64 = 1_000_000;

/// Digits behind the point that are told apart.
const DIGITS: usize = 6;

/// US dollars, as Telnyx writes them: digits with at most one point, such as `12.5`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dollars(u64);

impl Dollars {
    /// So many millionths.
    pub(super) const fn from_millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    /// So many times as much.
    pub(super) fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count.into()))
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left, if it is enough.
    pub(super) fn less(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > DIGITS {
            return None;
        }
        let part: u64 = format!("{part:0<DIGITS$}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(UNIT)?.checked_add(part).map(Self)
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:0DIGITS$}", self.0 / UNIT, self.0 % UNIT)
    }
}

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("an amount is digits with at most six behind a point"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_to_the_last_millionth() {
        for (text, written) in [("0", "0.000000"), ("12.5", "12.500000"), ("0.004", "0.004000")] {
            assert_eq!(Dollars::parse(text).unwrap().to_string(), written);
        }
        for text in ["", ".5", "5.", "-1", "1e3", "1.0000001", "99999999999999999999", "1,5"] {
            assert!(Dollars::parse(text).is_none(), "{text}");
        }
    }
}
