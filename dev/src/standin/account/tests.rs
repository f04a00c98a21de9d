use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::*;

fn now() -> DateTime<Utc> {
    "2026-01-02T23:59:58Z".parse().unwrap()
}

fn account(rules: serde_json::Value) -> Account {
    let rules: Rules = serde_json::from_value(rules).unwrap();
    assert_eq!(rules.mistake(), None);
    Account::under(rules)
}

async fn code(refused: Result<TimeDelta, Refusal>) -> (u16, String) {
    let response = refused.unwrap_err().into_response();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    (status, body["errors"][0]["code"].as_str().unwrap().to_owned())
}

fn told(account: &mut Account, now: DateTime<Utc>) -> [String; 3] {
    let (mut parts, ()) = Response::new(()).into_parts();
    account.tell(now, &mut parts);
    ["x-ratelimit-limit", "x-ratelimit-remaining", RATE_LIMIT_RESET]
        .map(|name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default())
}

#[tokio::test]
async fn no_second_has_more_than_its_share_wherever_it_begins() {
    let mut account = account(json!({"messages_per_second": 3}));
    account.admit(None, 1, now()).unwrap();
    account.admit(None, 2, now() + TimeDelta::milliseconds(600)).unwrap();
    let soon = now() + TimeDelta::milliseconds(999);
    assert_eq!(told(&mut account, soon), ["3", "0", "1"]);
    assert_eq!(code(account.admit(None, 1, soon)).await, (429, "10011".to_owned()));
    account.admit(None, 1, now() + WINDOW).unwrap();
    assert_eq!(code(account.admit(None, 1, now() + WINDOW)).await.1, "10011");
    let later = now() + WINDOW * 3;
    assert_eq!(told(&mut account, later), ["3", "3", "0"]);
    account.admit(None, 10, later).unwrap();
}

#[tokio::test]
async fn only_listed_countries_are_sent_to() {
    let mut listed = account(json!({"whitelisted_destinations": ["US", "ES"]}));
    assert!(listed.asks_for_countries());
    listed.admit(country("+15125550100").as_deref(), 1, now()).unwrap();
    listed.admit(country("+34612345678").as_deref(), 1, now()).unwrap();
    for phone in ["+18765550123", "+80012345678", "+999123456789"] {
        let refused = listed.admit(country(phone).as_deref(), 1, now());
        assert_eq!(code(refused).await, (403, "40309".to_owned()), "{phone}");
    }
    account(json!({"whitelisted_destinations": ["*"]})).admit(None, 1, now()).unwrap();
    assert_eq!(code(account(json!({"whitelisted_destinations": []})).admit(Some("US"), 1, now())).await.1, "40309");
}

#[tokio::test]
async fn money_is_spent_by_parts_and_the_day_ends_at_midnight() {
    let mut poor = account(json!({"balance": "0.013"}));
    poor.admit(None, 2, now()).unwrap();
    assert_eq!(code(poor.admit(None, 2, now())).await, (402, "20100".to_owned()));
    poor.admit(None, 1, now()).unwrap();
    assert_eq!(serde_json::to_value(poor.rules()).unwrap()["balance"], "0.001000");

    let mut thrifty = account(json!({"daily_spend_limit": "0.008"}));
    thrifty.admit(None, 2, now()).unwrap();
    assert_eq!(code(thrifty.admit(None, 1, now())).await, (429, "40333".to_owned()));
    thrifty.admit(None, 1, now() + TimeDelta::seconds(2)).unwrap();
}

#[tokio::test]
async fn a_full_queue_takes_nothing_until_it_has_moved_on() {
    let mut slow = account(json!({"queue": {"messages_per_second": 0.5, "capacity": 3}}));
    let waits: Vec<i64> = (0..3).map(|_| slow.admit(None, 1, now()).unwrap().num_seconds()).collect();
    assert_eq!(waits, [0, 2, 4]);
    assert_eq!(code(slow.admit(None, 1, now())).await, (400, "40318".to_owned()));
    assert_eq!(slow.admit(None, 1, now() + TimeDelta::seconds(2)).unwrap(), TimeDelta::seconds(4));
}

#[tokio::test]
async fn what_is_refused_uses_nothing_up() {
    let mut account = account(json!({"messages_per_second": 1, "balance": "1", "whitelisted_destinations": ["US"]}));
    assert_eq!(code(account.admit(Some("FR"), 1, now())).await.1, "40309");
    account.admit(Some("US"), 1, now()).unwrap();
    assert_eq!(serde_json::to_value(account.rules()).unwrap()["balance"], "0.996000");
}

#[test]
fn rules_that_cannot_hold_are_refused() {
    for rules in [
        json!({"whitelisted_destinations": ["us"]}),
        json!({"whitelisted_destinations": ["*", "US"]}),
        json!({"messages_per_second": 0}),
        json!({"queue": {"messages_per_second": 0.0, "capacity": 1}}),
        json!({"queue": {"messages_per_second": -1.0, "capacity": 1}}),
    ] {
        let read: Rules = serde_json::from_value(rules.clone()).unwrap();
        assert!(read.mistake().is_some(), "{rules}");
    }
    for rules in [json!({"balance": 5}), json!({"balance": "-5"}), json!({"speed": 1})] {
        assert!(serde_json::from_value::<Rules>(rules.clone()).is_err(), "{rules}");
    }
}
