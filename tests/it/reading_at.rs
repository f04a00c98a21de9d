//! Users and roles as they were at a moment.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use platform::clock::Clock;
use serde_json::json;

use crate::support::{Answer, Client, TestWorld, new_user};

/// When the last event of a user or role was recorded.
fn updated(answer: &Answer) -> DateTime<Utc> {
    answer.text("updated_at").parse().unwrap()
}

async fn at(api: &Client, path: &str, at: DateTime<Utc>) -> Answer {
    api.get(&format!("{path}?at={}", at.to_rfc3339_opts(SecondsFormat::Micros, true))).await
}

const MOMENT: TimeDelta = TimeDelta::microseconds(1);

#[tokio::test]
async fn users_and_roles_are_shown_as_they_were_at_every_moment() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let role = json!({ "name": "Dispatcher", "level": 3, "permissions": ["users:read"] });
    let role = api.post("/v1/roles", &role).await.expect(201);
    let role_path = format!("/v1/roles/{}", role.text("id"));
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));
    let assigned = api.put(&format!("{path}/roles/{}", role.text("id"))).await.expect(200);
    let renamed = api.patch(&role_path, "*", &json!({ "name": "Planner" })).await.expect(200);
    let suspended = api.post(&format!("{path}/suspend"), &json!({ "reason": "on leave" })).await.expect(200);
    // More commits than a carried state is apart.
    let mut versions = vec![created, assigned.clone(), suspended];
    for number in 0..40 {
        let change = json!({ "first_name": format!("Ada {number}") });
        versions.push(api.patch(&path, "*", &change).await.expect(200));
    }

    for (answer, next) in versions.iter().zip(versions.iter().skip(1).map(Some).chain([None])) {
        // Up to the moment before the next change.
        let moments = [Some(updated(answer)), next.map(|next| updated(next) - MOMENT)];
        for moment in moments.into_iter().flatten().filter(|moment| *moment >= updated(answer)) {
            let shown = at(api, &path, moment).await.expect(200);
            assert_eq!(shown.header("consistency-token"), answer.header("consistency-token"));
            let mut wanted = answer.body.clone();
            // The name of the role is that of the moment, too.
            if let Some(name) = wanted["roles"].pointer_mut("/0/name") {
                *name = if moment < updated(&renamed) { json!("Dispatcher") } else { json!("Planner") };
            }
            assert_eq!(shown.body, wanted);
        }
    }
    assert_eq!(at(api, &role_path, updated(&role)).await.expect(200).body, role.body);
    assert_eq!(at(api, &role_path, updated(&renamed) - MOMENT).await.expect(200).body, role.body);
    assert_eq!(at(api, &role_path, updated(&renamed)).await.expect(200).body, renamed.body);

    // Before it began, in the future, and what is no moment.
    at(api, &path, updated(&versions[0]) - MOMENT).await.expect(404);
    at(api, &role_path, updated(&role) - MOMENT).await.expect(404);
    let now = Clock::system().now();
    for bad in [(now + TimeDelta::hours(1)).to_rfc3339_opts(SecondsFormat::Secs, true), "yesterday".to_owned()] {
        let refused = api.get(&format!("{path}?at={bad}")).await.expect(400);
        assert_eq!(refused.body["code"], "invalid-query");
    }
    let nobody = format!("/v1/users/{}", role.text("id"));
    at(api, &nobody, now).await.expect(404);

    // Nothing is told of whoever is erased by now.
    api.post(&format!("{path}/erase"), &json!({ "reason": "asked for it" })).await.expect(200);
    at(api, &path, updated(&versions[0])).await.expect(410);
    world.world.stop().await;
}
