//! Keys and what is done with them. All of it is AWS-LC; nothing is home-made.

mod keyring;
mod mac;
mod seal;
mod secrets;
mod signing;
mod source;

pub(crate) use keyring::ERASED_AT;
pub use keyring::{KeyError, Keyring, MintedKey, SubjectKey};
pub use mac::MacKey;
pub use seal::{NotSealed, SealingKey};
pub use secrets::{Secrets, SecretsError};
pub use signing::{SigningAlgorithm, SigningKey, SigningKeys};
pub use source::{Held, SecretsSource};
