//! `kill -9` at every step of the way of a message: each is sent at most once, none is stuck, and of what nobody can know it is
//! said that nobody knows.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream};
use projector::notify::Queues;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use tokio::{net::TcpListener, process::Child, time::Instant};

use crate::support::{
    ASK_EVERY, Client, MEASURING, SOON,
    gate::{Gate, Seen, Side},
    messages_to, new_user,
    parts::Parts,
    phone,
    store::context,
};

/// Users who are registered, each of whom gets one message.
const USERS: u32 = 12;

/// Which of the messages that a step is about everything stops at: some messages have passed it, some are under way, and
/// some have not begun.
const AT: usize = 4;

/// Until when everything has to stand where it stays. A lease of the shard ends after 10 s, a dispatcher's hold on a
/// notification after 20 s, and a message that it had in hand comes again after 60 s; then it is worked on. What Telnyx took,
/// and whose webhook nobody answered in time, is looked for two minutes after it became unknown. The rest is for a machine
/// that does all of this several times at once.
const SETTLED_WITHIN: Duration = Duration::from_mins(4);

/// Steps that are gone through at once: each is a world of its own, which mostly waits.
const AT_ONCE: usize = 5;

/// How often all of it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Projector,
    CommandApi,
}

/// What the victim asks, when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The log, to append an event of this type.
    Log(&'static str),
    /// Telnyx, to send.
    Telnyx,
    /// The queue, to delete a message.
    Queue,
}

/// A step of the way.
#[derive(Debug, Clone, Copy)]
struct Step {
    name: &'static str,
    victim: Victim,
    asked: Asked,
    side: Side,
    /// Whether a message can have been about to be sent of which nobody knows whether it was.
    unknown: bool,
}

const fn projector(name: &'static str, asked: Asked, side: Side, unknown: bool) -> Step {
    Step { name, victim: Victim::Projector, asked, side, unknown }
}

/// Every step. What reached Telnyx is told by its webhook or found in its records, whatever became of whoever sent it; so only
/// what was about to be sent and never was stays unknown.
const STEPS: [Step; 10] = [
    projector("before it is taken", Asked::Log("NotificationSending"), Side::Before, true),
    projector("after it is taken", Asked::Log("NotificationSending"), Side::After, true),
    projector("after the first byte", Asked::Telnyx, Side::Before, true),
    projector("after Telnyx has it, before the answer", Asked::Telnyx, Side::After, true),
    projector("after the answer, before the record", Asked::Log("NotificationAccepted"), Side::Before, true),
    projector("after the record", Asked::Log("NotificationAccepted"), Side::After, true),
    projector("before the message is deleted", Asked::Queue, Side::Before, true),
    projector("after the message is deleted", Asked::Queue, Side::After, true),
    Step {
        name: "in the webhook, before the record",
        victim: Victim::CommandApi,
        asked: Asked::Log("NotificationDelivered"),
        side: Side::Before,
        unknown: false,
    },
    Step {
        name: "in the webhook, after the record",
        victim: Victim::CommandApi,
        asked: Asked::Log("NotificationDelivered"),
        side: Side::After,
        unknown: false,
    },
];

impl Step {
    /// The gate at which it is stopped.
    fn target(self, parts: &Parts) -> String {
        match self.asked {
            Asked::Log(_) => parts.dynamodb_url(),
            Asked::Telnyx => parts.telnyx_url(),
            Asked::Queue => parts.sqs_url(),
        }
    }

    /// The variable that leads the victim there.
    const fn variable(self) -> &'static str {
        match self.asked {
            Asked::Log(_) => "AWS_ENDPOINT_URL_DYNAMODB",
            Asked::Telnyx => "FIELDFUZE_TELNYX_URL",
            Asked::Queue => "AWS_ENDPOINT_URL_SQS",
        }
    }

    /// How many messages a request is about at which the step is.
    fn count(self, seen: &Seen) -> usize {
        let operation = seen.headers.get("x-amz-target").and_then(|name| name.to_str().ok()).unwrap_or_default();
        match self.asked {
            Asked::Log(kind) => {
                let writes = operation.ends_with(".PutItem") || operation.ends_with(".TransactWriteItems");
                let type_of_it = format!("\\\"type\\\":\\\"{kind}\\\"");
                usize::from(writes && String::from_utf8_lossy(&seen.body).contains(&type_of_it))
            }
            Asked::Telnyx => usize::from(seen.method == Method::POST),
            Asked::Queue if operation.ends_with(".DeleteMessageBatch") => {
                let body: Value = serde_json::from_slice(&seen.body).unwrap();
                body["Entries"].as_array().map_or(0, Vec::len)
            }
            Asked::Queue => 0,
        }
    }
}

/// A command-api that takes the webhooks and can be killed.
struct Webhooks {
    address: std::net::SocketAddr,
    child: Option<Child>,
}

impl Webhooks {
    async fn start(parts: &Parts, around: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut webhooks = Self { address: listener.local_addr().unwrap(), child: None };
        drop(listener);
        webhooks.restart(parts, around).await;
        webhooks
    }

    async fn restart(&mut self, parts: &Parts, around: &[(&str, &str)]) {
        let mut command = parts.part("command-api");
        command.envs(around.iter().copied()).env("FIELDFUZE_COMMAND_API_LISTEN", self.address.to_string());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let client = Client::new(&self.url());
        let ready = async {
            while !client.request(Method::GET, "/readyz").send().await.is_ok_and(|answer| answer.status() == 200) {
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        tokio::time::timeout(SOON, ready).await.expect("command-api becomes ready");
    }

    async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// What became of the messages, once nothing moves any more: by user, how the notification stands and how many messages
/// Telnyx took.
async fn settled(
    parts: &Parts,
    queries: &Client,
    users: &BTreeMap<u32, String>,
    name: &str,
) -> BTreeMap<u32, (String, usize)> {
    let began = Instant::now();
    let context = context(&parts.settings()).await;
    let queues = Queues::find(context.aws.sqs.clone(), &context.names).await.unwrap();
    loop {
        let answer = queries.get("/v1/notifications?page_size=200").await.expect(200);
        let all = answer.body["items"].as_array().unwrap();
        let ended = |it: &Value| it["status"] == "delivered" || it["status"] == "unknown";
        let mut waiting = 0;
        for queue in &platform::tables::QUEUES {
            waiting += queues.backlog(queue.lane).await.unwrap();
        }
        let mut found = BTreeMap::new();
        for (number, id) in users {
            let sent = messages_to(&parts.telnyx_url(), &phone(*number)).await.len();
            let one = all.iter().find(|it| it["user_id"] == id.as_str());
            let status = one.map_or("missing", |it| it["status"].as_str().unwrap());
            found.insert(*number, (status.to_owned(), sent));
        }
        let told = found.values().all(|(status, sent)| status != "unknown" || *sent == 0);
        if all.len() == USERS as usize && all.iter().all(ended) && waiting == 0 && told {
            return found;
        }
        assert!(began.elapsed() < SETTLED_WITHIN, "{name}: {waiting} messages wait, and there are {found:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn killed_at(step: Step) {
    let parts = Parts::start().await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    let gate = Gate::before(step.target(&parts));
    let through_the_gate = [(step.variable(), &*gate.url())];
    let (around_projector, around_webhooks): (&[_], &[_]) = match step.victim {
        Victim::Projector => (&through_the_gate, &[]),
        Victim::CommandApi => (&[], &through_the_gate),
    };
    let mut webhooks = Webhooks::start(&parts, around_webhooks).await;
    let public_url = webhooks.url();
    let around_projector = [around_projector, &[("FIELDFUZE_PUBLIC_URL", &*public_url)]].concat();
    let dispatcher = parts.projector_around(&around_projector).await;

    let mut passed = 0;
    gate.shut_at(step.side, move |seen| {
        let before = passed;
        passed += step.count(seen);
        before < AT && passed >= AT
    });
    let mut users = BTreeMap::new();
    for number in 1..=USERS {
        users.insert(number, parts.commands.post("/v1/users", &new_user(number)).await.expect(201).text("id"));
    }
    gate.reached().await;
    let _again = match step.victim {
        Victim::Projector => {
            dispatcher.signal(Signal::KILL);
            dispatcher.ended().await;
            gate.open();
            parts.projector_around(&around_projector).await
        }
        Victim::CommandApi => {
            webhooks.kill().await;
            gate.open();
            webhooks.restart(&parts, around_webhooks).await;
            dispatcher
        }
    };
    let found = Box::pin(settled(&parts, &queries, &users, step.name)).await;
    check(step, &found, &queries).await;
    parts.stop().await;
}

async fn check(step: Step, found: &BTreeMap<u32, (String, usize)>, queries: &Client) {
    for (number, (status, sent)) in found {
        assert!(*sent <= 1, "{}: user {number} got {sent} messages", step.name);
        // What it never had is not said to have arrived.
        assert_eq!(status == "delivered", *sent == 1, "{}: {found:?}", step.name);
    }
    let unknown = found.values().filter(|(status, _)| status == "unknown").count();
    let listed = queries.get("/v1/notifications?status=unknown").await.expect(200);
    assert_eq!(listed.body["items"].as_array().unwrap().len(), unknown, "{}", step.name);
    assert!(step.unknown || unknown == 0, "{}: {found:?}", step.name);
    assert!(unknown < USERS as usize, "{}: {found:?}", step.name);
    println!("killed {}: {} delivered, {unknown} unknown", step.name, found.len() - unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_process_is_killed_no_message_is_sent_twice_and_none_is_stuck() {
    let _measuring = MEASURING.lock().await;
    let steps = stream::iter(STEPS).map(|step| tokio::spawn(killed_at(step))).buffer_unordered(AT_ONCE);
    steps.for_each(async |ended| ended.unwrap()).await;
}
