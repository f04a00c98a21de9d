mod file;
mod online;
mod report;
mod views;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use anyhow::{Context as _, ensure};
use aws_lc_rs::signature::ED25519_PUBLIC_KEY_LEN;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use events::{
    checkpoint::Head,
    stream::StreamId,
    verify::{Verifier, Wrong},
};
use platform::{settings::Settings, store::decode_attributes};

pub(super) use self::{online::whole_log, report::Report};
use super::{
    Verdict,
    checkpoints::{self, Checkpoints, Signed, faults, fits},
    scan::Text,
};

/// Streams that are looked at once.
const AT_ONCE: usize = 8;

/// What is said when the auditor has a key and finds nothing that was signed with it.
const NOTHING_SIGNED: &str = "there is none, so nothing vouches for the log";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Check an exported file instead; needs neither AWS nor any secret.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Public key of the checkpoints (Ed25519, base64), as the auditor knows it. Without it a file's own word is taken.
    #[arg(long)]
    checkpoint_key: Option<String>,
    /// A checkpoint as `checkpoint --out` wrote it, kept where the log's writers cannot reach it: it must be among those
    /// that are found.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Say it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let key = arguments.checkpoint_key.as_deref().map(|key| BASE64.decode(key)).transpose();
    let key = key.context("the checkpoint key is not base64")?;
    let is_key = key.as_ref().is_none_or(|key| key.len() == ED25519_PUBLIC_KEY_LEN);
    ensure!(is_key, "the checkpoint key has not the {ED25519_PUBLIC_KEY_LEN} bytes of a public key of Ed25519");
    let kept = arguments.checkpoint.as_deref().map(checkpoints::kept).transpose()?;
    let report = match &arguments.file {
        Some(file) => file::check(file, key.as_deref(), kept.as_ref())?,
        None => Box::pin(online::check(&arguments.settings, key, kept.as_ref())).await?,
    };
    report.print(arguments.json)?;
    Ok(report.verdict())
}

/// Takes what was read as a commit, or notes that it is none.
fn take(verifier: &mut Verifier, text: &Text, signed: &HashMap<StreamId, Head>) {
    match decode_attributes(text) {
        Ok(commit) => verifier.take(&commit, text, signed.get(&commit.stream)),
        Err(error) => {
            let named = |name| text.get(name).map_or("?", String::as_str);
            let place = format!("{} at {}", named("stream"), named("version"));
            verifier.note(place, Wrong::Undecodable(error.to_string()));
        }
    }
}

/// Notes what is wrong with the checkpoints, by a public key, and with the heads of the last one.
fn note_checkpoints(verifier: &mut Verifier, checkpoints: &Checkpoints, heads: &BTreeMap<StreamId, Head>, key: &[u8]) {
    let mut wrong = checkpoints.unreadable.clone();
    wrong.extend(faults(&checkpoints.signed, key));
    if let Some(last) = checkpoints.signed.last()
        && !fits(&last.checkpoint, heads)
    {
        wrong.push(format!("the heads are not those that checkpoint {} signed", last.checkpoint.number));
    }
    for wrong in wrong {
        verifier.note("the checkpoints", Wrong::Whole(wrong));
    }
}

/// Notes that a checkpoint which somebody kept is not among those of the log: they were cut back, or are others.
fn note_kept(verifier: &mut Verifier, checkpoints: &Checkpoints, kept: Option<&Signed>) {
    if let Some(kept) = kept.filter(|kept| !checkpoints.signed.contains(kept)) {
        let wrong = format!("checkpoint {}, as it was kept, is not among them", kept.checkpoint.number);
        verifier.note("the checkpoints", Wrong::Whole(wrong));
    }
}
