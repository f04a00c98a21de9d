use std::num::NonZeroU16;

use events::views::Row;
use platform::rows::{ListKey, Listing, Page};

/// The page with these rows as they are now: put in, replaced or left out by the list's filter and the page's range, which
/// goes from behind `after` up to the page's end.
///
/// In a list of entries a row is shown as it is now, where its entry found it; its own place may be another by now. Only rows
/// whose place is in the range say where the next page begins: one behind it would let everything between be passed over.
pub(super) fn overlay<R: Row>(
    mut page: Page<R>,
    known: Vec<R>,
    listing: &Listing,
    after: Option<&ListKey>,
    size: NonZeroU16,
) -> Page<R> {
    let comes = |one: &ListKey, other: &ListKey| listing.compare(one, other).is_gt();
    let is_behind = |key: &ListKey, end: Option<&ListKey>| end.is_some_and(|end| comes(key, end));
    let mut put_in = false;
    for now in known {
        if page.rows.iter().any(|row| row.stream() == now.stream() && row.version() > now.version()) {
            continue;
        }
        page.rows.retain(|row| row.stream() != now.stream());
        let place = listing.place(&now);
        let begins = |key: &ListKey| after.is_none_or(|after| comes(key, after));
        if place.is_some_and(|key| begins(&key) && !is_behind(&key, page.next.as_ref())) {
            page.rows.push(now);
            put_in = true;
        }
    }
    if !put_in {
        return page;
    }
    let size = usize::from(size.get());
    let placed = page.rows.into_iter().filter_map(|row| Some((listing.place(&row)?, row)));
    // What is behind the end comes on a page of its own. What is before the beginning comes on no later one, so it stays as
    // long as there is room.
    let (mut within, mut before): (Vec<_>, Vec<_>) = placed
        .filter(|(key, _)| !is_behind(key, page.next.as_ref()))
        .partition(|(key, _)| after.is_none_or(|after| comes(key, after)));
    within.sort_by(|(one, _), (other, _)| listing.compare(one, other));
    if within.len() > size {
        within.truncate(size);
        page.next = within.last().map(|(key, _)| key.clone());
    }
    before.truncate(size - within.len());
    before.sort_by(|(one, _), (other, _)| listing.compare(one, other));
    page.rows = before.into_iter().chain(within).map(|(_, row)| row).collect();
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;
    use events::{
        decider::Decider,
        envelope::{Actor, Metadata, Recorded},
        ids::{EventId, UserId},
        stream::Version,
        user::{ChangeProfile, Register, Status, User, UserCommand, UserState},
        values::{Email, Locale, PersonName, Phone, TimeZone, Username},
        views::{Facet, Order},
    };
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    /// A user of this last name.
    fn user(number: usize, name: char) -> UserState {
        let register = Register {
            email: Email::parse(&format!("person{number}@example.com")).unwrap(),
            username: Username::parse(&format!("person{number}")).unwrap(),
            first_name: PersonName::parse("Ada").unwrap(),
            last_name: PersonName::parse(&name.to_string()).unwrap(),
            phone: Phone::parse("+15125550123").unwrap(),
            locale: Locale::parse("en-US").unwrap(),
            time_zone: TimeZone::default(),
            with_password: false,
        };
        let mut state = None;
        apply(&mut state, number, UserCommand::Register(register));
        state.unwrap()
    }

    /// The user with another last name.
    fn renamed(user: &UserState, number: usize, name: char) -> UserState {
        let mut state = Some(user.clone());
        let last_name = Some(PersonName::parse(&name.to_string()).unwrap());
        apply(&mut state, number, UserCommand::ChangeProfile(ChangeProfile { last_name, ..ChangeProfile::default() }));
        state.unwrap()
    }

    fn apply(state: &mut Option<UserState>, number: usize, command: UserCommand) {
        let version = state.as_ref().map_or(Version(1), |user| user.version.next());
        for event in User::decide(state, command).unwrap() {
            let id = UserId(Uuid::from_u128(number as u128));
            let metadata = Metadata {
                actor: Actor::System,
                reason: None,
                correlation_id: Uuid::nil(),
                causation_id: None,
                traceparent: None,
            };
            let recorded_at = DateTime::UNIX_EPOCH;
            let event_id = EventId(Uuid::nil());
            User::evolve(
                state,
                &Recorded { event_id, stream: id.into(), version, index: 0, recorded_at, metadata, event },
            );
        }
    }

    proptest! {
        /// Entries that are as old as can be: whatever was renamed since, whoever goes through all pages with the tokens of
        /// some rows meets each of these once, each that was not renamed once, and comes to an end.
        #[test]
        fn nobody_is_passed_over_because_of_entries_that_are_old(
            people in prop::collection::vec((any::<char>(), prop::option::of(any::<char>()), any::<bool>()), 0..24),
            size in 1_u16..6, descending: bool,
        ) {
            let letter = |any: char| char::from(b'a' + u8::try_from(u32::from(any) % 26).unwrap());
            let listing =
                Listing { order: Order::Name, descending, facet: Some(Facet::UserStatus(Status::Invited)), prefix: String::new() };
            let (mut entries, mut known) = (Vec::new(), Vec::new());
            let mut wanted = BTreeSet::new();
            for (number, (name, since, has_token)) in people.iter().enumerate() {
                let before = user(number, letter(*name));
                let now = since.map_or_else(|| before.clone(), |since| renamed(&before, number, letter(since)));
                if *has_token {
                    known.push(now.clone());
                }
                if *has_token || now == before {
                    wanted.insert(now.id);
                }
                entries.push((listing.place(&before).unwrap(), now));
            }
            entries.sort_by(|(one, _), (other, _)| listing.compare(one, other));

            let size = NonZeroU16::new(size).unwrap();
            let (mut after, mut shown): (Option<ListKey>, Vec<UserId>) = (None, Vec::new());
            loop {
                let follows = |key: &ListKey| after.as_ref().is_none_or(|after| listing.compare(after, key).is_lt());
                let found: Vec<_> = entries.iter().filter(|(key, _)| follows(key)).collect();
                let more = found.len() > usize::from(size.get());
                let found = &found[..found.len().min(size.get().into())];
                let next = found.last().filter(|_| more).map(|(key, _)| key.clone());
                let page = Page { rows: found.iter().map(|(_, row)| row.clone()).collect(), next };
                let page = overlay(page, known.clone(), &listing, after.as_ref(), size);
                prop_assert!(page.rows.len() <= usize::from(size.get()));
                shown.extend(page.rows.iter().map(|row| row.id));
                let Some(next) = page.next else { break };
                prop_assert!(after.as_ref().is_none_or(|after| listing.compare(after, &next).is_lt()), "{:?}", next);
                after = Some(next);
            }
            for id in wanted {
                let times = shown.iter().filter(|shown| **shown == id).count();
                prop_assert_eq!(times, 1, "{:?}", id);
            }
        }
    }
}
