//! Long and old histories: a command costs the same on both ends of them, and shapes of former releases read as today's.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use dev::{
    engines::Engines,
    ports::Ports,
    wiretap::{Call, Wiretap},
};
use events::{
    decider::Decider,
    envelope::{Actor, Metadata, Recorded},
    event::{EventData, EventType},
    ids::{UserId, derive},
    stream::{Category, StreamId, Version},
    user::{ChangeProfile, Register, User, UserCommand, UserRefusal},
    values::{Email, Locale, PersonName, Phone, TimeZone, Username},
};
use platform::{
    clock::Clock,
    settings::Settings,
    store::{Companions, Draft, EventStore, Folded, Intent, Streams},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{TestWorld, engine, store::context};

/// Commits of the long history: with what is in each, ten thousand events.
const MANY: u64 = 1_000;

/// Commits of the short one.
const FEW: u64 = 10;

/// Events of a commit.
const EVENTS: usize = 10;

fn metadata() -> Metadata {
    Metadata {
        actor: Actor::System,
        reason: None,
        correlation_id: derive(&["a test"]),
        causation_id: None,
        traceparent: None,
    }
}

fn register(number: u64) -> Register {
    Register {
        email: Email::parse(&format!("history{number}@example.com")).unwrap(),
        username: Username::parse(&format!("history{number}")).unwrap(),
        first_name: PersonName::parse("Ada").unwrap(),
        last_name: PersonName::parse("Lovelace").unwrap(),
        phone: Phone::parse("+15125550123").unwrap(),
        locale: Locale::default(),
        time_zone: TimeZone::default(),
        with_password: false,
    }
}

/// A user whose history has `commits` commits, each of which renamed them.
async fn user_with(store: &EventStore, commits: u64) -> StreamId {
    let stream: StreamId = UserId(derive(&["user with", &commits.to_string()])).into();
    let mut folded = Folded::default();
    for version in 1..=commits {
        let command = match version {
            1 => UserCommand::Register(register(commits)),
            _ => UserCommand::ChangeProfile(ChangeProfile {
                first_name: Some(PersonName::parse(&format!("Ada {version}")).unwrap()),
                ..ChangeProfile::default()
            }),
        };
        let events = User::decide(&folded.state, command).unwrap();
        let events = events.iter().cycle().take(if version == 1 { 1 } else { EVENTS }).cloned().collect();
        let draft = Draft::<User>::new(store.clock(), stream, &folded, events, &metadata(), None);
        (folded, _) = store.append(draft, Companions::new()).await.unwrap();
    }
    stream
}

#[tokio::test]
async fn a_command_costs_the_same_on_a_short_and_on_a_long_history() {
    let directory = tempfile::tempdir().unwrap();
    let engines = Engines::start(&Ports::ANY, directory.path(), Clock::system()).await.unwrap();
    let settings = engines.settings(directory.path(), "http://127.0.0.1:1");
    let store = context(&settings).await.store().clone();
    let (short, long) = (user_with(&store, FEW).await, user_with(&store, MANY).await);

    let mut costs = Vec::new();
    for stream in [short, long] {
        // A process that has never seen the user, and one that has.
        let tap = Wiretap::start(engines.dynamodb_url()).await.unwrap();
        let tapped = Settings { dynamodb_url: Some(tap.url.clone()), ..settings.clone() };
        let users: Streams<User> = context(&tapped).await.users;
        let mut calls = Vec::new();
        for name in ["Augusta", "Byron"] {
            let wish = UserCommand::ChangeProfile(ChangeProfile {
                first_name: Some(PersonName::parse(name).unwrap()),
                ..ChangeProfile::default()
            });
            let intent = Intent::of(metadata());
            let decide = |folded: &Folded<_>| User::decide(&folded.state, wish.clone());
            users.execute(stream, &intent, decide).await.unwrap();
            let made = tap.take();
            calls.push(
                Call::of(&made).iter().map(|(operation, table)| format!("{operation} {table}")).collect::<Vec<_>>(),
            );
        }
        costs.push(calls);
    }
    assert_eq!(costs[0], [vec!["Query events", "GetItem keys", "PutItem events"], vec!["PutItem events"]]);
    assert_eq!(costs[1], costs[0]);

    // What a load reads is bounded by the distance between two carried states, whatever the length.
    let client = engine::client(&engines.dynamodb_url());
    let units = |stream: StreamId| {
        let query = client
            .query()
            .table_name("events")
            .key_condition_expression("#stream = :stream")
            .expression_attribute_names("#stream", "stream")
            .expression_attribute_values(":stream", aws_sdk_dynamodb::types::AttributeValue::S(stream.to_string()))
            .scan_index_forward(false)
            .limit(i32::try_from(events::commit::STATE_EVERY).unwrap())
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        async move { query.send().await.unwrap().consumed_capacity.unwrap().capacity_units.unwrap() }
    };
    let whole = user_with(&store, events::commit::STATE_EVERY).await;
    assert!(units(long).await <= units(whole).await + 1.0, "{} {}", units(long).await, units(whole).await);

    // The state that is carried is the fold of everything.
    let carried = store.load::<User>(long, None).await.unwrap();
    let folded = store.load::<Refolded>(long, None).await.unwrap();
    assert_eq!(carried.state, folded.state.0);
    assert_eq!((carried.version, carried.hash), (folded.version, folded.hash));
    assert_eq!(carried.version, Version(MANY + 2));
    let old = Version(MANY / 2);
    assert_eq!(
        store.load::<User>(long, Some(old)).await.unwrap().state,
        store.load::<Refolded>(long, Some(old)).await.unwrap().state.0
    );
    engines.stop().await;
}

/// The rules of users with a state of another shape: what is carried is of no use to it.
#[derive(Debug, Clone, Copy)]
struct Refolded;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct OtherShape(<User as Decider>::State);

impl Decider for Refolded {
    const CATEGORY: Category = Category::User;
    const STATE_SCHEMA: u32 = User::STATE_SCHEMA + 1;
    type State = OtherShape;
    type Event = <User as Decider>::Event;
    type Command = UserCommand;
    type Refusal = UserRefusal;

    fn evolve(state: &mut OtherShape, event: &Recorded<Self::Event>) {
        User::evolve(&mut state.0, event);
    }

    fn decide(state: &OtherShape, command: UserCommand) -> Result<Vec<Self::Event>, UserRefusal> {
        User::decide(&state.0, command)
    }

    fn claims(state: &OtherShape) -> std::collections::BTreeSet<events::claim::Claim> {
        User::claims(&state.0)
    }
}

/// Users as a former release wrote them: neither language nor time zone.
#[derive(Debug, Clone, Copy)]
struct FormerUser;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum FormerEvent {
    UserRegistered {
        email: String,
        username: String,
        first_name: String,
        last_name: String,
        phone: String,
        status: String,
    },
}

const FORMER: EventType = EventType {
    name: "UserRegistered",
    schema: 1,
    personal: &["email", "username", "first_name", "last_name", "phone"],
};

impl EventData for FormerEvent {
    const CATALOGUE: &'static [EventType] = &[FORMER];

    fn event_type(&self) -> &'static EventType {
        &FORMER
    }
}

impl Decider for FormerUser {
    const CATEGORY: Category = Category::User;
    const STATE_SCHEMA: u32 = 0;
    type State = Option<FormerEvent>;
    type Event = FormerEvent;
    type Command = FormerEvent;
    type Refusal = UserRefusal;

    fn evolve(state: &mut Self::State, event: &Recorded<FormerEvent>) {
        *state = Some(event.event.clone());
    }

    fn decide(_: &Self::State, command: FormerEvent) -> Result<Vec<FormerEvent>, UserRefusal> {
        Ok(vec![command])
    }

    fn claims(_: &Self::State) -> std::collections::BTreeSet<events::claim::Claim> {
        std::collections::BTreeSet::new()
    }
}

#[tokio::test]
async fn what_a_former_release_wrote_reads_as_todays() {
    let world = TestWorld::start().await;
    let store = context(&world.settings()).await.store().clone();
    let id = UserId(derive(&["a former user"]));
    let text = |text: &str| text.to_owned();
    let event = FormerEvent::UserRegistered {
        email: text("former@example.com"),
        username: text("former"),
        first_name: text("Ada"),
        last_name: text("Lovelace"),
        phone: text("+15125550123"),
        status: text("invited"),
    };
    let (before, clock) = (Folded::default(), store.clock());
    let draft = Draft::<FormerUser>::new(clock, id.into(), &before, vec![event], &metadata(), None);
    store.append(draft, Companions::new()).await.unwrap();

    // Projected, folded by a command, told in the history: everywhere it is a user of today.
    let path = format!("/v1/users/{id}");
    let read = world.api.get_until(&path, |answer| answer.status.is_success()).await;
    assert_eq!((&read.body["locale"], &read.body["time_zone"]), (&json!("en-US"), &json!("UTC")));
    let changed = world.api.patch(&path, "\"1\"", &json!({ "time_zone": "Europe/Vienna" })).await.expect(200);
    assert_eq!((&changed.body["first_name"], &changed.body["time_zone"]), (&json!("Ada"), &json!("Europe/Vienna")));
    let history = world.api.get(&format!("{path}/events")).await.expect(200);
    assert_eq!(history.body["items"][0]["schema"], 2);
    assert_eq!(history.body["items"][0]["data"]["locale"], "en-US");
    world.world.stop().await;
}
