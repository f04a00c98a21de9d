//! How the keys of access tokens take each other's places, so that no good token is ever refused; and how they all go.

use chrono::{DateTime, TimeDelta, Utc};

use super::{ACCESS_TOKEN_LIFETIME, KEY_SET_MAX_AGE, LEEWAY};
use crate::crypto::{SecretsError, SigningAlgorithm, SigningKey, SigningKeys};

/// How long a key is published before it signs. Until everybody knows it: another service keeps the key set for
/// [`KEY_SET_MAX_AGE`], a cache on the way may keep it as long again, and our own services read the keys once a minute,
/// some of them only at a second or third try.
pub const PUBLISHED_FIRST: TimeDelta = TimeDelta::minutes(15);

/// How long a key that signs no more is still accepted. Until its last token has ended: [`ACCESS_TOKEN_LIFETIME`] and
/// the leeway after the last command-api has learnt that it signs no more, which may take it a few tries.
pub const TOKENS_ENDED_AFTER: TimeDelta = TimeDelta::minutes(15);

/// Until when a service of ours that reads the keys has surely read them: three times once a minute, and their time-outs.
const READ_WITHIN: TimeDelta = TimeDelta::minutes(4);

const _: () = assert!(
    PUBLISHED_FIRST.num_seconds() >= 2 * KEY_SET_MAX_AGE.num_seconds() + READ_WITHIN.num_seconds()
        && TOKENS_ENDED_AFTER.num_seconds()
            >= ACCESS_TOKEN_LIFETIME.num_seconds() + LEEWAY.num_seconds() + READ_WITHIN.num_seconds()
);

/// What a rotation has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// `next` signs now, what signed before is `previous`, and there is a new `next`.
    Turned,
    /// There was no `next`; now there is one. What signs is the same as before.
    Published,
}

/// Why the keys stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum RotationRefused {
    /// Somebody may not know the next key yet, and would refuse its tokens.
    #[error("not everybody knows the next key before {0}: rotate then")]
    NextUnseen(DateTime<Utc>),
    /// Tokens of the previous key may still be good, and would be refused.
    #[error("tokens of the previous key may be good until {0}: rotate then")]
    PreviousInUse(DateTime<Utc>),
    /// No key can be drawn.
    #[error(transparent)]
    NoKey(#[from] SecretsError),
}

/// From when on the keys can be rotated; at once if there is no next one, which is then drawn.
pub fn may_rotate_from(keys: &SigningKeys) -> Option<DateTime<Utc>> {
    let next = keys.next.as_ref()?;
    let seen = next.created_at + PUBLISHED_FIRST;
    let ended = keys.previous.as_ref().map(|_| keys.rotated_at + TOKENS_ENDED_AFTER);
    Some(ended.map_or(seen, |ended| ended.max(seen)))
}

/// Lets the next key sign, and draws another next one; without a next one, draws it and leaves the rest for the next
/// time. `algorithm` is that of the key that is drawn: unless it is said, that of the one before it.
///
/// # Errors
/// [`RotationRefused`]: when it is too early, and when there is no randomness. The keys are as before.
pub fn rotate(
    keys: &mut SigningKeys,
    algorithm: Option<SigningAlgorithm>,
    now: DateTime<Utc>,
) -> Result<Rotated, RotationRefused> {
    let newest = keys.next.as_ref().unwrap_or(&keys.current);
    let drawn = SigningKey::draw(algorithm.unwrap_or(newest.algorithm), now)?;
    let Some(next) = &keys.next else {
        keys.next = Some(drawn);
        return Ok(Rotated::Published);
    };
    let seen = next.created_at + PUBLISHED_FIRST;
    if now < seen {
        return Err(RotationRefused::NextUnseen(seen));
    }
    let ended = keys.rotated_at + TOKENS_ENDED_AFTER;
    if keys.previous.is_some() && now < ended {
        return Err(RotationRefused::PreviousInUse(ended));
    }
    if let Some(next) = keys.next.replace(drawn) {
        keys.previous = Some(std::mem::replace(&mut keys.current, next));
    }
    keys.rotated_at = now;
    Ok(Rotated::Turned)
}

/// Drops every key at once, and with them every token: for a key that was stolen.
///
/// # Errors
/// When there is no randomness.
pub fn replace_all(algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Result<SigningKeys, SecretsError> {
    SigningKeys::draw(algorithm, now)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::tokens::kid;

    #[derive(Debug, Clone)]
    enum Step {
        Wait(i64),
        Rotate(Option<SigningAlgorithm>),
        ReplaceAll(SigningAlgorithm),
    }

    fn algorithm() -> impl Strategy<Value = SigningAlgorithm> {
        prop_oneof![Just(SigningAlgorithm::EdDsa), Just(SigningAlgorithm::Es256)]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..1_200_i64).prop_map(Step::Wait),
            4 => proptest::option::of(algorithm()).prop_map(Step::Rotate),
            1 => algorithm().prop_map(Step::ReplaceAll),
        ]
    }

    fn names(keys: &SigningKeys) -> Vec<String> {
        keys.by_place().map(|(_, key)| kid(key).unwrap()).collect()
    }

    /// A copy of the keys that somebody has, and from when to when they may have it.
    struct Copy {
        keys: Vec<String>,
        from: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_the_order_of_rotations_nobody_refuses_a_token_that_is_good(
            first in algorithm(),
            steps in prop::collection::vec(step(), 1..40),
        ) {
            let mut now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
            let mut keys = SigningKeys::draw(first, now).unwrap();
            let mut drawn: HashSet<_> = names(&keys).into_iter().collect();
            // Every set that there was since the last emergency, with the time for which it was the present one.
            let mut copies = vec![Copy { keys: names(&keys), from: now, until: None }];
            for step in steps {
                let before = names(&keys);
                match step {
                    Step::Wait(seconds) => now += TimeDelta::seconds(seconds),
                    Step::Rotate(algorithm) => {
                        let at = may_rotate_from(&keys);
                        let chosen = algorithm.unwrap_or(keys.next.as_ref().unwrap().algorithm);
                        match rotate(&mut keys, algorithm, now) {
                            Ok(_) => {
                                prop_assert!(at.is_none_or(|at| at <= now));
                                let after = names(&keys);
                                prop_assert_eq!(&after[0], &before[1]);
                                prop_assert_eq!(&after[2], &before[0]);
                                prop_assert!(drawn.insert(after[1].clone()));
                                prop_assert_eq!(keys.next.as_ref().unwrap().algorithm, chosen);
                                prop_assert_eq!(keys.rotated_at, now);
                            }
                            Err(refused) => {
                                prop_assert!(at.is_some_and(|at| now < at), "{refused}");
                                prop_assert_eq!(names(&keys), before);
                            }
                        }
                    }
                    Step::ReplaceAll(algorithm) => {
                        keys = replace_all(algorithm, now).unwrap();
                        let after = names(&keys);
                        prop_assert_eq!(after.len(), 2);
                        prop_assert!(after.iter().all(|name| drawn.insert(name.clone())));
                        prop_assert!(keys.by_place().all(|(_, key)| key.algorithm == algorithm));
                        copies.clear();
                    }
                }
                if copies.last().is_none_or(|copy| copy.keys != names(&keys)) {
                    if let Some(last) = copies.last_mut() {
                        last.until = Some(now);
                    }
                    copies.push(Copy { keys: names(&keys), from: now, until: None });
                }
                // Whoever read the keys a while ago knows what signs now, and what they sign with is accepted until
                // their tokens end. Only the first set after an emergency, or of all, has nothing before it.
                let (first, present) = (copies[0].from, names(&keys));
                for copy in &copies {
                    let had_at = |age: TimeDelta| copy.until.is_none_or(|until| now - age < until);
                    if had_at(KEY_SET_MAX_AGE * 2 + READ_WITHIN) {
                        prop_assert!(copy.keys.contains(&present[0]), "{now}: since {first} {:?}", copy.keys);
                    }
                    if had_at(ACCESS_TOKEN_LIFETIME + LEEWAY + READ_WITHIN) {
                        prop_assert!(present.contains(&copy.keys[0]), "{now}: since {first} {:?}", copy.keys);
                    }
                }
            }
        }
    }

    #[test]
    fn a_set_without_a_next_key_gets_one_first_and_turns_when_everybody_knows_it() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut keys = SigningKeys::draw(SigningAlgorithm::EdDsa, now).unwrap();
        keys.next = None;
        let signs = kid(&keys.current).unwrap();
        assert_eq!(may_rotate_from(&keys), None);
        assert_eq!(rotate(&mut keys, Some(SigningAlgorithm::Es256), now).unwrap(), Rotated::Published);
        assert_eq!(kid(&keys.current).unwrap(), signs);
        let (next, seen) = (kid(keys.next.as_ref().unwrap()).unwrap(), now + PUBLISHED_FIRST);
        let early = rotate(&mut keys, None, seen - TimeDelta::seconds(1));
        assert!(matches!(early, Err(RotationRefused::NextUnseen(until)) if until == seen));
        assert_eq!(rotate(&mut keys, None, seen).unwrap(), Rotated::Turned);
        assert_eq!(names(&keys)[0], next);
        assert_eq!(names(&keys)[2], signs);
        assert_eq!(keys.next.as_ref().unwrap().algorithm, SigningAlgorithm::Es256);

        // A clock that was ahead, and a next key that is older than the last rotation.
        keys.next = Some(SigningKey::draw(SigningAlgorithm::EdDsa, now).unwrap());
        let early = rotate(&mut keys, None, seen);
        assert!(matches!(early, Err(RotationRefused::PreviousInUse(until)) if until == seen + TOKENS_ENDED_AFTER));
        assert!(rotate(&mut keys, None, now - TimeDelta::days(1)).is_err());
    }
}
