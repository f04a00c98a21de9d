use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::Context as _;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use events::{
    checkpoint::parse_line,
    verify::{Verifier, Wrong},
};

use super::{Report, report::younger, take};
use crate::ops::{
    archive::{FORMAT, Line},
    checkpoints::{Signed, faults, fits},
    progress::Progress,
};

/// Lines between two looks of the progress.
const STEP: u64 = 1_000;

/// Checks an exported file. Needs neither a network nor a secret.
pub(super) fn check(path: &Path, key: Option<Vec<u8>>) -> anyhow::Result<Report> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut verifier = Verifier::default();
    let (mut stated, mut counted, mut ended) = (None, 0, false);
    let (mut checkpoints, mut heads): (Vec<Signed>, BTreeMap<_, _>) = (Vec::new(), BTreeMap::new());
    let mut signed = HashMap::new();
    let mut progress = Progress::of("verifying", None);
    for (number, line) in (1_u64..).zip(BufReader::new(file).split(b'\n')) {
        if number % STEP == 0 {
            progress.add(STEP);
        }
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        let place = format!("line {number}");
        if ended {
            verifier.note(place, Wrong::Whole("there is something behind the end".to_owned()));
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(Line::Made { format, checkpoint_key, .. }) if format == FORMAT && number == 1 => {
                stated = BASE64.decode(checkpoint_key).ok();
            }
            Ok(Line::Checkpoint(checkpoint)) => checkpoints.push(checkpoint),
            Ok(Line::Head(text)) => match parse_line(&text) {
                Some((stream, head)) => {
                    heads.insert(stream, head);
                    signed.insert(stream, head);
                }
                None => verifier.note(place, Wrong::Whole("cannot be read as a head".to_owned())),
            },
            Ok(Line::Commit(text)) => {
                counted += 1;
                take(&mut verifier, &text, &signed);
            }
            Ok(Line::End { commits }) => {
                ended = true;
                if commits != counted {
                    verifier.note(place, Wrong::Whole(format!("{commits} commits were exported, {counted} are here")));
                }
            }
            Ok(Line::Made { .. }) | Err(_) => {
                verifier.note(place, Wrong::Whole("cannot be read as a line of an export".to_owned()));
            }
        }
    }
    if !ended {
        verifier.note("the file", Wrong::Whole("it breaks off before its end".to_owned()));
    }
    let mut notes = Vec::new();
    if key.is_none() {
        notes.push("the checkpoints' key is the file's own; give --checkpoint-key to be sure of it".to_owned());
    } else if key != stated {
        verifier.note("the file", Wrong::Whole("it states another key for its checkpoints".to_owned()));
    }
    for fault in faults(&checkpoints, &key.or(stated).unwrap_or_default()) {
        verifier.note("the checkpoints", Wrong::Whole(fault));
    }
    if let Some(last) = checkpoints.last()
        && !fits(&last.checkpoint, &heads)
    {
        let number = last.checkpoint.number;
        verifier
            .note("the checkpoints", Wrong::Whole(format!("the heads are not those that checkpoint {number} signed")));
    }
    verifier.compare(&signed);
    let younger = younger(&verifier, &signed);
    Ok(Report { checkpoints: checkpoints.len() as u64, younger, notes, ..Report::of(&verifier) })
}
