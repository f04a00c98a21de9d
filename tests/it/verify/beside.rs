//! The operator's commands beside writers: nothing is found where nothing is wrong, and nothing is broken.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

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
