//! The read side's lists: every filter and sort, page by page, and as they are right after a write.

use serde_json::{Value, json};

use crate::support::{Answer, Client, SOON, TestWorld, behind::Behind, new_user};

/// First and last names that differ in case, accents and length; the numbers are those of [`new_user`].
const PEOPLE: [(&str, &str); 8] = [
    ("Ada", "Lovelace"),
    ("Émile", "Li"),
    ("emma", "lindqvist"),
    ("Zoë", "Ångström"),
    ("Bo", "Lin"),
    ("Ann", "LIN"),
    ("Grace", "Hopper"),
    ("Jean", "van der Berg"),
];

fn person(number: u32) -> Value {
    let (first, last) = PEOPLE[number as usize];
    let mut user = new_user(number);
    user["first_name"] = json!(first);
    user["last_name"] = json!(last);
    user["email"] = json!(format!("{}{number}@Example.com", ["b", "A", "c"][number as usize % 3]));
    user
}

fn texts(answer: &Answer, field: &str) -> Vec<String> {
    let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("no list: {}", answer.body)).iter();
    items.map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// A field of everything in a list, read in pages of three.
async fn all(api: &Client, list: &str, field: &str, tokens: Option<&str>) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let between = if list.contains('?') { '&' } else { '?' };
        let path = format!("{list}{between}page_size=3&page_token={next}");
        let page = match tokens {
            Some(tokens) => api.get_since(&path, tokens).await.expect(200),
            None => api.get(&path).await.expect(200),
        };
        let shown = texts(&page, field);
        assert!(shown.len() <= 3, "{list}: {shown:?}");
        found.extend(shown);
        match page.body["next_page_token"].as_str() {
            Some(token) => token.clone_into(&mut next),
            None => return found,
        }
    }
}

/// Asks for the list until it is what it must become.
async fn until(api: &Client, list: &str, field: &str, wanted: &[&str]) {
    let mut last = Vec::new();
    let asking = async {
        while last != wanted {
            last = all(api, list, field, None).await;
            tokio::time::sleep(crate::support::ASK_EVERY).await;
        }
    };
    let asked = tokio::time::timeout(SOON, asking).await;
    assert!(asked.is_ok(), "{list} is {last:?} and not {wanted:?}");
}

#[tokio::test]
async fn users_are_listed_by_every_filter_and_sort() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut created = Vec::new();
    for number in 0..8 {
        created.push(api.post("/v1/users", &person(number)).await.expect(201).text("id"));
    }
    let role = json!({ "name": "Dispatcher", "level": 3, "permissions": ["users:read"] });
    let role = api.post("/v1/roles", &role).await.expect(201).text("id");
    for holder in [1, 2, 4, 5, 6] {
        api.put(&format!("/v1/users/{}/roles/{role}", created[holder])).await.expect(200);
    }
    api.delete(&format!("/v1/users/{}/roles/{role}", created[6]), "*").await.expect(200);
    for suspended in [0, 2] {
        let reason = json!({ "reason": "on leave" });
        api.post(&format!("/v1/users/{}/suspend", created[suspended]), &reason).await.expect(200);
    }
    api.post(&format!("/v1/users/{}/erase", created[7]), &json!({ "reason": "asked for it" })).await.expect(200);

    let username = |number: &usize| format!("person{number}");
    for (list, wanted) in [
        // Neither the administrator, who is active, nor the erased one, who has no name.
        ("status=invited", vec![1, 3, 4, 5, 6]),
        ("status=invited&sort=-created_at", vec![6, 5, 4, 3, 1]),
        ("status=suspended", vec![0, 2]),
        ("status=suspended&sort=email", vec![0, 2]),
        // In the order of code points of the folded names: a with a ring is behind z.
        ("status=invited&sort=name", vec![6, 1, 5, 4, 3]),
        ("sort=name&name_prefix=l", vec![1, 5, 4, 2, 0]),
        ("name_prefix=LIN", vec![5, 4, 2]),
        ("name_prefix=lin%20b", vec![4]),
        ("name_prefix=LI%20%C3%89m", vec![1]),
        ("name_prefix=nobody", vec![]),
        ("email_prefix=a", vec![1, 4]),
        ("email_prefix=B&status=invited", vec![3, 6]),
        ("email_prefix=b3%40example.com", vec![3]),
        (&format!("role_id={role}"), vec![1, 2, 4, 5]),
        (&format!("role_id={role}&sort=-created_at"), vec![5, 4, 2, 1]),
        (&format!("role_id={role}&name_prefix=lin"), vec![5, 4, 2]),
        (&format!("role_id={role}&sort=email"), vec![1, 4, 2, 5]),
    ] {
        let wanted: Vec<String> = wanted.iter().map(username).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        // The seeded administrator's address begins with an a as well.
        let wanted = if list == "email_prefix=a" { vec!["person1", "person4", "admin"] } else { wanted };
        until(api, &format!("/v1/users?{list}"), "username", &wanted).await;
    }
    let erased = created[7].as_str();
    until(api, "/v1/users?status=erased", "id", &[erased]).await;
    let newest_first = all(api, "/v1/users?sort=-created_at", "id", None).await;
    let mut oldest_first = all(api, "/v1/users?sort=created_at", "id", None).await;
    assert_eq!((newest_first.len(), &newest_first[0]), (9, &created[7]));
    oldest_first.reverse();
    assert_eq!(newest_first, oldest_first);
    world.world.stop().await;
}

#[tokio::test]
async fn a_list_that_no_index_serves_is_refused_and_a_cursor_belongs_to_its_filter() {
    let world = TestWorld::start().await;
    let api = &world.api;
    for number in 0..3 {
        api.post("/v1/users", &person(number)).await.expect(201);
    }
    let role = "0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4";
    for query in [
        format!("status=invited&role_id={role}"),
        "name_prefix=a&email_prefix=b".to_owned(),
        "name_prefix=a&sort=email".to_owned(),
        "email_prefix=a&sort=created_at".to_owned(),
        format!("name_prefix={}", "%F0%9F%98%80".repeat(129)),
        "status=unheard-of".to_owned(),
        "role_id=x".to_owned(),
        "sort=-name".to_owned(),
        "unknown=1".to_owned(),
        "status=invited&status=active".to_owned(),
    ] {
        let refused = api.get(&format!("/v1/users?{query}")).await.expect(400);
        assert_eq!(refused.body["code"], "invalid-query", "{query}");
    }
    until(api, "/v1/users?status=invited", "username", &["person0", "person1", "person2"]).await;
    let page = api.get("/v1/users?status=invited&page_size=1").await.expect(200);
    let token = page.text("next_page_token");
    for other in ["", "status=suspended&", "status=invited&sort=name&", "status=invited&sort=-created_at&"] {
        let refused = api.get(&format!("/v1/users?{other}page_token={token}")).await.expect(400);
        assert_eq!(refused.body["code"], "invalid-page-token", "{other}");
    }
    world.world.stop().await;
}

/// Without a projector no row is ever written: everything that is shown was folded for its token.
#[tokio::test]
async fn what_was_written_is_in_its_lists_at_once_and_in_no_other() {
    let behind = Behind::start().await;
    let (write, read) = (&behind.command_api, &behind.query_api);
    let (mut ids, mut tokens) = (Vec::new(), Vec::new());
    for number in 0..4 {
        let created = write.post("/v1/users", &person(number)).await.expect(201);
        ids.push(created.text("id"));
        tokens.push(created.header("consistency-token").to_owned());
    }
    let role = json!({ "name": "Dispatcher", "level": 3, "permissions": ["users:read"] });
    let role = write.post("/v1/roles", &role).await.expect(201).text("id");
    let assigned = write.put(&format!("/v1/users/{}/roles/{role}", ids[2])).await.expect(200);
    assigned.header("consistency-token").clone_into(&mut tokens[2]);
    let reason = json!({ "reason": "on leave" });
    let suspended = write.post(&format!("/v1/users/{}/suspend", ids[3]), &reason).await.expect(200);
    suspended.header("consistency-token").clone_into(&mut tokens[3]);

    let tokens = tokens.join(",");
    for (list, wanted) in [
        ("", vec![0, 1, 2, 3]),
        ("sort=-created_at", vec![3, 2, 1, 0]),
        ("status=invited", vec![0, 1, 2]),
        ("status=suspended", vec![3]),
        (&format!("role_id={role}"), vec![2]),
        ("sort=name", vec![1, 2, 0, 3]),
        ("name_prefix=li", vec![1, 2]),
        ("sort=email", vec![1, 0, 3, 2]),
        ("email_prefix=B", vec![0, 3]),
    ] {
        let wanted: Vec<&str> = wanted.iter().map(|number: &usize| ids[*number].as_str()).collect();
        let shown = all(read, &format!("/v1/users?{list}"), "id", Some(&tokens)).await;
        assert_eq!(shown, wanted, "{list}");
    }
    behind.stop();
}

#[tokio::test]
async fn notifications_are_listed_by_status_and_user() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let one = api.post("/v1/users", &person(0)).await.expect(201).text("id");
    let other = api.post("/v1/users", &person(1)).await.expect(201).text("id");
    let mut both = [one.as_str(), other.as_str()];
    both.sort_unstable();
    let delivered = "/v1/notifications?status=delivered";
    let complete = |answer: &Answer| {
        let mut shown = texts(answer, "user_id");
        shown.sort_unstable();
        shown == both
    };
    api.get_until(delivered, complete).await;
    for none in ["status=pending".to_owned(), format!("status=failed&user_id={one}")] {
        until(api, &format!("/v1/notifications?{none}"), "user_id", &[]).await;
    }
    for user in [&one, &other] {
        assert_eq!(all(api, &format!("/v1/notifications?user_id={user}"), "user_id", None).await, [user.as_str()]);
        assert_eq!(all(api, &format!("{delivered}&user_id={user}"), "user_id", None).await, [user.as_str()]);
    }
    for bad in ["status=unheard-of", "user_id=x", "sort=name"] {
        assert_eq!(api.get(&format!("/v1/notifications?{bad}")).await.expect(400).body["code"], "invalid-query");
    }
    world.world.stop().await;
}
