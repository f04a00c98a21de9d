//! The engine on a core of its own, so that what it needs is not taken from what is measured.

use std::{fs, io::ErrorKind, sync::LazyLock, thread::available_parallelism};

use anyhow::ensure;
use rustix::{
    io::Errno,
    process::Pid,
    thread::{CpuSet, sched_setaffinity},
};

/// Says that the engine has the first core to itself, and everything else the others.
const APART: &str = "FIELDFUZE_BENCH_ENGINE_APART";

/// How the names of the engine's threads begin.
const ENGINE: &str = "dynamodb";

/// The machine's cores, counted before any thread is kept from some.
static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

/// Whether it is to be so.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(APART).is_some()
}

/// Gives all threads that there are their cores, if it is wanted. Those that come later, and processes, have them from
/// whoever starts them.
pub(crate) fn settle() -> anyhow::Result<()> {
    if !is_wanted() {
        return Ok(());
    }
    ensure!(*CORES > 1, "there is one core only");
    let (mut engine, mut others) = (CpuSet::new(), CpuSet::new());
    engine.set(0);
    (1..*CORES).for_each(|core| others.set(core));
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        // A thread may end at any time.
        let name = match fs::read_to_string(task.path().join("comm")) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            name => name?,
        };
        let id = task.file_name().to_str().and_then(|id| Pid::from_raw(id.parse().ok()?));
        match sched_setaffinity(id, if name.starts_with(ENGINE) { &engine } else { &others }) {
            Ok(()) | Err(Errno::SRCH) => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
