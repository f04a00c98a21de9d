//! Whoever passes the token that a write returned never reads an older state, whatever the projector and the indexes
//! are at.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::support::{ASK_EVERY, Answer, Client, PASSWORD, SOON, new_user, parts::Parts, stale_index::StaleIndex};

/// Clients that write and read at once.
const CLIENTS: u32 = 3;

/// Rounds of all clients together in each phase.
const ROUNDS: u64 = 9;

/// Most tokens of one request, by the API's own rule.
const TOKENS: usize = 8;

/// Rows of a page: few, so that the lists have several pages.
const PAGE: usize = 10;

/// What every call of a slowed projector waits.
const SLOW: Duration = Duration::from_millis(60);

/// How far the indexes are behind where they are behind.
const BEHIND: Duration = Duration::from_millis(500);

/// Clients that go on writing and reading.
struct Hammer {
    rounds: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Written>>>,
}

/// The last answer to a write, and where it is read.
#[derive(Debug, Clone)]
struct Written {
    list: &'static str,
    token: String,
    body: Value,
}

impl Written {
    fn of(list: &'static str, answer: Answer) -> Self {
        Self { list, token: answer.header("consistency-token").to_owned(), body: answer.body }
    }

    fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }

    fn path(&self) -> String {
        format!("{}/{}", self.list, self.id())
    }
}

impl Hammer {
    fn start(commands: &Client, queries: &Client) -> Self {
        let (rounds, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let clients = (0..CLIENTS).map(|number| {
            let (commands, queries) = (commands.clone(), queries.clone());
            let (rounds, stop) = (Arc::clone(&rounds), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut one = One::start(number, commands, queries).await;
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    one.round(round).await;
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
                one.written.into()
            })
        });
        Self { clients: clients.collect(), rounds, stop }
    }

    /// Waits until the clients have done so many rounds more.
    async fn more(&self, rounds: u64) {
        let wanted = self.rounds.load(Ordering::Relaxed) + rounds;
        let (mut done, mut deadline) = (0, Instant::now() + SOON);
        while done < wanted {
            assert!(self.clients.iter().all(|client| !client.is_finished()), "a client read an older state");
            let now = self.rounds.load(Ordering::Relaxed);
            if now > done {
                (done, deadline) = (now, Instant::now() + SOON);
            }
            assert!(Instant::now() < deadline, "the clients do not go on");
            sleep(ASK_EVERY).await;
        }
    }

    /// Ends the clients; the read models then come to what was written last.
    async fn settle(self, queries: &Client) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            for written in client.await.unwrap() {
                queries.get_until(&written.path(), |answer| answer.body == written.body).await;
            }
        }
    }
}

/// One client, the only one that writes its user, its roles and the users that it creates.
struct One {
    number: u32,
    commands: Client,
    queries: Client,
    /// As the client's own user.
    myself: Client,
    me: String,
    role: String,
    /// The last user that it created.
    created: Option<String>,
    /// How many lists it has read.
    lists: usize,
    /// The last writes, each stream once, no more than a request may name.
    written: VecDeque<Written>,
}

impl One {
    async fn start(number: u32, commands: Client, queries: Client) -> Self {
        let mut user = new_user(number);
        user["password"] = PASSWORD.into();
        let user = commands.post("/v1/users", &user).await.expect(201);
        let signed_in = commands.sign_in(&format!("person{number}"), PASSWORD).await;
        let myself = queries.with_token(signed_in.token());
        let role = json!({ "name": format!("Role {number}"), "level": 1, "permissions": ["users:read"] });
        let role = commands.post("/v1/roles", &role).await.expect(201);
        let (me, role) = (format!("/v1/users/{}", user.text("id")), format!("/v1/roles/{}", role.text("id")));
        Self { number, commands, queries, myself, me, role, created: None, lists: 0, written: VecDeque::new() }
    }

    async fn round(&mut self, round: u32) {
        let changed = self.commands.patch(&self.me, "*", &json!({ "first_name": format!("Ada {round}") })).await;
        let changed = self.read_back(Written::of("/v1/users", changed.expect(200))).await;
        let me = self.myself.get_since("/v1/me", &changed.token).await.expect(200);
        assert_eq!(me.body, changed.body);

        let changed = self.commands.patch(&self.role, "*", &json!({ "description": format!("as of {round}") })).await;
        self.read_back(Written::of("/v1/roles", changed.expect(200))).await;

        let number = CLIENTS + round * CLIENTS + self.number;
        if round.is_multiple_of(2) {
            let created = self.commands.post("/v1/users", &new_user(number)).await;
            let created = self.read_back(Written::of("/v1/users", created.expect(201))).await;
            let assigned = self.commands.put(&self.assignment(&created.path())).await;
            self.read_back(Written::of("/v1/users", assigned.expect(200))).await;
            self.created = Some(created.path());
        } else {
            // Out of one list and into another, and out of a list altogether.
            if let Some(created) = self.created.take() {
                let reason = json!({ "reason": "on leave" });
                let suspended = self.commands.post(&format!("{created}/suspend"), &reason).await;
                self.read_back(Written::of("/v1/users", suspended.expect(200))).await;
                let removed = self.commands.delete(&self.assignment(&created), "*").await;
                self.read_back(Written::of("/v1/users", removed.expect(200))).await;
            }
            let role = json!({ "name": format!("Role {number}"), "level": 2, "permissions": ["roles:read"] });
            let created = self.commands.post("/v1/roles", &role).await;
            self.read_back(Written::of("/v1/roles", created.expect(201))).await;
        }
    }

    /// Reads what was just written, by its id and in the list, and everything else that was written lately with it.
    async fn read_back(&mut self, written: Written) -> Written {
        let read = self.queries.get_since(&written.path(), &written.token).await.expect(200);
        assert_eq!(read.body, written.body);
        self.written.retain(|other| other.id() != written.id());
        self.written.push_back(written.clone());
        if self.written.len() > TOKENS {
            self.written.pop_front();
        }
        let tokens: Vec<&str> = self.written.iter().map(|written| written.token.as_str()).collect();
        let tokens = tokens.join(",");
        let listed = self.list(written.list, &tokens).await;
        let ids: BTreeSet<String> = listed.iter().map(|item| item["id"].to_string()).collect();
        assert_eq!(ids.len(), listed.len(), "something is listed twice");
        self.are_in(written.list, &listed, |_| true);
        if written.list == "/v1/users" {
            self.lists += 1;
            let (narrower, is_in) = self.narrower(self.lists);
            let listed = self.list(&format!("{}?{narrower}", written.list), &tokens).await;
            self.are_in(written.list, &listed, is_in);
        }
        written
    }

    /// Each that was written lately and belongs in a list stands in it once, as it was written, and no other one. Whom others
    /// rename meanwhile may stand in it twice.
    fn are_in(&self, list: &str, listed: &[Value], is_in: impl Fn(&Value) -> bool) {
        for expected in self.written.iter().filter(|other| other.list == list) {
            let shown: Vec<&Value> = listed.iter().filter(|item| item["id"] == expected.id()).collect();
            let wanted: Vec<&Value> = Some(&expected.body).filter(|body| is_in(body)).into_iter().collect();
            assert_eq!(shown, wanted);
        }
    }

    /// One of the narrower or otherwise ordered lists of users, and who is in it.
    fn narrower(&self, turn: usize) -> (String, impl Fn(&Value) -> bool) {
        let role = self.role.rsplit('/').next().unwrap_or_default().to_owned();
        let lists = ["sort=name", "status=active&sort=name", "status=invited", "status=suspended&sort=name"];
        let by_role = [format!("role_id={role}"), format!("role_id={role}&sort=name")];
        let lists: Vec<String> = lists.into_iter().map(str::to_owned).chain(by_role).collect();
        let list = lists[turn % lists.len()].clone();
        let status = list.strip_prefix("status=").and_then(|rest| rest.split('&').next()).map(str::to_owned);
        let role = list.starts_with("role_id=").then_some(role);
        let is_in = move |user: &Value| {
            let holds = |role: &String| user["roles"].as_array().unwrap().iter().any(|held| held["role_id"] == *role);
            status.as_ref().is_none_or(|status| user["status"] == *status) && role.as_ref().is_none_or(holds)
        };
        (list, is_in)
    }

    /// The path of a user's holding of this client's role.
    fn assignment(&self, user: &str) -> String {
        format!("{user}{}", self.role.replace("/v1", ""))
    }

    /// All pages of a list.
    async fn list(&self, list: &str, tokens: &str) -> Vec<Value> {
        let (mut items, mut next) = (Vec::new(), String::new());
        let between = if list.contains('?') { '&' } else { '?' };
        loop {
            let page = format!("{list}{between}page_size={PAGE}&page_token={next}");
            let page = self.queries.get_since(&page, tokens).await.expect(200);
            items.extend(page.body["items"].as_array().unwrap().iter().cloned());
            match page.body["next_page_token"].as_str() {
                Some(token) => token.clone_into(&mut next),
                None => return items,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_read_at_once_while_the_projector_runs_stands_still_is_slow_and_dies() {
    let parts = Parts::start().await;
    let line = StaleIndex::start(parts.dynamodb_url(), Duration::ZERO).await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    let projector = parts.projector(&line.url, &line.url).await;
    let probe = parts.new_role("Probe").await;
    queries.get_until(&probe, |answer| answer.status.is_success()).await;
    let hammer = Hammer::start(&parts.commands, &queries);
    hammer.more(ROUNDS).await;

    projector.signal(Signal::STOP);
    let token = change(&parts, &probe, "while it stands still").await;
    hammer.more(ROUNDS).await;
    assert_eq!(queries.get(&probe).await.expect(200).body["version"], 1, "without the token it is the row's state");
    assert_eq!(queries.get_since(&probe, &token).await.expect(200).body["version"], 2);
    projector.signal(Signal::CONT);
    queries.get_until(&probe, |answer| answer.body["version"] == 2).await;

    line.delay(SLOW);
    hammer.more(ROUNDS).await;
    line.delay(Duration::ZERO);

    projector.signal(Signal::KILL);
    assert!(!projector.ended().await);
    change(&parts, &probe, "while there is none").await;
    hammer.more(ROUNDS).await;
    assert_eq!(queries.get(&probe).await.expect(200).body["version"], 2, "nobody projects");
    let _projector = parts.plain_projector().await;
    queries.get_until(&probe, |answer| answer.body["version"] == 3).await;
    hammer.more(ROUNDS).await;
    hammer.settle(&queries).await;
    parts.stop().await;
}

async fn change(parts: &Parts, role: &str, description: &str) -> String {
    let changed = parts.commands.patch(role, "*", &json!({ "description": description })).await.expect(200);
    changed.header("consistency-token").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_shows_what_was_written_although_its_index_is_behind() {
    let parts = Parts::start().await;
    let line = StaleIndex::start(parts.dynamodb_url(), BEHIND).await;
    let queries = parts.query_api(&line.url).await;
    let _projector = parts.projector(&line.url, &parts.dynamodb_url()).await;
    let hammer = Hammer::start(&parts.commands, &queries);
    hammer.more(2 * ROUNDS).await;
    line.delay(SLOW / 4);
    hammer.more(ROUNDS).await;
    line.delay(Duration::ZERO);
    hammer.settle(&queries).await;
    assert!(line.hidden() > 0, "no index was ever behind");
    assert!(line.former() > 0, "nothing was ever shown where it had been");
    parts.stop().await;
}
