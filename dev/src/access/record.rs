//! Writes down what was called, once for each process.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use super::RECORD;

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Adds a line to the file that the environment names, unless this process has already done so. Many processes add to it:
/// a line is one write.
pub(super) fn add(line: &str) -> io::Result<()> {
    let Some(path) = std::env::var_os(RECORD) else { return Ok(()) };
    if !SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(line.to_owned()) {
        return Ok(());
    }
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}
