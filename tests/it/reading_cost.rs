//! What a page costs, whatever the size of the table.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use chrono::{DateTime, TimeDelta};
use dev::wiretap::Wiretap;
use events::{
    ids::{RoleId, UserId, derive},
    stream::Version,
    user::{Assignment, Preferences, Status, UserState},
    values::{Email, Locale, PersonName, Personal, Phone, TimeZone, Username},
};
use futures::{StreamExt, stream};
use platform::{
    clock::Clock,
    lifecycle::Shutdown,
    rows::{Generations, Item, Rows},
    tables::{Names, USERS},
};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::{Client, TestWorld, engine, phone};

/// Enough that every list has more than a page in each of its buckets.
const FEW: u32 = 1_000;

/// As many as the test command has time for.
const MANY: u32 = 3_000;

/// As many as a large company has. Seeding them takes the better part of an hour, so that test is asked for by name.
const VERY_MANY: u32 = 200_000;

/// Most items of one `BatchWriteItem`.
const BATCH: usize = 25;

/// Batches that are written at once.
const AT_ONCE: usize = 4;

fn role() -> RoleId {
    RoleId(derive(&["the role of every other user"]))
}

/// A user told apart by a number; each is as large as the others. Every other eight share status, role and initials.
fn user(number: u32) -> UserState {
    let shares = (number / 8).is_multiple_of(2);
    let at = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(number.into());
    let initial = if shares { 'a' } else { 'b' };
    let assignment = Assignment { role_id: role(), scope: None, expires_at: None };
    UserState {
        id: UserId(Uuid::from_u128(u128::from(number) | 1 << 100)),
        email: Personal::Known(Email::parse(&format!("{initial}{number:06}@example.com")).unwrap()),
        username: Personal::Known(Username::parse(&format!("person{number:06}")).unwrap()),
        first_name: Personal::Known(PersonName::parse("Ada").unwrap()),
        last_name: Personal::Known(PersonName::parse(&format!("{initial}{number:06}")).unwrap()),
        phone: Personal::Known(Phone::parse(&phone(number)).unwrap()),
        locale: Locale::parse("en-US").unwrap(),
        time_zone: TimeZone::parse("UTC").unwrap(),
        status: if shares { Status::Active } else { Status::Invited },
        before_suspension: Status::Invited,
        roles: if shares { vec![assignment] } else { vec![] },
        sessions_since: Version::NONE,
        password_change_required: false,
        factors: std::collections::BTreeSet::new(),
        preferences: Preferences::default(),
        version: Version(1),
        created_at: at,
        updated_at: at,
    }
}

async fn seed(world: &TestWorld, numbers: std::ops::Range<u32>) {
    let client = engine::client(&world.world.addresses.dynamodb);
    let names = Names::new("");
    let rows: Rows<UserState> = Rows::new(client.clone(), &names, &USERS, &Generations::new(client.clone(), &names));
    let mut items: Vec<Item> = Vec::new();
    for number in numbers {
        items.extend(rows.items_of(&user(number)).await.unwrap());
    }
    let put = |item: Item| PutRequest::builder().set_item(Some(item)).build().unwrap();
    let batches = items.chunks(BATCH).map(|items| {
        let puts = items.iter().map(|item| WriteRequest::builder().put_request(put(item.clone())).build()).collect();
        let written = client.batch_write_item().request_items(USERS.name, puts).send();
        async move { assert!(written.await.unwrap().unprocessed_items.unwrap_or_default().is_empty()) }
    });
    stream::iter(batches).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Requests, items and half units of two pages of each list, by list.
async fn costs(api: &Client, tap: &Wiretap) -> BTreeMap<String, Vec<(usize, u64, u64)>> {
    let mut costs = BTreeMap::new();
    for list in [
        "",
        "sort=-created_at",
        "sort=name",
        "sort=email",
        "status=active",
        "status=active&sort=-created_at",
        "status=active&sort=name",
        &format!("role_id={}", role()),
        &format!("role_id={}&sort=email", role()),
        "name_prefix=a",
        "email_prefix=B",
        "status=active&name_prefix=a",
    ] {
        let mut next = String::new();
        let mut pages = Vec::new();
        for _ in 0..2 {
            tap.take();
            let page = api.get(&format!("/v1/users?{list}&page_token={next}")).await.expect(200);
            let calls = tap.take();
            assert_eq!(page.body["items"].as_array().unwrap().len(), 50, "{list}");
            assert!(calls.iter().all(|call| call.operation != "Scan"), "{calls:?}");
            let half_units: u64 = calls.iter().map(|call| call.half_units).sum();
            assert!(half_units > 0, "{calls:?}");
            pages.push((calls.len(), calls.iter().map(|call| call.items).sum(), half_units));
            next = page.text("next_page_token");
        }
        costs.insert(list.to_owned(), pages);
    }
    costs
}

#[tokio::test]
async fn the_cost_of_a_page_does_not_grow_with_the_table() {
    costs_the_same_with(MANY).await;
}

#[tokio::test]
#[ignore = "takes the better part of an hour"]
async fn the_cost_of_a_page_is_the_same_with_two_hundred_thousand_users() {
    costs_the_same_with(VERY_MANY).await;
}

async fn costs_the_same_with(users: u32) {
    let world = TestWorld::start().await;
    let tap = Wiretap::start(world.world.addresses.dynamodb.clone()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = world.settings();
    settings.dynamodb_url = Some(tap.url.clone());
    let config = query_api::config::Config { settings, listen: listener.local_addr().unwrap() };
    let api = Client::new(&format!("http://{}", config.listen)).with_token(world.api.token());
    let shutdown = Shutdown::new();
    let state = query_api::state::AppState::open(&config, Clock::system()).await.unwrap();
    tokio::spawn(query_api::server::serve(listener, state, shutdown.clone()));
    api.get_until("/readyz", |answer| answer.status.is_success()).await;

    seed(&world, 0..FEW).await;
    let few = costs(&api, &tap).await;
    seed(&world, FEW..users).await;
    let many = costs(&api, &tap).await;
    assert_eq!(many, few);
    // Eight buckets, each its share of the page with something to spare; and of a list of entries the rows themselves in one call.
    assert!(few[""].iter().all(|(calls, items, _)| (*calls, *items) == (8, 8 * 14)), "{few:?}");
    assert!(few["status=active"].iter().all(|(calls, items, _)| (*calls, *items) == (9, 8 * 14 + 50)), "{few:?}");
    shutdown.begin();
    world.world.stop().await;
}
