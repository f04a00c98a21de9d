//! Faults that are put in on purpose, on the test's side of the seams: a simulation that finds none of them shows
//! nothing.

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    /// Commits are applied as they come, whatever the row's version is.
    NoGate,
    /// The handler reports success before its writes are done, so that the checkpoint comes first.
    CheckpointFirst,
    /// The lease table writes whatever owner and counter are.
    NoCounter,
    /// The stream lists shards without their parents.
    NoParents,
    /// What was trimmed is passed over in silence.
    SilentTrim,
    /// Catching up reports success and does nothing.
    NoCatchUp,
}
