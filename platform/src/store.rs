//! The event log over DynamoDB.
//!
//! [`EventStore`] reads commits and appends them; [`Streams`] adds the rules of one category on top: load, decide,
//! append, and again on a conflict.

mod append;
mod check;
mod claims;
mod command;
mod draft;
mod error;
mod execute;
mod folded;
mod item;
mod open;
mod read;
mod seal_commit;
mod sealing;
mod transaction;

pub use append::{Companions, ON_ITS_WAY};
pub use check::{CarriedStates, Holdings, attributes_of, decode_attributes};
pub use claims::set_id;
pub use command::{Command, ExecuteError, Executed, Intent, Outcome};
pub use draft::Draft;
pub use error::{AppendError, StoreError, bad_row, unavailable};
pub use execute::Streams;
pub use folded::{Folded, IDEMPOTENCY_WINDOW, Replay};
pub use item::{Undecodable, decode_image, decode_item};
pub use open::{Commit, Opener};
pub use read::Range;

use aws_sdk_dynamodb::Client;

use crate::{
    clock::Clock,
    crypto::{Keyring, MacKey},
    tables::{CLAIMS, EVENTS, Names},
};

/// The log of one stage. Clones share everything.
#[derive(Debug, Clone)]
pub struct EventStore {
    client: Client,
    events: String,
    claims: String,
    claim_key: MacKey,
    keyring: Keyring,
    clock: Clock,
}

impl EventStore {
    /// The log of one stage.
    pub fn new(client: Client, names: &Names, claim_key: MacKey, keyring: Keyring, clock: Clock) -> Self {
        Self { client, events: names.table(&EVENTS), claims: names.table(&CLAIMS), claim_key, keyring, clock }
    }

    /// The clock by which commits are recorded.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The keys of the subjects.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }
}
