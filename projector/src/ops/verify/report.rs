use events::verify::{Finding, Verifier};
use serde_json::json;

use crate::ops::Verdict;

/// What a check came to.
#[derive(Debug, Default)]
pub(in crate::ops) struct Report {
    pub(super) commits: u64,
    pub(super) streams: u64,
    pub(super) checkpoints: u64,
    /// Commits that no checkpoint vouches for yet.
    pub(super) younger: u64,
    /// Carried states that were folded again.
    pub(super) states: Option<u64>,
    /// What was said on the way and is no fault.
    pub(super) notes: Vec<String>,
    pub(super) found: u64,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(in crate::ops) fn of(verifier: &Verifier) -> Self {
        Self {
            commits: verifier.commits(),
            streams: verifier.heads().len() as u64,
            found: verifier.found(),
            findings: verifier.findings().to_vec(),
            notes: unknown(verifier),
            ..Self::default()
        }
    }

    pub(in crate::ops) fn verdict(&self) -> Verdict {
        if self.found == 0 { Verdict::Well } else { Verdict::Wrong }
    }

    pub(in crate::ops) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            let findings: Vec<_> = self
                .findings
                .iter()
                .map(|finding| json!({ "place": finding.place, "wrong": finding.wrong.to_string() }))
                .collect();
            let report = json!({
                "commits": self.commits, "streams": self.streams, "checkpoints": self.checkpoints,
                "younger_commits": self.younger, "carried_states": self.states, "notes": self.notes,
                "found": self.found, "findings": findings,
            });
            println!("{}", serde_json::to_string_pretty(&report)?);
            return Ok(());
        }
        for finding in &self.findings {
            println!("{}: {}", finding.place, finding.wrong);
        }
        if self.found > self.findings.len() as u64 {
            println!("and {} more", self.found - self.findings.len() as u64);
        }
        for note in &self.notes {
            println!("note: {note}");
        }
        println!(
            "{} commits of {} streams, {} checkpoints; {} commits are younger than the last one",
            self.commits, self.streams, self.checkpoints, self.younger
        );
        if let Some(states) = self.states {
            println!("{states} carried states were folded again");
        }
        println!("{}", if self.found == 0 { "all is well".to_owned() } else { format!("{} wrong", self.found) });
        Ok(())
    }
}

fn unknown(verifier: &Verifier) -> Vec<String> {
    let unknown = verifier.unknown();
    let note = format!("{unknown} events are of types that this build cannot read: a later one may have written them");
    (unknown > 0).then_some(note).into_iter().collect()
}

/// Commits beyond what a checkpoint signed.
pub(super) fn younger(
    verifier: &Verifier,
    signed: &std::collections::HashMap<events::stream::StreamId, events::checkpoint::Head>,
) -> u64 {
    let beyond = verifier.heads().into_iter().map(|(stream, head)| {
        let signed = signed.get(&stream).map_or(0, |signed| signed.version.0);
        head.version.0.saturating_sub(signed)
    });
    beyond.sum()
}
