//! Whether pages, reads and commands cost the same however many users there are.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use chrono::{DateTime, TimeDelta};
use events::{
    ids::UserId,
    stream::Version,
    user::{Preferences, Status, UserState},
    values::{Email, Locale, PersonName, Personal, Phone, TimeZone, Username},
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    rows::{Generations, Item, Rows},
    tables::{CLAIMS, EVENTS, Names, USERS},
};
use serde_json::json;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::{
    Arguments,
    closed_loop::{self, Round},
    report::{Aim, Report},
    stage::Stage,
    tapped::{Taken, Tapped},
};

/// Most items of one `BatchWriteItem`.
const BATCH: usize = 25;

/// Batches that are written at once.
const AT_ONCE: usize = 4;

/// Users who are made before their items are written.
const PORTION: u32 = 1_000;

/// Of each thing, to count what it takes.
const TIMES: usize = 20;

/// How much longer a thing may take with the most users than with the fewest.
const LONGER: f64 = 1.5;

/// How much more of requests, units and items it may take. None, but one commit in 32 carries a state along, and of so few
/// that are counted one more may.
const MORE: f64 = 1.05;

/// One thing: how long it takes, and what.
struct Measured {
    what: &'static str,
    round: Round,
    taken: Taken,
}

/// Seeds below the API, and measures at each size.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::start(1).await?;
    let tapped = Tapped::start(&stage).await?;
    let (mut users, mut sizes) = (0, Vec::new());
    for size in &arguments.sizes {
        let began = Instant::now();
        seed(&stage, users..*size).await?;
        println!("{} users seeded in {:?}", size - users, began.elapsed());
        users = *size;
        let measured = measured(&tapped, arguments, users).await?;
        for Measured { what, round, taken } in &measured {
            let x = f64::from(users);
            report.point("time against users", ("users", "ms, p50"), what, (x, round.milliseconds(0.5)));
            report.point("read units against users", ("users", "read units"), what, (x, taken.read_units));
            report.point("items read against users", ("users", "items"), what, (x, taken.items));
        }
        sizes.push(measured);
    }
    let [few, .., many] = &sizes[..] else { return Ok(()) };
    let (first, last) = (arguments.sizes[0], users);
    for (few, many) in few.iter().zip(many) {
        let (what, longer) = (few.what, many.round.milliseconds(0.5) / few.round.milliseconds(0.5));
        report.figure(format!("{what}: p50 with {last} users, to that with {first}"), &[longer]).aim =
            Some(Aim::AtMost(LONGER));
        let units = |taken: &Taken| taken.requests + taken.read_units + taken.write_units + taken.items;
        report
            .figure(
                format!("{what}: requests, units and items with {last} users, to those with {first}"),
                &[units(&many.taken) / units(&few.taken)],
            )
            .aim = Some(Aim::AtMost(MORE));
    }
    stage.stop().await;
    Ok(())
}

async fn measured(tapped: &Tapped<'_>, arguments: &Arguments, size: u32) -> anyhow::Result<Vec<Measured>> {
    let stage = tapped.stage;
    let known = user(size / 2)?.id;
    let get = |path: String| {
        let request = stage.http.get(format!("{}{path}", tapped.queries));
        async move { tapped.send(request).await.map(drop) }
    };
    let change = |_| async {
        let request = stage.http.patch(format!("{}/v1/users/{}", tapped.commands, stage.users[0]));
        let body = json!({ "first_name": format!("Ada {}", stage.next()) });
        tapped.send(request.header("if-match", "*").json(&body)).await.map(drop)
    };
    let register = |_| async {
        let number = 500_000 + stage.next();
        let user = json!({ "email": format!("new{number}@example.com"), "username": format!("new{number}"),
            "first_name": "Ada", "last_name": "Lovelace", "phone": format!("+1512{:07}", 2_000_000 + number) });
        tapped.send(stage.http.post(format!("{}/v1/users", tapped.commands)).json(&user)).await.map(drop)
    };
    let time = Duration::from_secs(arguments.seconds);
    let mut measured = Vec::new();
    macro_rules! each {
        ($($what:literal $one:expr),*) => {$({
            let one = $one;
            // Whoever is asked for the first time loads what stays in memory.
            one(0).await?;
            let taken = tapped.taken(TIMES, &one).await?;
            let round = closed_loop::run(1, time, |_, number| one(number)).await?;
            measured.push(Measured { what: $what, round, taken });
        })*};
    }
    each! {
        "a page of 50" |_| get("/v1/users".to_owned()),
        "a page of one status by name" |_| get("/v1/users?status=active&sort=name".to_owned()),
        "users whose name begins so" |_| get("/v1/users?name_prefix=a".to_owned()),
        "a user by id" |_| get(format!("/v1/users/{known}")),
        "a change" change,
        "a registration" register
    }
    Ok(measured)
}

/// A user told apart by a number.
fn user(number: u32) -> anyhow::Result<UserState> {
    let shares = (number / 8).is_multiple_of(2);
    let at = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(number.into());
    let initial = if shares { 'a' } else { 'b' };
    Ok(UserState {
        id: UserId(Uuid::from_u128(u128::from(number) | 1 << 100)),
        email: Personal::Known(Email::parse(&format!("{initial}{number:06}@example.org"))?),
        username: Personal::Known(Username::parse(&format!("seeded{number:06}"))?),
        first_name: Personal::Known(PersonName::parse("Ada")?),
        last_name: Personal::Known(PersonName::parse(&format!("{initial}{number:06}"))?),
        phone: Personal::Known(Phone::parse(&format!("+1512{:07}", 5_000_000 + number))?),
        locale: Locale::parse("en-US")?,
        time_zone: TimeZone::parse("UTC")?,
        status: if shares { Status::Active } else { Status::Invited },
        before_suspension: Status::Invited,
        roles: Vec::new(),
        sessions_since: Version::NONE,
        password_change_required: false,
        factors: std::collections::BTreeSet::new(),
        preferences: Preferences::default(),
        version: Version(1),
        created_at: at,
        updated_at: at,
    })
}

/// Writes what such users leave: rows and entries, and in the log and among the claims as many items as they would.
async fn seed(stage: &Stage, numbers: std::ops::Range<u32>) -> anyhow::Result<()> {
    let (client, names) = (&stage.dynamodb, Names::new(""));
    let rows: Rows<UserState> = Rows::new(client.clone(), &names, &USERS, &Generations::new(client.clone(), &names));
    let mut from = numbers.start;
    while from < numbers.end {
        let until = numbers.end.min(from + PORTION);
        let mut items: Vec<(&str, Item)> = Vec::new();
        for number in from..until {
            let user = user(number)?;
            let stream = AttributeValue::S(format!("user#{}", user.id));
            let commit = Item::from([
                ("stream".to_owned(), stream.clone()),
                ("version".to_owned(), AttributeValue::N("1".to_owned())),
                ("events".to_owned(), AttributeValue::S("x".repeat(400))),
            ]);
            items.push((EVENTS.name, commit));
            for kind in ["email", "username"] {
                let claim = AttributeValue::S(format!("{kind}#{number:0>43}"));
                items.push((
                    CLAIMS.name,
                    Item::from([("claim".to_owned(), claim), ("owner".to_owned(), stream.clone())]),
                ));
            }
            items.extend(rows.items_of(&user).await?.into_iter().map(|item| (USERS.name, item)));
        }
        items.sort_by_key(|(table, _)| *table);
        let batches = items.chunk_by(|(one, _), (other, _)| one == other).flat_map(|of| of.chunks(BATCH));
        let writes = batches.map(|batch| async move {
            let puts = batch.iter().map(|(_, item)| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build()?;
                Ok(WriteRequest::builder().put_request(put).build())
            });
            let puts = puts.collect::<anyhow::Result<Vec<_>>>()?;
            let written = client.batch_write_item().request_items(batch[0].0, puts).send().await?;
            anyhow::ensure!(written.unprocessed_items.unwrap_or_default().is_empty(), "the engine left items out");
            Ok(())
        });
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        from = until;
    }
    Ok(())
}
