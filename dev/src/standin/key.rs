//! The key with which webhooks are signed: a file in the data directory, for its owner alone.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, anyhow};
use base64::{Engine, engine::general_purpose::STANDARD};
use platform::telnyx::signature::SigningKey;

/// The key's file: PKCS #8 in base64.
const FILE: &str = "telnyx-standin.key";

/// For the owner alone.
const MODE: u32 = 0o600;

/// The key of this data directory; the first call makes it.
pub(super) fn load_or_create(data: &Path) -> anyhow::Result<SigningKey> {
    let path = data.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let der = STANDARD.decode(text.trim()).context("the key is not base64")?;
            SigningKey::from_pkcs8(&der).map_err(|error| anyhow!("not an Ed25519 key: {error}"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => create(&path),
        Err(error) => Err(error).context(path.display().to_string()),
    }
}

fn create(path: &Path) -> anyhow::Result<SigningKey> {
    let key = SigningKey::generate().map_err(|_| anyhow!("no randomness for a key"))?;
    let der = key.to_pkcs8().map_err(|_| anyhow!("a key without a PKCS #8 form"))?;
    // Written aside and renamed: a crash leaves no half of a key.
    let aside = path.with_extension("key.new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(MODE).open(&aside)?;
    writeln!(file, "{}", STANDARD.encode(der))?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_private() {
        let data = tempfile::tempdir().unwrap();
        let first = load_or_create(data.path()).unwrap();
        let second = load_or_create(data.path()).unwrap();
        assert_eq!(first.public_key(), second.public_key());
        let mode = fs::metadata(data.path().join(FILE)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, MODE);
    }
}
