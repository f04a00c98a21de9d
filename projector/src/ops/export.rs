use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::{Context as _, ensure};
use aws_lc_rs::signature::KeyPair;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use events::checkpoint::line;
use platform::settings::Settings;

use super::{
    Verdict,
    archive::{Counts, FORMAT, Line},
    checkpoints::{self, Checkpoints},
    connect,
    scan::scan,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// The file to write; it must not exist.
    #[arg(long)]
    out: PathBuf,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let (context, secrets) = connect(&arguments.settings).await?;
    let checkpoint_key = BASE64.encode(secrets.checkpoints()?.public_key().as_ref());
    let Checkpoints { signed, unreadable } = checkpoints::load(&context).await?;
    ensure!(unreadable.is_empty(), "a checkpoint cannot be read: see what `verify` says");
    // Names of people are sealed in it, what roles are called and who did what when is not.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&arguments.out);
    let file = file.with_context(|| format!("cannot create {}", arguments.out.display()))?;
    let mut out = BufWriter::new(file);
    let mut write = |line: &Line| -> anyhow::Result<()> {
        serde_json::to_writer(&mut out, line)?;
        Ok(out.write_all(b"\n")?)
    };
    write(&Line::Made { format: FORMAT.to_owned(), at: context.clock.now(), checkpoint_key })?;
    let mut counts = Counts { checkpoints: signed.len() as u64, ..Counts::default() };
    for signed in &signed {
        write(&Line::Checkpoint(signed.clone()))?;
    }
    if let Some(last) = signed.last() {
        for (stream, head) in checkpoints::heads(&context, last).await? {
            counts.heads += 1;
            write(&Line::Head(line(stream, head)))?;
        }
    }
    scan(&context, "exporting", |_, page| {
        counts.commits += page.len() as u64;
        page.into_iter().try_for_each(|text| write(&Line::Commit(text)))
    })
    .await?;
    write(&Line::End(counts))?;
    out.into_inner()?.sync_all()?;
    let Counts { commits, checkpoints, .. } = counts;
    println!("exported {commits} commits and {checkpoints} checkpoints to {}", arguments.out.display());
    Ok(Verdict::Well)
}
