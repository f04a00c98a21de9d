use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use events::notification::Lane;
use platform::store::StoreError;
use tokio::sync::oneshot;

use super::{failed, plan::Verdict};

/// Most messages that are let through with one write of the plan.
const BATCH: usize = 256;

/// Lanes, most urgent first.
const LANES: [Lane; 3] = [Lane::Code, Lane::Transactional, Lane::Bulk];

/// Somebody who waits to be let through.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) segments: u32,
    pub(super) answer: oneshot::Sender<Result<Verdict, StoreError>>,
}

/// Those of one process who wait, each lane in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue([VecDeque<Waiting>; LANES.len()]);

impl Queue {
    pub(super) fn add(&mut self, lane: Lane, waiting: Waiting) {
        let place = LANES.iter().position(|known| *known == lane).unwrap_or(LANES.len() - 1);
        self.0[place].push_back(waiting);
    }

    /// Takes out who does not wait any more.
    pub(super) fn forget_the_gone(&mut self) {
        for lane in &mut self.0 {
            lane.retain(|waiting| !waiting.answer.is_closed());
        }
    }

    /// The verdicts on the first ones, in their order, up to the first whose turn it is not yet.
    pub(super) fn judge(&self, mut admit: impl FnMut(Lane, u32) -> Verdict) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let lanes = LANES.iter().zip(&self.0);
        let all = lanes.flat_map(|(lane, waiting)| waiting.iter().map(|waiting| (*lane, waiting.segments)));
        for (lane, segments) in all.take(BATCH) {
            let verdict = admit(lane, segments);
            let wait = matches!(verdict, Verdict::Ask(_));
            verdicts.push(verdict);
            if wait {
                break;
            }
        }
        verdicts
    }

    /// Tells the first ones their verdicts. Gives when to ask for the next one, if anybody waits still.
    pub(super) fn answer(&mut self, verdicts: Vec<Verdict>) -> Option<DateTime<Utc>> {
        for verdict in verdicts {
            if let Verdict::Ask(at) = verdict {
                return Some(at);
            }
            if let Some(waiting) = self.0.iter_mut().find_map(VecDeque::pop_front) {
                // Who went away meanwhile leaves a gap in the plan, no more.
                let _ = waiting.answer.send(Ok(verdict));
            }
        }
        let more = self.0.iter().any(|lane| !lane.is_empty());
        more.then_some(DateTime::UNIX_EPOCH)
    }

    /// Tells everybody that it did not work.
    pub(super) fn refuse_all(&mut self) {
        for waiting in self.0.iter_mut().flat_map(|lane| lane.drain(..)) {
            let _ = waiting.answer.send(Err(failed("pacing")));
        }
    }
}
