//! When a message waits because its recipient sleeps.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::{state::Lane, template::Template};
use crate::{user::UserState, values::QuietHours, values::TimeZone};

/// How far is looked for a minute outside the quiet hours. One a day is enough, and a change of the clocks can skip it
/// once.
const MOST_MINUTES: i64 = 3 * 24 * 60;

/// Until when a message has to wait, if it does. Only the lane of what can wait does: a code is asked for by somebody who
/// is awake, and that an account is in danger is told at once.
pub fn until(template: &Template, user: &UserState, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let hours = user.preferences.quiet_hours.as_ref().filter(|_| template.lane == Lane::Bulk)?;
    end(hours, &user.time_zone, now)
}

/// The end of the quiet hours in which `now` lies. The minutes are gone through one by one on the recipient's clock, so
/// that an hour which is skipped or comes twice there needs no rule of its own.
fn end(hours: &QuietHours, zone: &TimeZone, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zone = zone.rules();
    let is_quiet = |at: DateTime<Utc>| hours.contain(at.with_timezone(&zone).time());
    if !is_quiet(now) {
        return None;
    }
    let minute = now.duration_trunc(TimeDelta::minutes(1)).ok()?;
    (1..=MOST_MINUTES).map(|minutes| minute + TimeDelta::minutes(minutes)).find(|at| !is_quiet(*at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::TimeOfDay;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn hours(from: &str, to: &str) -> QuietHours {
        QuietHours::new(TimeOfDay::parse(from).unwrap(), TimeOfDay::parse(to).unwrap()).unwrap()
    }

    #[test]
    fn the_night_is_that_of_the_recipient_also_when_the_clocks_change() {
        let night = QuietHours::default();
        let cases = [
            // Winter: 07:30 in Chicago is 13:30 UTC.
            ("America/Chicago", "2026-01-15T13:30:30Z", Some("2026-01-15T14:00:00Z")),
            ("America/Chicago", "2026-01-15T14:00:00Z", None),
            // Summer: one hour earlier by UTC.
            ("America/Chicago", "2026-07-15T12:30:00Z", Some("2026-07-15T13:00:00Z")),
            // The night of 2026-03-08 is an hour shorter, that of 2026-11-01 an hour longer.
            ("America/Chicago", "2026-03-08T03:00:00Z", Some("2026-03-08T13:00:00Z")),
            ("America/Chicago", "2026-11-01T02:00:00Z", Some("2026-11-01T14:00:00Z")),
            ("Asia/Kathmandu", "2026-01-15T20:00:00Z", Some("2026-01-16T02:15:00Z")),
        ];
        for (zone, now, end_at) in cases {
            let zone = TimeZone::parse(zone).unwrap();
            assert_eq!(end(&night, &zone, utc(now)), end_at.map(utc), "{now}");
        }
    }

    #[test]
    fn an_end_that_the_clocks_skip_or_strike_twice_is_an_end() {
        let zone = TimeZone::parse("America/Chicago").unwrap();
        let ends = |to, now| end(&hours("22:00", to), &zone, utc(now));
        // There is no 02:30 on this day: it is 03:00 at once.
        assert_eq!(ends("02:30", "2026-03-08T07:45:00Z"), Some(utc("2026-03-08T08:00:00Z")));
        // 01:30 comes twice on this day, and the first one ends the night; in the second hour it is night again until 01:30.
        assert_eq!(ends("01:30", "2026-11-01T06:10:00Z"), Some(utc("2026-11-01T06:30:00Z")));
        assert_eq!(ends("01:30", "2026-11-01T07:10:00Z"), Some(utc("2026-11-01T07:30:00Z")));
    }

    proptest! {
        #[test]
        fn what_waits_comes_outside_the_quiet_hours_and_within_a_day(
            from in 0_u32..1_440,
            length in 1_u32..1_300,
            zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
            now in 1_700_000_000_i64..2_000_000_000,
        ) {
            let text = |minute: u32| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
            let hours = hours(&text(from), &text(from + length));
            let now = DateTime::from_timestamp(now, 0).unwrap();
            let local = |at: DateTime<Utc>| at.with_timezone(&zone).time();
            let zone_name = TimeZone::parse(zone.name()).unwrap();
            match end(&hours, &zone_name, now) {
                None => prop_assert!(!hours.contain(local(now))),
                Some(at) => {
                    prop_assert!(hours.contain(local(now)) && !hours.contain(local(at)));
                    prop_assert!(at > now && at - now <= TimeDelta::hours(25));
                }
            }
        }
    }
}
