//! What only who holds the keys can check of a log: that what commits carry is the fold of what came before, and what a
//! stream holds in other tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use events::{
    claim::GuardedSet,
    commit::StoredCommit,
    decider::Decider,
    stream::{StreamId, Version},
};

use super::{
    EventStore, Folded, Range, StoreError, Undecodable,
    item::{NUMBERS, decode_text},
    open::{carried, open},
    read::push,
};
use crate::crypto::SubjectKey;

/// Commits per call.
const PAGE: usize = 200;

/// What became of the carried states of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CarriedStates {
    /// How many are the fold of everything before.
    pub right: u64,
    /// How many are of another shape than today's: nobody uses them.
    pub old: u64,
    /// How many nobody can open: their subject is erased.
    pub erased: u64,
    /// The versions whose state is not the fold, or does not open although it should.
    pub wrong: Vec<Version>,
}

/// What a stream holds in table `claims`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// The version of the stream that was folded.
    pub version: Version,
    /// Keys of the unique values.
    pub claims: BTreeSet<String>,
    /// The guarded sets.
    pub sets: BTreeSet<GuardedSet>,
}

impl EventStore {
    /// Folds a stream from its beginning and compares every state that its commits carry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check_carried<D: Decider>(&self, stream: StreamId) -> Result<CarriedStates, StoreError>
    where
        D::State: PartialEq,
    {
        let mut checked = CarriedStates::default();
        let mut folded: Folded<D::State> = Folded::default();
        loop {
            let range = Range { after: folded.version, until: None };
            let commits = self.read_stored(stream, range, PAGE).await?;
            let key = self.subject_key(stream, !commits.is_empty()).await?;
            if commits.is_empty() {
                return Ok(checked);
            }
            for commit in &commits {
                push::<D>(&mut folded, &open(commit, key.as_ref())?)?;
                let Some(state) = &commit.state else { continue };
                // Of a subject that is erased meanwhile, a key that was read before is still at hand; the events tell.
                let erased = matches!(key, Some(SubjectKey::Erased)) || D::is_erased(&folded.state);
                match carried::<D>(commit, state, key.as_ref()) {
                    // Of an erased subject the earlier requests are not known any more.
                    Some(found) if found.state == folded.state && (erased || found.recent == folded.recent) => {
                        checked.right += 1;
                    }
                    None if state.schema != D::STATE_SCHEMA => checked.old += 1,
                    None if erased => checked.erased += 1,
                    _ => checked.wrong.push(commit.version),
                }
            }
        }
    }

    /// Whether a stream has a commit; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has(&self, stream: StreamId, version: Version) -> Result<bool, StoreError> {
        let range = Range { after: Version(version.0.saturating_sub(1)), until: Some(version) };
        Ok(!self.read_stored(stream, range, 1).await?.is_empty())
    }

    /// What a stream must hold in table `claims`, by its state as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn holdings<D: Decider>(&self, stream: StreamId) -> Result<Holdings, StoreError> {
        let folded = self.load::<D>(stream, None).await?;
        Ok(Holdings {
            version: folded.version,
            claims: D::claims(&folded.state).iter().map(|claim| self.claim_id(claim)).collect(),
            sets: D::memberships(&folded.state),
        })
    }
}

/// The attributes of an item of the log as text, by name. One that is not of the kind in which we write it becomes a text
/// that we never write.
pub fn attributes_of(item: HashMap<String, AttributeValue>) -> BTreeMap<String, String> {
    let text = |(name, value): (String, AttributeValue)| {
        let text = match (value, NUMBERS.contains(&name.as_str())) {
            (AttributeValue::N(text), true) | (AttributeValue::S(text), false) => text,
            _ => "not of its kind".to_owned(),
        };
        (name, text)
    };
    item.into_iter().map(text).collect()
}

/// The commit in the text of its attributes, by name.
///
/// # Errors
/// [`Undecodable`].
pub fn decode_attributes(text: &BTreeMap<String, String>) -> Result<StoredCommit, Undecodable> {
    decode_text(text)
}
