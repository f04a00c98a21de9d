mod file;
mod online;
mod report;

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use events::verify::{Verifier, Wrong};
use platform::{settings::Settings, store::decode_attributes};

pub(super) use self::{online::whole_log, report::Report};
use super::{Verdict, scan::Text};

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
    /// Say it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let key = arguments.checkpoint_key.as_deref().map(|key| BASE64.decode(key)).transpose();
    let key = key.context("the checkpoint key is not base64")?;
    let report = match &arguments.file {
        Some(file) => file::check(file, key)?,
        None => Box::pin(online::check(&arguments.settings, key)).await?,
    };
    report.print(arguments.json)?;
    Ok(report.verdict())
}

/// Takes what was read as a commit, or notes that it is none.
fn take(
    verifier: &mut Verifier,
    text: &Text,
    signed: &std::collections::HashMap<events::stream::StreamId, events::checkpoint::Head>,
) {
    match decode_attributes(text) {
        Ok(commit) => verifier.take(&commit, text, signed.get(&commit.stream)),
        Err(error) => {
            let named = |name| text.get(name).map_or("?", String::as_str);
            let place = format!("{} at {}", named("stream"), named("version"));
            verifier.note(place, Wrong::Undecodable(error.to_string()));
        }
    }
}
