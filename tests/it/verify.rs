//! The auditor's commands, as processes of their own: a sound log is sound, and whatever is done to it is found.

mod beside;
mod claims;
mod files;
mod tables;

use std::{path::Path, process::Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    TestWorld, new_user,
    operator::{expect, finished, operator, operator_at},
    process, send,
};

/// Commits of each user: with the first carried state behind them.
const COMMITS: u64 = 41;

/// An address of this machine at which nothing listens.
const NOBODY: &str = "http://127.0.0.1:9";

/// Checks a file on a machine that has nothing else.
async fn offline(file: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = process::part("projector");
    command.args(["verify", "--file"]).arg(file).args(arguments).env_clear().stderr(Stdio::null());
    finished(command.output().await.unwrap())
}

/// A world with three users of [`COMMITS`] commits each and an erased one. Gives the streams of the three.
async fn start() -> (TestWorld, Vec<String>) {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut streams = Vec::new();
    for number in 0..3 {
        let created = api.post("/v1/users", &new_user(number)).await.expect(201);
        let path = format!("/v1/users/{}", created.text("id"));
        for change in 1..COMMITS {
            let request = api.request(Method::PATCH, &path).header("if-match", "*");
            let request = request.header("idempotency-key", format!("{change}"));
            send(request.json(&json!({ "first_name": format!("Ada {change}") }))).await.expect(200);
        }
        streams.push(format!("user#{}", created.text("id")));
    }
    let erased = api.post("/v1/users", &new_user(9)).await.expect(201);
    api.post(&format!("/v1/users/{}/erase", erased.text("id")), &json!({ "reason": "a test" })).await.expect(200);
    (world, streams)
}

#[tokio::test]
async fn a_sound_log_is_sound_and_whatever_is_done_to_it_is_found() {
    let (world, streams) = start().await;
    let said = operator(&world, &["verify"]).await;
    expect(&said, 0, "all is well");
    expect(&said, 0, "4 carried states were folded again");
    expect(&operator(&world, &["claims"]).await, 0, "0 claims wrong");
    expect(&operator(&world, &["checkpoint"]).await, 0, "\"number\": 1");
    let path = format!("/v1/users/{}", &streams[0][5..]);
    world.api.patch(&path, "*", &json!({ "last_name": "Byron" })).await.expect(200);
    let (code, text) = operator(&world, &["verify", "--json"]).await;
    let report: Value = serde_json::from_str(&text[..=text.rfind('}').unwrap()]).unwrap();
    assert_eq!((code, &report["found"], &report["checkpoints"]), (0, &json!(0), &json!(1)), "{text}");
    assert!(report["younger_commits"].as_u64().unwrap() >= 1);

    let directory = tempfile::tempdir().unwrap();
    let header = directory.path().join("checkpoint.json");
    expect(&operator(&world, &["checkpoint", "--out", header.to_str().unwrap()]).await, 0, "\"number\": 2");
    let text: Value = serde_json::from_slice(&std::fs::read(&header).unwrap()).unwrap();
    assert_eq!(text["checkpoint"]["number"], 2);

    let file = directory.path().join("log.ndjson");
    expect(&operator(&world, &["export", "--out", file.to_str().unwrap()]).await, 0, "and 2 checkpoints");
    files::are_checked_anywhere(&file, &streams[1], &header).await;
    tables::are_checked(&world, &streams, &header).await;
    claims::are_compared_and_healed(&world, &streams).await;
    world.world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_checked_is_neither_well_nor_wrong() {
    let world = TestWorld::start().await;
    for command in [&["verify"][..], &["checkpoint"], &["claims"]] {
        expect(&operator_at(NOBODY, &world, command).await, 2, "not done");
    }
    expect(&operator(&world, &["verify", "--checkpoint-key", "AAAA"]).await, 2, "32 bytes");
    expect(&operator(&world, &["verify", "--chekpoint-key", "AAAA"]).await, 2, "--chekpoint-key");
    expect(&operator(&world, &["verify", "--checkpoint", "/nowhere"]).await, 2, "cannot read /nowhere");
    // Whoever expects something signed is told that nothing is.
    let key = "A".repeat(43) + "=";
    expect(&operator(&world, &["verify", "--checkpoint-key", &key]).await, 1, "nothing vouches for the log");
    for command in ["verify", "checkpoint", "export", "claims"] {
        expect(&operator(&world, &[command, "--help"]).await, 0, "Exit code 0: all is well. 1:");
    }
    world.world.stop().await;
}
