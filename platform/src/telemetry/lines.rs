//! Logs: JSON, one line an event, on standard error.

use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, LevelFilter},
    fmt::format::FmtSpan,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{InstallError, recent::Recent, repeats::Repeats};

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_FILTER: &str =
    "info,aws_config=warn,aws_smithy_runtime=warn,hyper_util=warn,rustack_sqs_core=warn,dynoxide=error";

/// Logs from now on.
pub(super) fn install() -> Result<(), InstallError> {
    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_span_events(FmtSpan::NONE)
        .with_writer(std::io::stderr)
        .with_filter(wanted.and(Repeats));
    let recent = Recent.with_filter(LevelFilter::WARN);
    tracing_subscriber::registry().with(lines).with(recent).try_init().map_err(|_| InstallError::Twice)?;
    // The place is told, the message is not: it may quote what a request held.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a thread panicked");
    }));
    Ok(())
}
