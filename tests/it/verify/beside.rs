//! The operator's commands beside writers: nothing is found where nothing is wrong, and nothing is broken.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use events::user::User;
use serde_json::json;

use super::{expect, operator};
use crate::support::{Client, SOON, TestWorld, new_user};

/// Users whose names go to and fro.
const WRITERS: u32 = 2;

/// How often each command runs meanwhile.
const RUNS: usize = 3;

/// Runs a command until it could be carried out: the local engine may be too busy to answer in time.
async fn at_last(world: &TestWorld, arguments: &[&str]) -> (i32, String) {
    let trying = async {
        loop {
            let said = operator(world, arguments).await;
            if said.0 != 2 {
                return said;
            }
        }
    };
    tokio::time::timeout(SOON, trying).await.expect("the command is carried out")
}

/// Changes what a user claims until it is told to stop, and gives how often.
async fn change(api: Client, number: u32, stop: Arc<AtomicBool>) -> u32 {
    let created = api.post("/v1/users", &new_user(number)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));
    let mut changes = 0;
    while !stop.load(Ordering::Relaxed) {
        changes += 1;
        let email = format!("writer{number}-{}@example.com", changes % 2);
        let answer = api.patch(&path, "*", &json!({ "email": email })).await;
        // One that could not write in time tries again; nobody else wants these names.
        assert!([200, 503].contains(&answer.status.as_u16()), "{}", answer.body);
    }
    changes
}

/// Who was erased after their key was read is at hand with it; what their commits carry is right all the same.
#[tokio::test]
async fn who_is_erased_while_it_is_verified_has_right_states() {
    let world = TestWorld::start().await;
    let created = world.api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));
    let request = world.api.request(reqwest::Method::PATCH, &path).header("if-match", "*");
    let request = request.header("idempotency-key", "known").json(&json!({ "first_name": "Augusta" }));
    crate::support::send(request).await.expect(200);
    let context = crate::support::store::context(&world.settings()).await;
    let stream = format!("user#{}", created.text("id")).parse().unwrap();
    context.store().load::<User>(stream, None).await.unwrap();

    world.api.post(&format!("{path}/erase"), &json!({ "reason": "asked for it" })).await.expect(200);
    let states = context.store().check_carried::<User>(stream).await.unwrap();
    assert_eq!((states.right, states.wrong), (1, vec![]));
    world.world.stop().await;
}

#[tokio::test]
async fn beside_writers_nothing_is_found_and_nothing_is_broken() {
    let world = TestWorld::start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = (0..WRITERS).map(|number| tokio::spawn(change(world.api.clone(), number, Arc::clone(&stop))));
    let writing: Vec<_> = writing.collect();
    for _ in 0..RUNS {
        expect(&at_last(&world, &["claims", "--heal"]).await, 0, "0 claims wrong");
        expect(&at_last(&world, &["verify"]).await, 0, "all is well");
        expect(&at_last(&world, &["checkpoint"]).await, 0, "\"signature\"");
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writing {
        assert!(writer.await.unwrap() > 0);
    }
    expect(&operator(&world, &["verify"]).await, 0, "all is well");
    expect(&operator(&world, &["claims"]).await, 0, "0 claims wrong");
    world.world.stop().await;
}
