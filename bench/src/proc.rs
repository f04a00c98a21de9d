//! What the system tells of a process.

use std::process::Command;

use anyhow::Context;

/// Resident memory of a process now and at its highest, in MB (10^6 bytes), as `/proc/<pid>/status` tells it (`VmRSS`,
/// `VmHWM`).
pub(crate) fn memory(process: u32) -> anyhow::Result<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let of = |name: &str| -> anyhow::Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kibibytes: f64 = line.trim_matches([':', '\t', ' ', 'k', 'B']).parse()?;
        Ok(kibibytes * 1024.0 / 1e6)
    };
    Ok((of("VmRSS")?, of("VmHWM")?))
}

/// User and system time of a process so far, in seconds.
pub(crate) fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_the_name = stat.rsplit_once(')').context("no name")?.1;
    let field = |at: usize| -> anyhow::Result<f64> {
        Ok(after_the_name.split_whitespace().nth(at).context("no field")?.parse()?)
    };
    let ticks = Command::new("getconf").arg("CLK_TCK").output()?.stdout;
    let ticks: f64 = String::from_utf8(ticks)?.trim().parse()?;
    Ok((field(11)? + field(12)?) / ticks)
}
