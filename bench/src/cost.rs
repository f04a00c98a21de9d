//! What things cost at DynamoDB: calls and units of capacity, counted on the way to the engine, and dollars.

use dev::wiretap::Wiretap;
use events::commit::STATE_EVERY;
use futures::lock::Mutex;
use serde_json::{Value, json};

use crate::{
    Arguments,
    prices::dollars_per_million,
    projector::{Projector, settled, until},
    reads,
    report::{Aim, Cost, Report},
    stage::{PASSWORD, Stage},
    tapped::{Taken, Tapped},
};

/// Of each thing.
const TIMES: usize = 50;

/// The part of all commands that change a unique value.
const WITH_A_CLAIM: f64 = 0.1;

/// Counts each thing.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let times = TIMES / arguments.shorter;
    let stage = Stage::start(times).await?;
    let tapped = &Tapped::start(&stage).await?;
    let (http, users) = (&stage.http, &stage.users);
    let change = |number: usize, field: &str, value: String| {
        let request = http.patch(format!("{}/v1/users/{}", tapped.commands, users[number]));
        tapped.send(request.header("if-match", "*").json(&json!({ field: value })))
    };
    let cold =
        tapped.taken(times, |n| async move { change(n, "last_name", format!("Cold {n}")).await.map(drop) }).await?;
    let warm =
        tapped.taken(times, |n| async move { change(n, "last_name", format!("Warm {n}")).await.map(drop) }).await?;
    // So many of one user that each commit which carries the state has its share.
    let carrying = usize::try_from(STATE_EVERY)?;
    let keyed = |number: usize| {
        let request = http.patch(format!("{}/v1/users/{}", tapped.commands, users[0])).header("if-match", "*");
        let request = request.header("idempotency-key", format!("change-{number}"));
        tapped.send(request.json(&json!({ "last_name": format!("Keyed {number}") })))
    };
    for number in 0..carrying {
        keyed(number).await?;
    }
    let carried = tapped.taken(carrying, |n| async move { keyed(carrying + n).await.map(drop) }).await?;
    let claim = tapped
        .taken(times, |n| async move { change(n, "email", format!("other{n}@example.com")).await.map(drop) })
        .await?;
    let register = tapped
        .taken(times, |n| {
            let user = json!({ "email": format!("new{n}@example.com"), "username": format!("new{n}"),
                "first_name": "Ada", "last_name": "Lovelace", "phone": format!("+1512{:07}", 4_000_000 + n) });
            let request = http.post(format!("{}/v1/users", tapped.commands)).json(&user);
            async move { tapped.send(request).await.map(drop) }
        })
        .await?;
    for (what, taken) in [
        ("change of a user, state read from the log", cold),
        ("change of a user, state in memory", warm),
        ("the same with an Idempotency-Key, the mean of 32, of which one carries the state", carried),
        ("change of a unique value", claim),
        ("registration of a user", register),
    ] {
        tell(report, what, taken);
    }
    for (update, state) in [(cold, "read from the log"), (warm, "in memory")] {
        let mix = |of: fn(&Taken) -> f64| (1.0 - WITH_A_CLAIM) * of(&update) + WITH_A_CLAIM * of(&claim);
        let (reads, writes) = (mix(|taken| taken.read_units), mix(|taken| taken.write_units));
        report
            .figure(format!("write units of an average command, a tenth with a claim, state {state}"), &[writes])
            .aim = Some(Aim::AtMost(1.5));
        report.figure(format!("read units of an average command, a tenth with a claim, state {state}"), &[reads]).aim =
            Some(Aim::AtMost(1.0));
    }

    sign_ins(tapped, times, report).await?;
    projected(&stage, times, report).await?;
    let one = tapped
        .taken(times, |n| async move {
            tapped.send(http.get(format!("{}/v1/users/{}", tapped.queries, users[n]))).await.map(drop)
        })
        .await?;
    tell(report, "read of a user", one);
    let page = tapped
        .taken(times, |_| async move { tapped.send(http.get(format!("{}/v1/users", tapped.queries))).await.map(drop) })
        .await?;
    tell(report, "page of 50 users", page);
    stage.stop().await;
    Ok(())
}

fn tell(report: &mut Report, what: &'static str, taken: Taken) {
    let Taken { requests, read_units, write_units, .. } = taken;
    let dollars_per_million = dollars_per_million(read_units, write_units);
    report.cost(Cost { what, requests, read_units, write_units, dollars_per_million });
}

/// Sign-ins and refreshes, each by somebody of their own.
async fn sign_ins(tapped: &Tapped<'_>, times: usize, report: &mut Report) -> anyhow::Result<()> {
    let stage = tapped.stage;
    for number in 0..times {
        stage.register_with(1_000 + number, Some(PASSWORD)).await?;
    }
    let tokens = &Mutex::new(Vec::new());
    let post = |path: &str, number: usize, body: Value| {
        let request = stage.http.post(format!("{}{path}", tapped.commands)).json(&body);
        tapped.send(request.header(reads::ADDRESS, reads::address(number)))
    };
    let sign_in = tapped
        .taken(times, |n| async move {
            let who = json!({ "identifier": format!("person{}", 1_000 + n), "password": PASSWORD });
            let pair = post("/v1/auth/login", n, who).await?;
            tokens.lock().await.push(pair["refresh_token"].clone());
            Ok(())
        })
        .await?;
    tell(report, "sign-in", sign_in);
    let refresh = tapped
        .taken(times, |n| async move {
            let token = tokens.lock().await[n].clone();
            post("/v1/auth/refresh", n, json!({ "refresh_token": token })).await.map(drop)
        })
        .await?;
    tell(report, "refresh", refresh);
    Ok(())
}

/// What a projector takes for each event: with nothing else to project.
async fn projected(stage: &Stage, times: usize, report: &mut Report) -> anyhow::Result<()> {
    let tap = Wiretap::start(stage.engines.dynamodb_url()).await?;
    let projector = Projector::start_around(stage, &[("AWS_ENDPOINT_URL_DYNAMODB", &tap.url)]).await?;
    settled(stage).await?;
    tap.take();
    let mut versions = Vec::new();
    for user in 0..times {
        versions.push(stage.rename(user, &format!("Projected {user}")).await?);
    }
    for (user, version) in versions.into_iter().enumerate() {
        until("the change is visible", || async { Ok(stage.shown(user).await? >= version) }).await?;
    }
    tell(report, "projection of an event", Taken::each(&tap.take(), times));
    projector.stop(stage).await
}
