//! How long the feed pauses when the reader of the log's shard ends, told and untold, with real processes.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{
    ASK_EVERY, Client, MEASURING, SOON, engine, feed_watch::FeedWatch, messages_to, new_user, parts::Parts, phone,
    projector::Projector,
};

/// The feed is watched for so long before each try, for what it is like without one.
const STEADY: Duration = Duration::from_secs(2);

/// The median of the tries on a machine that does nothing else. Told to end, an owner finishes its batch and lets go; the
/// next one looks within half a second, and what is left is for the lease's write, an iterator and a page. The longest gap
/// of the steady feed (a polling interval, and whatever else the machine is busy with) is not counted.
const PAUSE_WHEN_TOLD: Duration = Duration::from_secs(1);

/// Every try: the lease time and a second for the look that saw the lease move last, the one that takes it, and the first
/// page.
const PAUSE_WHEN_KILLED: Duration = Duration::from_secs(10 + 1);

/// What a machine that is busy with other tests may add to either, beyond its longest gap while the feed was steady.
const BUSY: Duration = Duration::from_millis(1_500);

/// Projectors at work while a role changes every few milliseconds.
struct Shift {
    parts: Parts,
    queries: Client,
    projectors: Vec<Projector>,
    /// Those that were told to end.
    ending: Vec<Projector>,
    watch: FeedWatch,
    role: String,
    /// By their numbers.
    users: Vec<(u32, String)>,
}

impl Shift {
    async fn start(projectors: usize) -> Self {
        let parts = Parts::start().await;
        let queries = parts.query_api(&parts.dynamodb_url()).await;
        let role = parts.new_role("Changing").await;
        let watch = FeedWatch::start(&parts.commands, &queries, &role);
        let mut shift =
            Self { parts, queries, projectors: Vec::new(), ending: Vec::new(), watch, role, users: Vec::new() };
        for _ in 0..projectors {
            shift.join().await;
        }
        // The first user is slow to register: command-api loads the numbering plans. The other ones come just before
        // each try.
        shift.register().await;
        shift
    }

    async fn register(&mut self) {
        let number = u32::try_from(self.users.len()).unwrap();
        let created = self.parts.commands.post("/v1/users", &new_user(number)).await.expect(201);
        self.users.push((number, created.text("id")));
    }

    async fn join(&mut self) {
        self.projectors.push(self.parts.plain_projector().await);
    }

    /// Signals the owner of the shard, and gives how long the feed paused until another one went on.
    async fn signal_the_owner(&mut self, signal: Signal) -> Duration {
        self.watch.caught_up().await;
        sleep(STEADY).await;
        self.register().await;
        let owner = self.parts.owner().await.expect("somebody reads");
        let place = self.projectors.iter().position(|projector| projector.worker == owner).expect("one of ours");
        let owner = self.projectors.swap_remove(place);

        let told = Instant::now();
        let steady = self.watch.longest_gap(told - STEADY, told);
        owner.signal(signal);
        loop {
            let now = self.parts.owner().await;
            if now.is_some_and(|now| now != owner.worker) {
                break;
            }
            assert!(told.elapsed() < SOON, "nobody went on");
            sleep(ASK_EVERY).await;
        }
        self.watch.more(3).await;
        let gap = self.watch.longest_gap(told, Instant::now());
        println!("{signal:?}: a gap of {gap:?}, {steady:?} while steady; {} projectors left", self.projectors.len());
        if signal == Signal::TERM {
            self.ending.push(owner);
        }
        gap.saturating_sub(steady)
    }

    /// Ends, if every change was projected once and every user has one notification.
    async fn nothing_is_missing_or_doubled(self) {
        for former in self.ending {
            assert!(former.ended().await, "a projector that is told to end ends well");
        }
        let written = self.watch.stop().await;
        self.queries.get_until(&self.role, |answer| answer.body["version"] == written).await;
        for (_, id) in &self.users {
            self.queries.get_until(&format!("/v1/users/{id}"), |answer| answer.status.is_success()).await;
        }
        let stream = self.role.replace("/v1/roles/", "role#");
        let mut shown: BTreeMap<u64, usize> = BTreeMap::new();
        for row in engine::items(&self.parts.dynamodb, "audit").await {
            if row["stream"] == AttributeValue::S(stream.clone()) {
                *shown.entry(row["version"].as_n().unwrap().parse().unwrap()).or_default() += 1;
            }
        }
        assert!(shown.keys().copied().eq(1..=written), "{written} changes, {} of them in the feed", shown.len());
        assert!(shown.values().all(|count| *count == 1), "{shown:?}");

        let wanted = self.users.len();
        let notified = |items: &[Value]| {
            let mut users: Vec<String> = items.iter().map(|item| item["user_id"].to_string()).collect();
            users.sort();
            users.windows(2).all(|pair| pair[0] != pair[1]) && users.len() == wanted
        };
        self.queries
            .get_until("/v1/notifications?page_size=200", |answer| notified(answer.body["items"].as_array().unwrap()))
            .await;
        for (number, _) in &self.users {
            let messages = messages_to(&self.parts.telnyx_url(), &phone(*number)).await;
            assert!(messages.len() <= 1, "{messages:?}");
        }
        self.parts.stop().await;
    }
}

fn median(mut pauses: Vec<Duration>) -> Duration {
    pauses.sort_unstable();
    pauses[pauses.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_projectors_hand_the_feed_over_within_a_second_and_after_a_kill_within_the_lease_time_and_a_look() {
    let _measuring = MEASURING.lock().await;
    let mut shift = Shift::start(2).await;
    let mut pauses = Vec::new();
    for _ in 0..5 {
        pauses.push(shift.signal_the_owner(Signal::TERM).await);
        shift.join().await;
    }
    assert!(median(pauses.clone()) < PAUSE_WHEN_TOLD + BUSY, "{pauses:?}");
    for _ in 0..2 {
        let pause = shift.signal_the_owner(Signal::KILL).await;
        assert!(pause < PAUSE_WHEN_KILLED + BUSY, "{pause:?}");
        shift.join().await;
    }
    shift.nothing_is_missing_or_doubled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_projectors_on_one_shard_one_reads_and_the_others_go_on_one_after_the_other() {
    let _measuring = MEASURING.lock().await;
    let mut shift = Shift::start(8).await;
    let owner = shift.parts.owner().await;
    let until = Instant::now() + STEADY;
    while Instant::now() < until {
        assert_eq!(shift.parts.owner().await, owner, "nobody takes what somebody reads");
        sleep(ASK_EVERY).await;
    }
    let mut pauses = Vec::new();
    for _ in 0..5 {
        pauses.push(shift.signal_the_owner(Signal::TERM).await);
    }
    assert!(median(pauses.clone()) < PAUSE_WHEN_TOLD + BUSY, "{pauses:?}");
    let pause = shift.signal_the_owner(Signal::KILL).await;
    assert!(pause < PAUSE_WHEN_KILLED + BUSY, "{pause:?}");
    shift.nothing_is_missing_or_doubled().await;
}
