//! Cursors: sealed, for they hold names and times and end up in access logs; and bound to what they continue.

use platform::{crypto::SealingKey, http::Problem};
use serde::{Serialize, de::DeserializeOwned};

/// Longest cursor that is looked at, in bytes.
const MAX_BYTES: usize = 2_048;

/// Seals a place in the list that `list` names (its path, filter and order).
///
/// # Errors
/// 500 when it cannot be sealed.
pub fn seal(key: &SealingKey, list: &str, place: &impl Serialize) -> Result<String, Problem> {
    let plain = serde_json::to_vec(place).map_err(|_| Problem::internal())?;
    let sealed = key.seal(list, &plain).map_err(|_| Problem::internal())?;
    // Base64 without padding has two characters that need quoting in a query string.
    Ok(sealed.replace('+', "-").replace('/', "_"))
}

/// Opens a cursor of the same list.
///
/// # Errors
/// 400 when it is none.
pub fn open<T: DeserializeOwned>(key: &SealingKey, list: &str, token: &str) -> Result<T, Problem> {
    let refuse = || Problem::bad_request("invalid-page-token", "The page_token is not one of this list");
    if token.len() > MAX_BYTES {
        return Err(refuse());
    }
    let sealed = token.replace('-', "+").replace('_', "/");
    let plain = key.open(list, &sealed).map_err(|_| refuse())?;
    serde_json::from_slice(&plain).map_err(|_| refuse())
}
