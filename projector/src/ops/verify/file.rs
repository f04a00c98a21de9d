use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::Context as _;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use events::{
    checkpoint::{Head, parse_line},
    stream::StreamId,
    verify::{Verifier, Wrong},
};

use super::{NOTHING_SIGNED, Report, note_checkpoints, note_kept, report::younger, take};
use crate::ops::{
    archive::{Counts, FORMAT, Line},
    checkpoints::{Checkpoints, Signed},
    progress::Progress,
};

/// What was read of a file so far.
#[derive(Debug, Default)]
struct Reading {
    verifier: Verifier,
    /// The key of the checkpoints, as the file states it.
    stated: Option<Vec<u8>>,
    checkpoints: Checkpoints,
    signed: HashMap<StreamId, Head>,
    counts: Counts,
    ended: bool,
}

/// Checks an exported file. Needs neither a network nor a secret.
pub(super) fn check(path: &Path, key: Option<&[u8]>, kept: Option<&Signed>) -> anyhow::Result<Report> {
    let unreadable = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(unreadable)?;
    let mut progress = Progress::of("verifying (bytes)", file.metadata().ok().map(|file| file.len()));
    let mut reading = Reading::default();
    for (number, line) in (1_u64..).zip(BufReader::new(file).split(b'\n')) {
        let line = line.with_context(unreadable)?;
        progress.add(line.len() as u64 + 1);
        if let Err(wrong) = reading.take(number, &line) {
            reading.verifier.note(format!("line {number}"), Wrong::Whole(wrong));
        }
    }
    Ok(reading.report(key, kept))
}

impl Reading {
    /// Takes a line; the error is what is wrong with it as a part of the file.
    fn take(&mut self, number: u64, line: &[u8]) -> Result<(), String> {
        if self.ended {
            return Err("there is something behind the end".to_owned());
        }
        let line = serde_json::from_slice(line).map_err(|_| "cannot be read as a line of an export".to_owned())?;
        // What was signed must be known before the first commit is compared with it.
        let late = self.counts.commits > 0;
        match line {
            Line::Made { format, checkpoint_key, .. } if format == FORMAT && number == 1 => {
                self.stated = BASE64.decode(checkpoint_key).ok();
            }
            Line::Made { .. } => return Err("is not how an export begins that this build can read".to_owned()),
            _ if number == 1 => return Err("is not how an export begins".to_owned()),
            Line::Checkpoint(_) | Line::Head(_) if late => return Err("comes behind the first commit".to_owned()),
            Line::Checkpoint(checkpoint) => {
                self.counts.checkpoints += 1;
                self.checkpoints.signed.push(checkpoint);
            }
            Line::Head(text) => {
                self.counts.heads += 1;
                let (stream, head) = parse_line(&text).ok_or("cannot be read as a head")?;
                self.signed.insert(stream, head);
            }
            Line::Commit(text) => {
                self.counts.commits += 1;
                take(&mut self.verifier, &text, &self.signed);
            }
            Line::End(counts) => {
                self.ended = true;
                if counts != self.counts {
                    let (was, is) = (counts.commits, self.counts.commits);
                    return Err(format!("not all that was exported is here: {is} commits of {was}"));
                }
            }
        }
        Ok(())
    }

    fn report(mut self, key: Option<&[u8]>, kept: Option<&Signed>) -> Report {
        let whole = |what: &str| Wrong::Whole(what.to_owned());
        if !self.ended {
            self.verifier.note("the file", whole("it breaks off before its end"));
        }
        if key.is_some() && key != self.stated.as_deref() {
            self.verifier.note("the file", whole("it states another key for its checkpoints"));
        }
        if key.is_some() && self.checkpoints.signed.is_empty() {
            self.verifier.note("the checkpoints", whole(NOTHING_SIGNED));
        }
        let heads: BTreeMap<StreamId, Head> = self.signed.clone().into_iter().collect();
        let trusted = key.or(self.stated.as_deref()).unwrap_or_default().to_vec();
        note_checkpoints(&mut self.verifier, &self.checkpoints, &heads, &trusted);
        note_kept(&mut self.verifier, &self.checkpoints, kept);
        self.verifier.compare(&self.signed);
        let younger = younger(&self.verifier, &self.signed);
        let mut report = Report { checkpoints: self.counts.checkpoints, younger, ..Report::of(&self.verifier) };
        if key.is_none() {
            report
                .notes
                .push("the checkpoints' key is the file's own; give --checkpoint-key to be sure of it".to_owned());
        }
        report
    }
}
