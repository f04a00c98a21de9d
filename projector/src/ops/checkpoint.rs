use std::path::PathBuf;

use anyhow::Context as _;
use aws_lc_rs::signature::KeyPair;
use events::checkpoint::{Checkpoint, digest_of};
use platform::settings::Settings;

use super::{
    Verdict,
    checkpoints::{self, Signed},
    connect,
    verify::{Report, whole_log},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Write the signed checkpoint to this file, too: to be kept where the log's writers cannot reach it.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// A log that does not verify is not vouched for.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let (context, secrets) = connect(&arguments.settings).await?;
    let key = secrets.checkpoints()?;
    let checked = whole_log(&context, key.public_key().as_ref()).await?;
    if checked.verifier.found() > 0 {
        Report::of(&checked.verifier).print(false)?;
        eprintln!("no checkpoint was taken");
        return Ok(Verdict::Wrong);
    }
    let heads = checked.verifier.heads();
    let last = checked.checkpoints.signed.last().map(|last| &last.checkpoint);
    let checkpoint = Checkpoint {
        number: last.map_or(1, |last| last.number + 1),
        taken_at: context.clock.now(),
        streams: heads.len() as u64,
        commits: heads.values().map(|head| head.version.0).sum(),
        heads: digest_of(&heads),
        previous: last.map_or_else(|| "0".repeat(64), Checkpoint::digest),
    };
    let signed = Signed::new(checkpoint, &key, context.clock.new_id().to_string());
    checkpoints::keep(&context, &signed, &heads).await?;
    let text = serde_json::to_string_pretty(&signed)?;
    if let Some(out) = &arguments.out {
        std::fs::write(out, &text).with_context(|| format!("cannot write {}", out.display()))?;
    }
    println!("{text}");
    Ok(Verdict::Well)
}
