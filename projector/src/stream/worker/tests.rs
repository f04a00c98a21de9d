//! Whole readers over a scripted stream, in real time with short times.

use std::time::Duration;

use tokio::{
    task::JoinHandle,
    time::{interval, timeout},
};

use super::*;
use crate::stream::{
    Tally,
    lease::{Checkpoint, LEADER, Lease},
    scripted::{ARN, Script, after, created},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A third of it, after which a renewal is due, is longer than a test waits.
const A_LONG_TIME: Duration = Duration::from_mins(10);

struct Reader {
    worker: Worker<Script, Script, Script>,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Reader {
    fn start(script: &Script) -> Self {
        Self::with_lease_time(script, Duration::from_secs(1))
    }

    fn with_lease_time(script: &Script, lease_time: Duration) -> Self {
        let config = Config {
            poll: Duration::from_millis(2),
            lease_time,
            look: Duration::from_millis(10),
            hand_over_time: Duration::from_secs(5),
            survey: Duration::from_millis(50),
        };
        let worker = Worker::new(script.clone(), script.clone(), script.clone(), Clock::system(), config);
        let shutdown = Shutdown::new();
        let (running, until) = (worker.clone(), shutdown.clone());
        let task = tokio::spawn(async move { running.run(&until).await });
        Self { worker, shutdown, task }
    }

    fn me(&self) -> uuid::Uuid {
        self.worker.0.me
    }

    fn counted(&self, tally: Tally) -> u64 {
        self.worker.status().tallies.get(&tally).copied().unwrap_or_default()
    }

    async fn stop(self) {
        self.shutdown.begin();
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut look = interval(Duration::from_millis(2));
    let waiting = async {
        while !holds() {
            look.tick().await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}

fn sorted(script: &Script) -> Vec<u64> {
    let mut applied = script.world().applied.clone();
    applied.sort_unstable();
    applied
}

#[tokio::test]
async fn children_are_read_after_their_parents_and_everything_is_read() {
    let script = Script::new();
    script.shard("a", &["gone"], &[1, 2, 3]);
    script.shard("b", &["a"], &[4, 5]);
    script.shard("c", &["a"], &[6]);
    script.shard("d", &["b"], &[7]);
    for closed in ["a", "b"] {
        script.close(closed);
    }
    let reader = Reader::start(&script);
    until("all is applied", || script.world().applied.len() == 7).await;
    let applied = script.world().applied.clone();
    assert_eq!(applied[..3], [1, 2, 3]);
    assert_eq!(sorted(&script), [1, 2, 3, 4, 5, 6, 7]);
    until("the open shards are read to their tip", || reader.worker.status().is_ready()).await;
    assert_eq!(script.lease("a").unwrap().checkpoint, Checkpoint::End);
    assert_eq!(script.lease("d").unwrap().checkpoint, after(7));
    assert_eq!(script.world().caught_up, 1, "only what came before the first shard is unknown");
    reader.stop().await;
}

#[tokio::test]
async fn an_expired_iterator_goes_on_after_the_last_record() {
    let script = Script::new();
    script.shard("a", &[], &[1, 2, 3]);
    let reader = Reader::start(&script);
    until("the first are applied", || script.world().applied.len() == 3).await;
    script.world().age += 1;
    script.append("a", 4);
    until("the next is applied", || script.world().applied.len() == 4).await;
    assert_eq!(sorted(&script), [1, 2, 3, 4]);
    assert_eq!(reader.counted(Tally::Expired), 1);
    reader.stop().await;
}

#[tokio::test]
async fn trimmed_records_are_caught_up_from_the_log_before_reading_goes_on() {
    let script = Script::new();
    script.shard("a", &[], &[1, 2]);
    let reader = Reader::start(&script);
    until("the first are applied", || script.lease("a").is_some_and(|lease| lease.checkpoint == after(2))).await;
    reader.stop().await;
    let before = script.world().caught_up;
    for record in 3..=6 {
        script.append("a", record);
    }
    script.world().shards.get_mut("a").unwrap().trimmed = 4;
    let reader = Reader::start(&script);
    until("what is left is applied", || script.world().applied.ends_with(&[5, 6])).await;
    assert_eq!(script.world().caught_up, before + 1);
    assert_eq!((reader.counted(Tally::Trimmed), reader.counted(Tally::CaughtUp)), (1, 1));
    reader.stop().await;
}

#[tokio::test]
async fn a_batch_that_fails_comes_again_and_is_checkpointed_only_then() {
    let script = Script::new();
    script.world().batches_to_fail = 2;
    script.shard("a", &[], &[1, 2]);
    let reader = Reader::start(&script);
    until("the batch fails", || reader.counted(Tally::HandlerFailures) > 0).await;
    assert_eq!(script.lease("a").unwrap().checkpoint, Checkpoint::Start);
    until("the batch succeeds", || script.lease("a").is_some_and(|lease| lease.checkpoint == after(2))).await;
    assert_eq!(script.world().applied, [1, 2]);
    assert!(script.lease("a").unwrap().position_at >= Some(created(2)));
    reader.stop().await;
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let script = Script::new();
    script.world().throttled_calls = 2;
    script.shard("a", &[], &[1]);
    let reader = Reader::start(&script);
    until("the record is applied", || script.world().applied == [1]).await;
    assert_eq!(reader.counted(Tally::Throttled), 2);
    reader.stop().await;
}

#[tokio::test]
async fn a_shutdown_gives_up_every_lease_and_the_next_reader_goes_on_at_once() {
    let script = Script::new();
    script.shard("a", &[], &[1]);
    script.shard("b", &[], &[2]);
    let reader = Reader::start(&script);
    until("both are applied", || script.world().applied.len() == 2).await;
    until("it leads", || reader.worker.status().leading).await;
    reader.stop().await;
    for shard in ["a", "b", LEADER] {
        assert_eq!(script.lease(shard).unwrap().owner, None, "{shard}");
    }
    script.append("a", 3);
    let reader = Reader::start(&script);
    until("the next is applied", || script.world().applied.len() == 3).await;
    assert_eq!(sorted(&script), [1, 2, 3]);
    reader.stop().await;
}

#[tokio::test]
async fn a_second_reader_is_handed_half_of_the_shards() {
    let script = Script::new();
    for (shard, record) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        script.shard(shard, &[], &[record]);
    }
    let first = Reader::start(&script);
    until("the first has all", || script.owners().get(&first.me()) == Some(&4)).await;
    let second = Reader::start(&script);
    until("the second has half", || script.owners().get(&second.me()) == Some(&2)).await;
    for (shard, record) in [("a", 5), ("b", 6), ("c", 7), ("d", 8)] {
        script.append(shard, record);
    }
    until("all is applied", || script.world().applied.iter().filter(|record| **record > 4).count() == 4).await;
    assert_eq!(script.owners(), [(first.me(), 2), (second.me(), 2)].into());
    assert_eq!(first.counted(Tally::Lost), 0);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_reader_that_cannot_renew_stops_by_itself_and_begins_anew() {
    let script = Script::new();
    script.shard("a", &[], &[1]);
    let reader = Reader::start(&script);
    until("the first is applied", || script.world().applied == [1]).await;
    script.world().leases_down = true;
    until("the lease is lost", || reader.counted(Tally::Lost) == 1).await;
    script.append("a", 2);
    script.world().leases_down = false;
    until("the second is applied", || script.world().applied.contains(&2)).await;
    reader.stop().await;
}

#[tokio::test]
async fn the_lease_of_a_process_that_died_is_taken_over() {
    let script = Script::new();
    script.shard("a", &[], &[1]);
    let dead = Clock::system().new_id();
    let row = Lease::of_shard(ARN, "a", vec![], Some(Clock::system().now())).taken_by(dead);
    script.world().leases.insert(row.key(), row);
    let reader = Reader::start(&script);
    until("the lease is taken", || script.owners().contains_key(&reader.me())).await;
    until("the record is applied", || script.world().applied == [1]).await;
    reader.stop().await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_does_not_lose_the_lease() {
    let script = Script::new();
    script.shard("a", &[], &[1]);
    let reader = Reader::start(&script);
    until("the first is applied", || script.world().applied == [1]).await;
    script.world().lost_answers = 3;
    script.append("a", 2);
    until("the second is stored", || script.lease("a").is_some_and(|lease| lease.checkpoint == after(2))).await;
    until("the answers were lost", || script.world().lost_answers == 0).await;
    script.append("a", 3);
    until("the third is stored", || script.lease("a").is_some_and(|lease| lease.checkpoint == after(3))).await;
    assert_eq!(reader.counted(Tally::Lost), 0);
    assert_eq!(script.world().applied, [1, 2, 3]);
    reader.stop().await;
}

#[tokio::test]
async fn a_shard_that_vanished_is_caught_up_and_finished() {
    let script = Script::new();
    script.shard("a", &[], &[1]);
    let reader = Reader::start(&script);
    until("the first is applied", || script.world().applied == [1]).await;
    let before = script.world().caught_up;
    script.world().shards.remove("a");
    script.shard("b", &["a"], &[2]);
    until("its child is read", || script.world().applied == [1, 2]).await;
    assert_eq!(reader.counted(Tally::Vanished), 1);
    assert_eq!(script.world().caught_up, before + 1);
    until("its row is removed", || script.lease("a").is_none()).await;
    reader.stop().await;
}

#[tokio::test]
async fn another_stream_of_the_table_is_caught_up_and_followed() {
    let script = Script::new();
    script.shard("a", &[], &[1]);
    let reader = Reader::start(&script);
    until("the first is applied", || script.world().applied == [1]).await;
    let before = script.world().caught_up;
    {
        let mut world = script.world();
        world.stream = ARN.replace("stream/1", "stream/2");
        world.shards.clear();
    }
    script.shard("z", &[], &[2]);
    until("the other is read", || script.world().applied == [1, 2]).await;
    assert!(script.world().caught_up > before);
    until("the old rows are removed", || script.world().leases.keys().all(|key| !key.starts_with(ARN))).await;
    reader.stop().await;
}

#[tokio::test]
async fn the_handlers_plan_is_stated_by_who_holds_a_lease_and_by_who_takes_it() {
    let script = Script::new();
    script.shard("a", &[], &[1]);
    let reader = Reader::with_lease_time(&script, A_LONG_TIME);
    until("the first is applied", || script.world().applied == [1]).await;
    assert_eq!(script.lease("a").unwrap().plan, 0);
    // Nothing is read, and no renewal is due for long.
    script.world().plan = 3;
    until("the owner states the plan", || script.lease("a").unwrap().plan == 3).await;
    reader.stop().await;
    assert_eq!(script.lease("a").unwrap().plan, 3, "a lease that was released states the last owner's");
    script.world().plan = 4;
    let next = Reader::start(&script);
    until("the next owner has it", || script.owners().contains_key(&next.me())).await;
    assert_eq!(script.lease("a").unwrap().plan, 4, "whoever takes it states the plan at once");
    next.stop().await;
}
