//! Who calls AWS for what: each binary's rights as data.
//!
//! The roles on AWS are made from here, and the local world refuses whatever is not here, so that a right that is missing
//! shows at home. A test compares the list with what all tests together have called.

mod grants;

pub use grants::GRANTS;

use crate::tables::Table;

/// Who calls AWS. Its name is in the user agent of each call, which AWS's own audit
/// shows: three binaries share one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// The binary command-api.
    CommandApi,
    /// The binary query-api.
    QueryApi,
    /// The binary projector, as a service.
    Projector,
    /// An operator's command of the binary projector.
    Operator,
    /// A test or a benchmark, which has no role on AWS.
    Elsewhere,
}

impl Principal {
    /// Those that have rights.
    pub const ALL: [Self; 4] = [Self::CommandApi, Self::QueryApi, Self::Projector, Self::Operator];

    /// The name in the user agent.
    pub fn name(self) -> &'static str {
        match self {
            Self::CommandApi => "command-api",
            Self::QueryApi => "query-api",
            Self::Projector => "projector",
            Self::Operator => "operator",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What a right is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A table without its indexes.
    Table(Table),
    /// All indexes of a table.
    IndexesOf(Table),
    /// A table's stream.
    StreamOf(Table),
    /// The queues of all lanes.
    Queues,
    /// Their dead-letter queues.
    DeadLetters,
    /// The key in KMS that opens the wrapping key.
    WrappingKey,
    /// The secret in Secrets Manager.
    Secrets,
}

/// Actions that one principal may call on one resource. A transaction counts as the actions in it, and so does a batch for a
/// queue; a batch for tables counts as itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Who may.
    pub to: Principal,
    /// On what.
    pub on: Resource,
    /// The actions as IAM names them, such as `dynamodb:PutItem`.
    pub actions: &'static [&'static str],
}
