//! What a page costs, whatever the size of the table.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use dev::wiretap::Wiretap;
use events::{
    ids::{RoleId, UserId, derive},
    stream::Version,
    user::{Assignment, Preferences, Status, UserState},
    values::{Email, Locale, PersonName, Personal, Phone, TimeZone, Username},
};
use uuid::Uuid;

use crate::support::{
    Client, TestWorld, phone,
    rows::{Tapped, put_users},
};

/// Enough that every list has more than a page in each of its buckets.
const FEW: u32 = 1_000;

/// As many as the test command has time for.
const MANY: u32 = 3_000;

/// As many as a large company has. Seeding them takes the better part of an hour, so that test is asked for by name.
const VERY_MANY: u32 = 200_000;

pub fn role() -> RoleId {
    RoleId(derive(&["the role of every other user"]))
}

/// A user told apart by a number; each is as large as the others. Every other eight share status, role and initials.
pub fn user(number: u32) -> UserState {
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
    put_users(&world.world.addresses.dynamodb, numbers.map(user)).await;
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
    let Tapped { api, tap, shutdown } = Tapped::start(&world).await;

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
