//! What only who holds the keys can check of a log: that what commits carry is the fold of what came before, and what a
//! stream holds in other tables.

use std::collections::{BTreeMap, BTreeSet};

use events::{
    claim::GuardedSet,
    commit::StoredCommit,
    decider::Decider,
    stream::{StreamId, Version},
};

use super::{
    EventStore, Folded, Range, StoreError, Undecodable,
    item::decode_text,
    read::{carried, open, push},
};

/// Commits per call.
const PAGE: usize = 200;

/// What became of the carried states of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CarriedStates {
    /// How many are the fold of everything before.
    pub right: u64,
    /// How many cannot be opened: their subject is erased, or they are of another shape.
    pub unusable: u64,
    /// The versions whose state is not the fold.
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
                match carried::<D>(commit, state, key.as_ref()) {
                    None => checked.unusable += 1,
                    Some(found) if found.state == folded.state => checked.right += 1,
                    Some(_) => checked.wrong.push(commit.version),
                }
            }
        }
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

/// The commit in the text of its attributes, by name.
///
/// # Errors
/// [`Undecodable`].
pub fn decode_attributes(text: &BTreeMap<String, String>) -> Result<StoredCommit, Undecodable> {
    decode_text(text)
}
