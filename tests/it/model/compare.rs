//! The log, the reads and the claims beside what the clients were told.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Ledger, correlation, person::Person};
use crate::support::{behind::Behind, send};

/// The commits of a user: for each version, what it was recorded under.
async fn history(behind: &Behind, user: &str) -> BTreeMap<u64, String> {
    let path = format!("/v1/users/{user}/events?page_size=200");
    let page = send(behind.query_api.request(Method::GET, &path)).await.expect(200);
    assert!(page.body["next_page_token"].is_null());
    let items = page.body["items"].as_array().unwrap().iter();
    let commit =
        |event: &Value| (event["version"].as_u64().unwrap(), event["correlation_id"].as_str().unwrap().to_owned());
    items.map(commit).collect()
}

pub(super) async fn compare(behind: &Behind, ledger: &Ledger) {
    let refused: BTreeSet<String> = ledger.refused.iter().map(|key| correlation(key)).collect();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut holders: BTreeMap<String, &str> = BTreeMap::new();
    let mut claims: BTreeMap<String, usize> = BTreeMap::new();
    for user in &ledger.users {
        let commits = history(behind, user).await;
        let head = commits.len() as u64;
        assert_eq!(commits.keys().copied().collect::<Vec<_>>(), (1..=head).collect::<Vec<_>>(), "a hole in {user}");
        // The model: each commit is what was asked under its name.
        let mut persons = vec![Person::default()];
        for (version, recorded_under) in &commits {
            assert!(!refused.contains(recorded_under), "{user}@{version} was refused");
            assert!(known.insert(recorded_under.clone()), "{user}@{version} was done twice");
            let mut done = ledger.done.iter().filter(|done| correlation(&done.asked.key) == *recorded_under);
            let done = done.find(|done| done.version == *version && done.user == *user);
            let done = done.unwrap_or_else(|| panic!("nobody was told of {user}@{version}"));
            let person = persons.last().unwrap().after(&done.asked.op);
            persons.push(person);
        }
        for done in ledger.done.iter().filter(|done| done.user == *user) {
            let at = usize::try_from(done.version).unwrap();
            let person = persons.get(at).unwrap_or_else(|| panic!("{done:?} is not in the history"));
            assert_eq!(done.person, *person, "{done:?}");
            if commits[&done.version] != correlation(&done.asked.key) {
                assert_eq!(person.after(&done.asked.op), *person, "{done:?} had no effect");
            }
        }
        let person = persons.pop().unwrap();
        let read = behind.query_api.get_since(&format!("/v1/users/{user}"), &format!("user#{user}@{head}")).await;
        let read = read.expect(200);
        assert_eq!((Person::read(&read.body), &read.body["version"]), (person.clone(), &json!(head)));
        let values = BTreeSet::from([person.email, person.username]);
        claims.insert(format!("user#{user}"), values.len());
        for value in values {
            let other = holders.insert(value, user);
            assert!(other.is_none(), "{user} and {other:?} hold the same value");
        }
    }
    // What is claimed is what is held, by whoever holds it.
    let mut claimed: BTreeMap<String, usize> = BTreeMap::new();
    for item in behind.items(&["claims"]).await {
        let owner = item.get("owner").and_then(|owner| owner.as_s().ok()).cloned().unwrap_or_default();
        if claims.contains_key(&owner) {
            *claimed.entry(owner).or_default() += 1;
        }
    }
    assert_eq!(claimed, claims);
    let streams = behind.items(&["events"]).await;
    let users = streams.iter().filter_map(|item| item["stream"].as_s().ok()).filter(|id| id.starts_with("user#"));
    // The administrator is one more.
    assert_eq!(users.collect::<BTreeSet<_>>().len(), ledger.users.len() + 1);
}
