use std::{fmt, fs, thread};

use serde::Serialize;

use crate::apart;

/// On what was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    engine: &'static str,
    version: &'static str,
}

impl Machine {
    /// What Linux says of this machine.
    pub(crate) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kibibytes = field(&read("/proc/meminfo"), "MemTotal");
        let kibibytes = kibibytes.and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kibibytes.unwrap_or_default() / (1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            engine: if apart::is_wanted() {
                "dynoxide (SQLite in a file) in the same process as the load, on the first core, which nothing else uses"
            } else {
                "dynoxide (SQLite in a file) in the same process as the load, on the same cores as everything"
            },
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory_gib, kernel, engine, .. } = self;
        write!(f, "{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}. Engine: {engine}.")
    }
}
