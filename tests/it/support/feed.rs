//! The feed by itself: a log over engines of their own, commits that are appended by hand, and records that reach a feed only
//! as a test hands them over. No service runs.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::AttributeValue as ImageValue;
use chrono::{DateTime, Utc};
use dev::{engines::Engines, ports::Ports};
use events::{
    commit::StoredCommit,
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::{RoleId, UserId, derive},
    permission::{Permission, Permissions},
    role::{RoleChanged, RoleCreated, RoleEvent},
    stream::{StreamId, Version},
    user::{Status, UserEvent, UserRegistered},
    values::{Description, Email, Level, Locale, PersonName, Personal, Phone, RoleName, TimeZone, Username},
};
use futures::future::BoxFuture;
use platform::{
    clock::Clock,
    context::Context,
    rows::Rows,
    store::{Companions, Draft, Range, decode_item},
    tables::{EVENTS, NOTIFICATIONS, PARKED, ROLES, Table, USERS},
};
use projector::{feed::Feed, notify::Queues, stream::Record};

use super::{
    engine,
    faults::Faults,
    operator::{command_at, finished},
    store::context,
};

/// More commits than a stream of these tests has.
const ALL: usize = 1000;

/// The log and what is needed to feed it.
pub struct Fed {
    /// Between every feed and DynamoDB.
    pub faults: Faults,
    /// Past the faults: what the test appends and looks at.
    pub context: Context,
    /// A client of the engine itself.
    pub dynamodb: aws_sdk_dynamodb::Client,
    engines: Engines,
    directory: tempfile::TempDir,
}

impl Fed {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engines = Engines::start(&Ports::ANY, directory.path(), Clock::system()).await.unwrap();
        let faults = Faults::start(engines.dynamodb_url());
        let context = context(&engines.settings(directory.path(), "http://127.0.0.1:1")).await;
        let dynamodb = engine::client(&engines.dynamodb_url());
        Self { faults, context, dynamodb, engines, directory }
    }

    /// What another process, behind the faults, works with.
    pub async fn another(&self) -> Context {
        let mut settings = self.engines.settings(self.directory.path(), "http://127.0.0.1:1");
        settings.dynamodb_url = Some(self.faults.url.clone());
        Box::pin(context(&settings)).await
    }

    /// A feed behind the faults, which knows nothing yet.
    pub async fn feed(&self) -> Feed {
        let context = self.another().await;
        Feed::new(&context, Queues::find(context.aws.sqs.clone(), &context.names).await.unwrap())
    }

    /// Appends a commit.
    pub async fn append<D: Decider>(&self, stream: StreamId, events: Vec<D::Event>) {
        let store = self.context.store();
        let before = store.load::<D>(stream, None).await.unwrap();
        let draft = Draft::<D>::new(store.clock(), stream, &before, events, &metadata(), None);
        store.append(draft, Companions::new()).await.unwrap();
    }

    /// A stream's commits.
    pub async fn commits(&self, stream: StreamId) -> Vec<StoredCommit> {
        let all = Range { after: Version::NONE, until: None };
        self.context.store().read_stored(stream, all, ALL).await.unwrap()
    }

    /// Every commit of the log.
    pub async fn log(&self) -> BTreeMap<(StreamId, Version), StoredCommit> {
        let items = engine::items(&self.dynamodb, EVENTS.name).await;
        let commits = items.iter().map(|item| decode_item(item).unwrap());
        commits.map(|commit| ((commit.stream, commit.version), commit)).collect()
    }

    /// The records of a stream, in its order.
    pub async fn records(&self, stream: StreamId) -> Vec<Record> {
        let query = self.dynamodb.query().table_name(EVENTS.name).consistent_read(true);
        let query = query.key_condition_expression("#stream = :stream").expression_attribute_names("#stream", "stream");
        let query = query.expression_attribute_values(":stream", AttributeValue::S(stream.to_string()));
        let items = query.send().await.unwrap().items.unwrap_or_default();
        items.iter().map(|item| record(item, self.context.clock.now())).collect()
    }

    /// What is noted of a stream that is set aside.
    pub async fn parked(&self, stream: StreamId) -> Option<HashMap<String, AttributeValue>> {
        let get = self.dynamodb.get_item().table_name(PARKED.name).consistent_read(true);
        get.key("stream", AttributeValue::S(stream.to_string())).send().await.unwrap().item
    }

    /// A read model's rows.
    pub fn rows<R: events::views::Row>(&self, table: &Table) -> Rows<R> {
        Rows::new(self.context.aws.dynamodb.clone(), &self.context.names, table, &self.context.generations)
    }

    /// Whether a stream's row, in a generation, is the fold of the stream. Streams without rows are as they must be.
    pub async fn row_is_the_fold(&self, stream: StreamId, generation: u32) -> bool {
        use events::{
            notification::Notification,
            role::Role,
            stream::Category::{Notification as Notified, Number, Role as OfRole, Session, User as OfUser},
            user::User,
        };
        let store = self.context.store();
        let id = stream.id;
        match stream.category {
            OfUser => {
                let row = self.rows(&USERS).at(generation).get(id, true).await.unwrap();
                row == store.load::<User>(stream, None).await.unwrap().state
            }
            OfRole => {
                let row = self.rows(&ROLES).at(generation).get(id, true).await.unwrap();
                row == store.load::<Role>(stream, None).await.unwrap().state
            }
            Notified => {
                let row = self.rows(&NOTIFICATIONS).at(generation).get(id, true).await.unwrap();
                row == store.load::<Notification>(stream, None).await.unwrap().state
            }
            Session | Number => true,
        }
    }

    /// Runs an operator's command, and gives its exit code and what it says.
    pub async fn operator(&self, arguments: &[&str]) -> (i32, String) {
        let (dynamodb, sqs) = (self.engines.dynamodb_url(), self.engines.sqs_url());
        finished(command_at(&dynamodb, &sqs, self.directory.path(), arguments).output().await.unwrap())
    }

    /// Ends everything.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        let Self { engines, directory, .. } = self;
        Box::pin(async move {
            engines.stop().await;
            drop(directory);
        })
    }
}

/// An item of the log as its stream gives it.
pub fn record(item: &HashMap<String, AttributeValue>, created: DateTime<Utc>) -> Record {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => ImageValue::S(text.clone()),
        AttributeValue::N(number) => ImageValue::N(number.clone()),
        other => panic!("no commit holds {other:?}"),
    };
    let image = item.iter().map(|(name, held)| (name.clone(), value(held))).collect();
    Record { sequence: "1".to_owned(), created, image }
}

fn metadata() -> Metadata {
    Metadata {
        actor: Actor::System,
        reason: None,
        correlation_id: derive(&["a test"]),
        causation_id: None,
        traceparent: None,
    }
}

/// Somebody's first event.
pub fn registered(name: &str) -> UserEvent {
    UserEvent::UserRegistered(UserRegistered {
        email: Personal::Known(Email::parse(&format!("{name}@example.com")).unwrap()),
        username: Personal::Known(Username::parse(name).unwrap()),
        first_name: Personal::Known(PersonName::parse("Ada").unwrap()),
        last_name: Personal::Known(PersonName::parse("Lovelace").unwrap()),
        phone: Personal::Known(Phone::parse("+15125550123").unwrap()),
        locale: Locale::default(),
        time_zone: TimeZone::default(),
        status: Status::Active,
    })
}

/// A role's first event.
pub fn created(name: &str) -> RoleEvent {
    RoleEvent::RoleCreated(RoleCreated {
        name: RoleName::parse(name).unwrap(),
        description: Description::none(),
        level: Level::MIN,
        permissions: Permissions([Permission::parse("users:read").unwrap()].into()),
    })
}

/// Another level of a role.
pub fn changed(level: u8) -> RoleEvent {
    RoleEvent::RoleChanged(RoleChanged { level: Some(Level::try_from(level).unwrap()), ..RoleChanged::default() })
}

/// A user's stream.
pub fn user(name: &str) -> StreamId {
    UserId(derive(&["user", name])).into()
}

/// A role's stream.
pub fn role(name: &str) -> StreamId {
    RoleId(derive(&["role", name])).into()
}
