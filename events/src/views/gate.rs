use crate::stream::Version;

/// What to do with a commit, given the version that the row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It is the next one.
    Apply,
    /// The row contains it.
    Drop,
    /// The commits in between are missing: read them first.
    Heal,
}

/// The one decision that makes duplicates, disorder and losses harmless.
pub fn gate(row: Version, commit: Version) -> Gate {
    if commit <= row {
        Gate::Drop
    } else if commit == row.next() {
        Gate::Apply
    } else {
        Gate::Heal
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However a stream's records are repeated, lost and mixed: with healing every commit is applied once, in order.
        #[test]
        fn every_commit_is_applied_once_in_order(records in prop::collection::vec(1_u64..20, 1..60)) {
            let mut row = Version::NONE;
            let mut applied = Vec::new();
            for record in records.iter().copied() {
                let missing = match gate(row, Version(record)) {
                    Gate::Drop => continue,
                    Gate::Apply => record..=record,
                    Gate::Heal => row.0 + 1..=record,
                };
                for version in missing {
                    prop_assert_eq!(gate(row, Version(version)), Gate::Apply);
                    applied.push(version);
                    row = Version(version);
                }
            }
            let last = records.iter().copied().max().unwrap_or_default();
            prop_assert_eq!(applied, (1..=last).collect::<Vec<_>>());
        }
    }
}
