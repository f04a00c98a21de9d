use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::Context as _;
use aws_lc_rs::signature::KeyPair;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use events::checkpoint::line;
use platform::settings::Settings;

use super::{
    Verdict,
    archive::{FORMAT, Line},
    checkpoints, connect,
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
    let file =
        File::create_new(&arguments.out).with_context(|| format!("cannot create {}", arguments.out.display()))?;
    let mut out = BufWriter::new(file);
    let mut write = |line: &Line| -> anyhow::Result<()> {
        serde_json::to_writer(&mut out, line)?;
        Ok(out.write_all(b"\n")?)
    };
    let checkpoint_key = BASE64.encode(secrets.checkpoints()?.public_key().as_ref());
    write(&Line::Made { format: FORMAT.to_owned(), at: context.clock.now(), checkpoint_key })?;
    let signed = checkpoints::load(&context).await?;
    for signed in &signed {
        write(&Line::Checkpoint(signed.clone()))?;
    }
    if let Some(last) = signed.last() {
        for (stream, head) in checkpoints::heads(&context, last).await? {
            write(&Line::Head(line(stream, head)))?;
        }
    }
    let mut commits = 0;
    scan(&context, "exporting", |_, page| {
        commits += page.len() as u64;
        page.into_iter().try_for_each(|text| write(&Line::Commit(text)))
    })
    .await?;
    write(&Line::End { commits })?;
    out.into_inner()?.sync_all()?;
    println!("exported {commits} commits and {} checkpoints to {}", signed.len(), arguments.out.display());
    Ok(Verdict::Well)
}
