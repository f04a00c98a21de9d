//! Random commands from several clients, through lost answers and crashes: the log is what a plain model says.

mod compare;
mod person;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use events::ids::derive;
use fastrand::Rng;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use self::person::{Op, Person};
use crate::support::{Answer, Client, SOON, behind::Behind, faults::Fault, new_user};

/// Runs of the test; a failure says which one it was.
const SEEDS: [u64; 2] = [1, 20_260];

const CLIENTS: usize = 4;

/// Commands of each client. With the few users there are they meet, and stay within the window of repeats.
const COMMANDS: usize = 30;

/// Users that may be created, and so unique values that there are to be had.
const PEOPLE: u32 = 5;

/// How often command-api crashes in a run.
const CRASHES: usize = 2;

/// Calls of the engine that fail in a row, now and then: more than its client tries.
const BURST: u32 = 12;

/// A request: what is asked of whom, and the key under which it is asked until there is an answer.
#[derive(Debug, Clone)]
struct Asked {
    op: Op,
    user: String,
    key: String,
}

/// A request that was carried out, or whose effect was there already.
#[derive(Debug, Clone)]
struct Done {
    asked: Asked,
    user: String,
    version: u64,
    person: Person,
}

/// What all clients share.
#[derive(Debug, Default)]
struct Ledger {
    users: Vec<String>,
    done: Vec<Done>,
    refused: Vec<String>,
    repeated: usize,
}

/// Names what a request is recorded under.
fn correlation(key: &str) -> String {
    derive(&[key]).to_string()
}

async fn ask(api: &Client, asked: &Asked) -> Answer {
    let user = format!("/v1/users/{}", asked.user);
    let patch = |body: Value| api.request(Method::PATCH, &user).header("if-match", "*").json(&body);
    let reasoned =
        |what: &str| api.request(Method::POST, &format!("{user}/{what}")).json(&json!({ "reason": "a test" }));
    let role = |method: Method, role: &str| api.request(method, &format!("{user}/roles/{role}"));
    loop {
        let request = match &asked.op {
            Op::Create(number) => api.request(Method::POST, "/v1/users").json(&new_user(*number)),
            Op::Rename(name) => patch(json!({ "first_name": name })),
            Op::Address(email) => patch(json!({ "email": email })),
            Op::Username(username) => patch(json!({ "username": username })),
            Op::Both(email, username) => patch(json!({ "email": email, "username": username })),
            Op::Suspend => reasoned("suspend"),
            Op::Reactivate => reasoned("reactivate"),
            Op::Assign(id) => role(Method::PUT, id),
            Op::Revoke(id) => role(Method::DELETE, id),
        };
        let request = request.header("idempotency-key", &asked.key);
        let request = request.header("x-correlation-id", correlation(&asked.key));
        // No answer, or one that says to come again: the outcome is unknown, and the key settles it.
        if let Some(answer) = attempt(request).await
            && answer.status.as_u16() != 503
        {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn attempt(request: reqwest::RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.ok()?).unwrap_or(Value::Null);
    Some(Answer { status, headers, body })
}

fn choose(rng: &mut Rng, users: &[String], roles: &[String]) -> (Op, String) {
    let mut number = || rng.u32(0..PEOPLE);
    let (first, second) = (number(), number());
    let email = |number: u32| format!("person{number}@example.com");
    let user = rng.choice(users).cloned();
    let role = rng.choice(roles).unwrap().clone();
    let Some(user) = user.filter(|_| rng.u32(0..8) > 0) else { return (Op::Create(first), String::new()) };
    // A user name may be anybody's address: both are one namespace.
    let username = if rng.bool() { email(second) } else { format!("person{second}") };
    let op = match rng.u32(0..10) {
        0..=2 => Op::Rename(format!("Ada the {}", rng.u32(0..4))),
        3 => Op::Address(email(first)),
        4 => Op::Username(username),
        5 => Op::Both(email(first), username),
        6 => Op::Suspend,
        7 => Op::Reactivate,
        8 => Op::Assign(role),
        _ => Op::Revoke(role),
    };
    (op, user)
}

async fn run_client(api: Client, seed: u64, client: usize, roles: Vec<String>, ledger: Arc<Mutex<Ledger>>) {
    let mut rng = Rng::with_seed(seed.wrapping_mul(1000) + client as u64);
    let mut last: Option<(Asked, Done)> = None;
    for number in 0..COMMANDS {
        let users = ledger.lock().unwrap().users.clone();
        if let Some((asked, done)) = last.take_if(|_| rng.u32(0..4) == 0) {
            let answer = ask(&api, &asked).await;
            let again = told(&asked, &answer);
            let replayed = answer.header("idempotent-replayed") == "true";
            match again {
                Some(again) if replayed && again.version == done.version => {
                    assert_eq!(again.person, done.person, "{asked:?}");
                    ledger.lock().unwrap().repeated += 1;
                }
                // The first answer had no effect, and so nothing by which to be known: this one may have had one, even
                // twice asked for. That there are not two commits under one key is found when all is compared.
                Some(again) => ledger.lock().unwrap().done.push(again),
                None => assert!(!replayed, "{asked:?} was done and is now refused: {}", answer.body),
            }
            continue;
        }
        let (op, user) = choose(&mut rng, &users, &roles);
        let asked = Asked { op, user, key: format!("{seed}-{client}-{number}") };
        let answer = ask(&api, &asked).await;
        let mut ledger = ledger.lock().unwrap();
        match told(&asked, &answer) {
            Some(done) => {
                if matches!(asked.op, Op::Create(_)) {
                    ledger.users.push(done.user.clone());
                }
                ledger.done.push(done.clone());
                last = Some((asked, done));
            }
            None => ledger.refused.push(asked.key),
        }
    }
}

/// What an answer says; nothing when the request was refused.
fn told(asked: &Asked, answer: &Answer) -> Option<Done> {
    match answer.status.as_u16() {
        200 | 201 => Some(Done {
            asked: asked.clone(),
            user: answer.text("id"),
            version: answer.header("etag").trim_matches('"').parse().unwrap(),
            person: Person::read(&answer.body),
        }),
        409 => None,
        status => panic!("{asked:?}: {status} {}", answer.body),
    }
}

/// Loses and cuts calls at random, now and then all of them for a while; answers reads from a copy that is behind.
fn spoil(behind: &Behind, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut burst = (0, Fault::CutAfter);
    behind.commands.choose(move |call| {
        if call.table == "rights" {
            return None;
        }
        let mut fault = || match rng.u32(0..5) {
            0 => Fault::CutBefore,
            1 => Fault::Broken,
            2 => Fault::Refuse("ThrottlingException"),
            _ => Fault::CutAfter,
        };
        if burst.0 > 0 {
            burst.0 -= 1;
            return Some(burst.1);
        }
        let fault = fault();
        match rng.u32(0..60) {
            0 => {
                burst = (BURST, fault);
                Some(fault)
            }
            1..=6 => Some(fault),
            // Every third read that is content with a copy.
            7..=26 if call.eventual => Some(Fault::Behind),
            _ => None,
        }
    });
}

/// Says which run failed.
struct Run(u64);

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.0);
        }
    }
}

#[tokio::test]
async fn the_log_is_what_a_plain_model_says_whatever_is_lost() {
    for seed in SEEDS {
        let run = Run(seed);
        let mut behind = Behind::start().await;
        let mut roles = Vec::new();
        for name in ["Dispatcher", "Planner"] {
            let role = json!({ "name": name, "level": 1, "permissions": ["users:read"] });
            roles.push(behind.command_api.post("/v1/roles", &role).await.expect(201).text("id"));
        }
        spoil(&behind, seed);
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let clients = (0..CLIENTS).map(|client| {
            tokio::spawn(run_client(behind.command_api.clone(), seed, client, roles.clone(), Arc::clone(&ledger)))
        });
        let clients = join_all(clients.collect::<Vec<_>>());
        let crashing = async {
            for crash in 1..=CRASHES {
                let enough = CLIENTS * COMMANDS * crash / (CRASHES + 2);
                while ledger.lock().unwrap().done.len() < enough / 2 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                behind.crash().await;
            }
        };
        let run_to_the_end = Box::pin(async { tokio::join!(clients, crashing) });
        let (ended, ()) = tokio::time::timeout(SOON, run_to_the_end).await.expect("an end");
        ended.into_iter().for_each(|client| client.unwrap());
        let faults = behind.commands.heal();
        let ledger = std::mem::take(&mut *ledger.lock().unwrap());
        assert!(faults > 0 && !ledger.refused.is_empty() && ledger.repeated > 0, "{faults} {ledger:?}");
        compare::compare(&behind, &ledger).await;
        behind.stop();
        drop(run);
    }
}
