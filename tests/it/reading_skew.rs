//! Lists most of whose rows lie in two of the eight buckets over which a list is spread.

use std::collections::BTreeMap;

use events::{
    ids::UserId,
    user::{Status, UserState},
    values::{Email, PersonName, Personal, Username},
    views::{BUCKETS, bucket},
};
use uuid::Uuid;

use crate::{
    reading_cost::{role, user},
    support::{
        Client, TestWorld,
        rows::{Tapped, put_users},
    },
};

/// Rows: some pages.
const ROWS: u32 = 150;

/// The buckets with most of the rows.
const FULL: [u32; 2] = [3, 6];

/// One row in so many lies in the other buckets.
const ELSEWHERE: u32 = 15;

/// Rows of a page: more than a bucket is first asked for.
const PAGE: usize = 40;

/// A user told apart by a number. Names come in another order than times, and a fifth of them begin with an m.
fn row(number: u32) -> UserState {
    let at = if number.is_multiple_of(ELSEWHERE) {
        number / ELSEWHERE % u32::from(BUCKETS)
    } else {
        FULL[(number % 2) as usize]
    };
    let turned = number * 7 % ROWS;
    let initial = if turned.is_multiple_of(5) { 'm' } else { 'a' };
    let (roles, status) = match number % 3 {
        0 => (Vec::new(), Status::Invited),
        _ => (user(0).roles, Status::Active),
    };
    UserState {
        id: UserId(Uuid::from_u128(1 << 100 | u128::from(number) << 8 | u128::from(at))),
        email: Personal::Known(Email::parse(&format!("{initial}{turned:04}@example.com")).unwrap()),
        username: Personal::Known(Username::parse(&format!("skewed{number}")).unwrap()),
        last_name: Personal::Known(PersonName::parse(&format!("{initial}{turned:04}")).unwrap()),
        roles,
        status,
        ..user(number)
    }
}

/// Ids in a list, page by page. No page reads a bucket more than twice, and only the full ones more than once.
async fn all(api: &Client, tapped: &dev::wiretap::Wiretap, list: &str) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        tapped.take();
        let page = api.get(&format!("/v1/users?{list}&page_size={PAGE}&page_token={next}")).await.expect(200);
        let mut reads: BTreeMap<String, usize> = BTreeMap::new();
        for call in tapped.take().iter().filter(|call| call.operation == "Query" && call.table == "users1") {
            let values: serde_json::Value = serde_json::from_str(&call.values).unwrap();
            *reads.entry(values[":partition"]["S"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(reads.len(), usize::from(BUCKETS), "{list}: {reads:?}");
        assert!(reads.values().all(|reads| *reads <= 2), "{list}: {reads:?}");
        assert!(reads.values().filter(|reads| **reads == 2).count() <= FULL.len(), "{list}: {reads:?}");
        let items = page.body["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page.body["next_page_token"].as_str() {
            Some(token) => {
                assert_eq!(items.len(), PAGE, "{list}: a page is full as long as more follow");
                token.clone_into(&mut next);
            }
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_list_that_lies_in_two_buckets_is_whole_and_in_order_and_no_bucket_is_read_three_times() {
    let world = TestWorld::start().await;
    // The seeded administrator stands in lists of its own.
    let administrator = events::ids::UserId::seeded_administrator().to_string();
    world.api.get_until(&format!("/v1/users/{administrator}"), |answer| answer.status.is_success()).await;
    let rows: Vec<UserState> = (0..ROWS).map(row).collect();
    let full = rows.iter().filter(|row| FULL.contains(&u32::from(bucket(row.id.0)))).count();
    assert!(full * 10 > rows.len() * 9, "{full}");
    put_users(&world.world.addresses.dynamodb, rows.iter().cloned()).await;
    let Tapped { api, tap, shutdown } = Tapped::start(&world).await;

    let name = |row: &UserState| row.last_name.known().unwrap().as_str().to_owned();
    let by_name = || {
        let mut rows: Vec<&UserState> = rows.iter().collect();
        rows.sort_by_key(|row| name(row));
        rows
    };
    let by_time = || rows.iter().collect::<Vec<_>>();
    let ids = |rows: Vec<&UserState>| rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    let only = |mut rows: Vec<&'_ UserState>, holds: &dyn Fn(&UserState) -> bool| {
        rows.retain(|row| holds(row));
        rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>()
    };
    let holds_role = |row: &UserState| !row.roles.is_empty();
    for (list, wanted) in [
        ("sort=created_at".to_owned(), ids(by_time())),
        ("sort=-created_at".to_owned(), ids(by_time().into_iter().rev().collect())),
        ("sort=name".to_owned(), ids(by_name())),
        ("name_prefix=a".to_owned(), only(by_name(), &|row| name(row).starts_with('a'))),
        ("email_prefix=m".to_owned(), only(by_name(), &|row| name(row).starts_with('m'))),
        ("status=invited".to_owned(), only(by_time(), &|row| row.status == Status::Invited)),
        (format!("role_id={}", role()), only(by_time(), &holds_role)),
        (format!("role_id={}&sort=name", role()), only(by_name(), &holds_role)),
        (
            format!("role_id={}&name_prefix=a", role()),
            only(by_name(), &|row| holds_role(row) && name(row).starts_with('a')),
        ),
    ] {
        let mut shown = all(&api, &tap, &list).await;
        shown.retain(|id| *id != administrator);
        assert_eq!(shown, wanted, "{list}");
    }
    shutdown.begin();
    world.world.stop().await;
}
