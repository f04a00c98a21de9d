//! What an auditor finds in a file that somebody has had in their hands.

use std::{collections::BTreeMap, path::Path};

use events::envelope::Actor;
use platform::store::decode_attributes;
use serde_json::{Value, json};

use super::{COMMITS, expect, offline};

type Lines = Vec<String>;

fn json_of(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn is(line: &str, kind: &str) -> bool {
    line.starts_with(&format!("{{\"{kind}\""))
}

/// Where a commit stands.
fn place(lines: &[String], stream: &str, version: u64) -> usize {
    let version = version.to_string();
    let is_it = |line: &String| {
        let commit = &json_of(line)["commit"];
        commit["stream"] == stream && commit["version"] == version
    };
    lines.iter().position(|line| is(line, "commit") && is_it(line)).unwrap()
}

/// Each thing that is done to a file, and what is said of it.
fn tampered(lines: &Lines, stream: &str) -> Vec<(&'static str, Lines, &'static str)> {
    let with = |change: &dyn Fn(&mut Lines)| {
        let mut lines = lines.clone();
        change(&mut lines);
        lines
    };
    let (at, next) = (place(lines, stream, 20), place(lines, stream, 21));
    let ours = |line: &String| is(line, "commit") && line.contains(stream);
    let flip = |lines: &mut Lines| lines[at] = lines[at].replacen("UserProfileChanged", "UserProfileChanget", 1);
    vec![
        ("a flipped byte", with(&flip), "the hash does not fit"),
        ("a dropped commit", with(&|lines| drop(lines.remove(at))), "commits from version 20 on are missing"),
        ("two exchanged commits", with(&|lines| lines.swap(at, next)), "comes again, or behind a later one"),
        ("a doubled commit", with(&|lines| lines.insert(at, lines[at].clone())), "comes again, or behind a later one"),
        (
            "a cut stream",
            with(&|lines| drop(lines.remove(place(lines, stream, COMMITS)))),
            "ends below version 41, which the checkpoint signed",
        ),
        (
            "a dropped stream",
            with(&|lines| lines.retain(|line| !ours(line))),
            "the checkpoint signed it, and it is gone",
        ),
        ("a cut file", with(&|lines| lines.truncate(lines.len() - 5)), "it breaks off before its end"),
        ("a broken line", with(&|lines| lines[at].truncate(40)), "cannot be read as a line of an export"),
        ("more behind the end", with(&|lines| lines.push(lines[at].clone())), "there is something behind the end"),
        ("no beginning", with(&|lines| drop(lines.remove(0))), "is not how an export begins"),
        ("a dropped checkpoint", with(&|lines| drop(lines.remove(1))), "checkpoint 2 does not follow the one before"),
        (
            "a changed checkpoint",
            with(&|lines| lines[2] = lines[2].replacen("\"number\":2", "\"number\":3", 1)),
            "the signature of checkpoint 3 does not hold",
        ),
        (
            "a dropped head",
            with(&|lines| lines.retain(|line| !is(line, "head") || !line.contains(stream))),
            "the heads are not those that checkpoint 2 signed",
        ),
    ]
}

/// A stream whose last commit somebody wrote anew who can compute hashes.
fn rewritten(lines: &Lines, stream: &str) -> Lines {
    let at = place(lines, stream, COMMITS);
    let text = |at: usize| -> BTreeMap<String, String> {
        serde_json::from_value(json_of(&lines[at])["commit"].clone()).unwrap()
    };
    let before = decode_attributes(&text(place(lines, stream, COMMITS - 1))).unwrap();
    let mut commit = decode_attributes(&text(at)).unwrap();
    commit.actor = Actor::Telnyx;
    let mut text: BTreeMap<&str, String> = commit.attributes();
    text.insert("hash", commit.expected_hash(&before.hash).to_string());
    let mut lines = lines.clone();
    lines[at] = json!({ "commit": text }).to_string();
    lines
}

pub(super) async fn are_checked_anywhere(file: &Path, stream: &str, header: &Path) {
    let exported = std::fs::read_to_string(file).unwrap();
    assert!(!exported.contains("person1@example.com"));
    let lines: Lines = exported.lines().map(ToOwned::to_owned).collect();
    let stated = json_of(&lines[0])["made"]["checkpoint_key"].as_str().unwrap().to_owned();
    let trusted = ["--checkpoint-key", stated.as_str()];
    expect(&offline(file, &trusted).await, 0, "2 checkpoints; 0 commits are younger");
    expect(&offline(file, &[]).await, 0, "the checkpoints' key is the file's own");
    let kept = ["--checkpoint", header.to_str().unwrap()];
    expect(&offline(file, &kept).await, 0, "all is well");
    let other = "A".repeat(43) + "=";
    expect(&offline(file, &["--checkpoint-key", &other]).await, 1, "it states another key");
    expect(&offline(Path::new("/nowhere"), &[]).await, 2, "");

    let forged = file.with_extension("forged");
    let check = async |lines: &Lines, trusted: &[&str]| {
        std::fs::write(&forged, lines.join("\n") + "\n").unwrap();
        offline(&forged, trusted).await
    };
    for (what, lines, said) in tampered(&lines, stream) {
        let found = check(&lines, &trusted).await;
        assert_eq!((found.0, found.1.contains(said)), (1, true), "{what}: {}", found.1);
    }

    let mut rewritten = rewritten(&lines, stream);
    expect(&check(&rewritten, &trusted).await, 1, "is not the commit that the checkpoint signed");
    // What was signed is known before the commits, whatever the order.
    let (heads, mut others): (Lines, Lines) = rewritten.drain(..).partition(|line| is(line, "head"));
    let end = others.pop().unwrap();
    let late: Lines = others.iter().chain(&heads).chain([&end]).cloned().collect();
    expect(&check(&late, &trusted).await, 1, "comes behind the first commit");
    // And who knows the key knows that something was signed with it.
    others.retain(|line| !is(line, "checkpoint"));
    let mut end = json_of(&end);
    (end["end"]["checkpoints"], end["end"]["heads"]) = (json!(0), json!(0));
    others.push(end.to_string());
    expect(&check(&others, &[]).await, 0, "0 checkpoints");
    expect(&check(&others, &kept).await, 1, "checkpoint 2, as it was kept, is not among them");
    expect(&check(&others, &trusted).await, 1, "nothing vouches for the log");
}
