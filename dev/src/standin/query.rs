//! The queries of lists: `filter[cld][contains]=55&page[size]=20`. What the stand-in does not do is refused, for an answer
//! that leaves a filter out would be a wrong one.

use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::refusal::Refusal;

/// The largest page of detail records, by Telnyx's contract.
const MOST_RECORDS: u64 = 50;

/// The largest page of opt-outs, by Telnyx's contract.
const MOST_OPT_OUTS: u64 = 250;

/// Items of a page when nobody says how many, by Telnyx's contract.
const PAGE_SIZE: u64 = 20;

/// What the caller's query says: names with their values, in its order.
pub(super) type Pairs = Vec<(String, String)>;

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paging {
    /// From 1.
    pub(super) number: u64,
    pub(super) size: u64,
}

impl Paging {
    const FIRST: Self = Self { number: 1, size: PAGE_SIZE };

    /// How many items stand on the pages before.
    pub(super) fn skipped(self) -> u64 {
        self.number.saturating_sub(1).saturating_mul(self.size)
    }

    fn set(&mut self, part: &str, value: &str, most: u64) -> Option<()> {
        let value = value.parse().ok().filter(|value| *value >= 1)?;
        match part {
            "number" => self.number = value,
            "size" if value <= most => self.size = value,
            _ => return None,
        }
        Some(())
    }
}

/// What a text must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    Equal,
    Contains,
    StartsWith,
    EndsWith,
}

/// How a moment stands to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Before,
    Until,
    From,
    After,
}

/// What a filter looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Cli,
    Cld,
    Direction,
    Status,
}

/// `GET /v2/detail_records`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordQuery {
    pub(super) texts: Vec<(Field, Matching, String)>,
    pub(super) created: Vec<(Bound, DateTime<Utc>)>,
    pub(super) newest_first: bool,
    pub(super) page: Paging,
}

impl RecordQuery {
    /// Reads the query. `filter[record_type]` has to be `messaging`.
    pub(super) fn read(pairs: &Pairs) -> Result<Self, Refusal> {
        let mut query = Self { texts: Vec::new(), created: Vec::new(), newest_first: false, page: Paging::FIRST };
        let mut of_messages = false;
        for (name, value) in pairs {
            let known = match parts(name).as_slice() {
                ["filter", "record_type"] => {
                    of_messages = value == "messaging";
                    of_messages.then_some(())
                }
                ["filter", "created_at", bound] => {
                    read_bound(bound).zip(moment(value)).map(|limit| query.created.push(limit))
                }
                ["filter", field] => query.add(field, Matching::Equal, value),
                ["filter", field, how] => matching(how).and_then(|how| query.add(field, how, value)),
                ["page", part] => query.page.set(part, value, MOST_RECORDS),
                ["sort"] => {
                    query.newest_first = value == "-created_at";
                    (query.newest_first || value == "created_at").then_some(())
                }
                _ => None,
            };
            known.ok_or_else(|| cannot(name))?;
        }
        if of_messages { Ok(query) } else { Err(cannot("filter[record_type]")) }
    }

    fn add(&mut self, field: &str, how: Matching, value: &str) -> Option<()> {
        let field = match field {
            "cli" => Field::Cli,
            "cld" => Field::Cld,
            "direction" => Field::Direction,
            "status" => Field::Status,
            _ => return None,
        };
        self.texts.push((field, how, value.to_owned()));
        Some(())
    }
}

/// `GET /v2/messaging_optouts`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OptOutQuery {
    /// Our number.
    pub(super) from: Option<String>,
    /// The stand-in's numbers belong to no profile: whoever asks for one finds nothing.
    pub(super) profile: Option<String>,
    pub(super) created: Vec<(Bound, DateTime<Utc>)>,
    /// Whether the numbers are shown without their ends.
    pub(super) redacted: bool,
    pub(super) page: Paging,
}

impl OptOutQuery {
    /// Reads the query.
    pub(super) fn read(pairs: &Pairs) -> Result<Self, Refusal> {
        let mut query = Self { from: None, profile: None, created: Vec::new(), redacted: false, page: Paging::FIRST };
        for (name, value) in pairs {
            let known = match parts(name).as_slice() {
                ["filter", "from"] => {
                    query.from = Some(value.clone());
                    Some(())
                }
                ["filter", "messaging_profile_id"] => {
                    query.profile = Some(value.clone());
                    Some(())
                }
                ["created_at", bound @ ("gte" | "lte")] => {
                    read_bound(bound).zip(moment(value)).map(|limit| query.created.push(limit))
                }
                ["page", part] => query.page.set(part, value, MOST_OPT_OUTS),
                ["redaction_enabled"] => value.parse().ok().map(|redacted| query.redacted = redacted),
                _ => None,
            };
            known.ok_or_else(|| cannot(name))?;
        }
        Ok(query)
    }
}

fn cannot(parameter: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "10015").at_parameter(parameter)
}

/// `filter[cld][contains]` → `filter`, `cld`, `contains`.
fn parts(name: &str) -> Vec<&str> {
    let Some((first, rest)) = name.split_once('[') else { return vec![name] };
    let Some(rest) = rest.strip_suffix(']') else { return vec![name] };
    std::iter::once(first).chain(rest.split("][")).collect()
}

fn matching(how: &str) -> Option<Matching> {
    match how {
        "contains" => Some(Matching::Contains),
        "starts_with" => Some(Matching::StartsWith),
        "ends_with" => Some(Matching::EndsWith),
        _ => None,
    }
}

fn read_bound(bound: &str) -> Option<Bound> {
    match bound {
        "lt" => Some(Bound::Before),
        "lte" => Some(Bound::Until),
        "gte" => Some(Bound::From),
        "gt" => Some(Bound::After),
        _ => None,
    }
}

/// A date-time, or a date: its first moment.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let date = || text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN).and_utc());
    text.parse().ok().or_else(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &[(&str, &str)]) -> Pairs {
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn records(query: &[(&str, &str)]) -> Result<RecordQuery, Refusal> {
        let mut all = vec![("filter[record_type]", "messaging")];
        all.extend(query);
        RecordQuery::read(&pairs(&all))
    }

    #[test]
    fn filters_pages_and_order_are_read() {
        let query = records(&[
            ("filter[cli]", "+1"),
            ("filter[cld][ends_with]", "01"),
            ("filter[created_at][gte]", "2026-01-02"),
            ("filter[created_at][lt]", "2026-01-02T03:04:05Z"),
            ("sort", "-created_at"),
            ("page[number]", "3"),
            ("page[size]", "50"),
        ])
        .unwrap();
        let at = |text: &str| text.parse().unwrap();
        let expected = RecordQuery {
            texts: vec![
                (Field::Cli, Matching::Equal, "+1".to_owned()),
                (Field::Cld, Matching::EndsWith, "01".to_owned()),
            ],
            created: vec![(Bound::From, at("2026-01-02T00:00:00Z")), (Bound::Before, at("2026-01-02T03:04:05Z"))],
            newest_first: true,
            page: Paging { number: 3, size: 50 },
        };
        assert_eq!(query, expected);
        assert_eq!(query.page.skipped(), 100);
    }

    #[test]
    fn what_is_not_done_is_not_passed_over() {
        assert!(RecordQuery::read(&pairs(&[])).is_err());
        assert!(RecordQuery::read(&pairs(&[("filter[record_type]", "verify")])).is_err());
        for query in [
            ("filter[mcc]", "204"),
            ("filter[date_range]", "today"),
            ("filter[cld][like]", "1"),
            ("filter[created_at]", "2026-01-02"),
            ("filter[created_at][gte]", "yesterday"),
            ("page[size]", "51"),
            ("page[number]", "0"),
            ("sort", "cld"),
            ("cld", "1"),
        ] {
            assert!(records(&[query]).is_err(), "{query:?}");
        }
        assert!(OptOutQuery::read(&pairs(&[("page[size]", "250")])).is_ok());
        assert!(OptOutQuery::read(&pairs(&[("page[size]", "251")])).is_err());
        assert!(OptOutQuery::read(&pairs(&[("created_at[gt]", "2026-01-02")])).is_err());
    }
}
