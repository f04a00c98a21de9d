//! A commit is in the log soon after the time that it is recorded with, or never.

use std::time::Duration;

use dev::{engines::Engines, ports::Ports};
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::{UserId, derive},
    user::{ChangeProfile, Register, User, UserCommand, UserState},
    values::{Email, Locale, PersonName, Phone, TimeZone, Username},
};
use platform::{
    access::Principal,
    clock::Clock,
    context::Context,
    crypto::Secrets,
    settings::Settings,
    store::{AppendError, Companions, Draft, EventStore, Folded, StoreError},
};

use crate::support::{
    faults::{Fault, Faults},
    phone,
};

/// The log behind a proxy with faults, by a clock that only the test moves.
struct Late {
    proxy: Faults,
    clock: Clock,
    settings: Settings,
    engines: Engines,
    directory: tempfile::TempDir,
}

impl Late {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engines = Engines::start(&Ports::ANY, directory.path(), Clock::system()).await.unwrap();
        let proxy = Faults::start(engines.dynamodb_url());
        let mut settings = engines.settings(directory.path(), "http://127.0.0.1:1");
        settings.dynamodb_url = Some(proxy.url.clone());
        Self { proxy, clock: Clock::manual(Clock::system().now()), settings, engines, directory }
    }

    /// The log as a process that was just started sees it.
    async fn store(&self) -> EventStore {
        let secrets = Secrets::load(self.directory.path()).unwrap();
        let context = Context::open(&self.settings, Principal::Elsewhere, &secrets, self.clock.clone()).await.unwrap();
        context.store().clone()
    }

    /// From now on each call of `operation` and `table` takes so long, and then `fault` happens to it.
    fn slow(&self, operation: &'static str, table: &'static str, takes: Duration, fault: Option<Fault>) {
        let clock = self.clock.clone();
        self.proxy.choose(move |call| {
            let meant = call.operation == operation && call.table == table;
            if meant {
                clock.advance(takes);
            }
            fault.filter(|_| meant)
        });
    }
}

type Known = Folded<Option<UserState>>;

fn draft(store: &EventStore, id: UserId, before: &Known, command: UserCommand) -> Draft<User> {
    let metadata = Metadata {
        actor: Actor::System,
        reason: None,
        correlation_id: derive(&["a late commit"]),
        causation_id: None,
        traceparent: None,
    };
    let events = User::decide(&before.state, command).unwrap();
    Draft::new(store.clock(), id.into(), before, events, &metadata, None)
}

fn register(number: u32) -> UserCommand {
    UserCommand::Register(Register {
        email: Email::parse(&format!("late{number}@example.com")).unwrap(),
        username: Username::parse(&format!("late{number}")).unwrap(),
        first_name: PersonName::parse("Ada").unwrap(),
        last_name: PersonName::parse("Lovelace").unwrap(),
        phone: Phone::parse(&phone(number)).unwrap(),
        locale: Locale::parse("en-US").unwrap(),
        time_zone: TimeZone::default(),
        with_password: false,
    })
}

fn rename(name: &str) -> UserCommand {
    UserCommand::ChangeProfile(ChangeProfile {
        first_name: Some(PersonName::parse(name).unwrap()),
        ..ChangeProfile::default()
    })
}

fn is_unknown<T: std::fmt::Debug>(ended: Result<T, AppendError>) {
    let error = ended.unwrap_err();
    assert!(matches!(error, AppendError::Store(StoreError::Unavailable(_))), "{error:?}");
    assert!(error.to_string().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn a_commit_whose_key_was_long_in_coming_is_recorded_when_it_is_written() {
    let late = Late::start().await;
    let (id, first) = (UserId(derive(&["late"])), late.store().await);
    let (known, _) = first.append(draft(&first, id, &Folded::default(), register(1)), Companions::new()).await.unwrap();

    let store = late.store().await;
    let drafted = draft(&store, id, &known, rename("Augusta"));
    let (event_id, at, takes) = (drafted.events()[0].event_id, late.clock.now(), Duration::from_secs(7));
    late.slow("GetItem", "keys", takes, None);
    let (after, events) = store.append(drafted, Companions::new()).await.unwrap();
    assert_eq!((events[0].recorded_at, events[0].event_id), (at + takes, event_id));
    assert_eq!(after.state.as_ref().unwrap().updated_at, at + takes);
    late.proxy.heal();
    let loaded = late.store().await.load::<User>(id.into(), None).await.unwrap();
    assert_eq!((loaded.recorded_at, &loaded.state, loaded.hash), (Some(at + takes), &after.state, after.hash));
    late.engines.stop().await;
}

#[tokio::test]
async fn what_is_too_late_is_not_tried_again_and_its_outcome_is_unknown() {
    let late = Late::start().await;
    let (id, store) = (UserId(derive(&["late"])), late.store().await);
    let (known, _) = store.append(draft(&store, id, &Folded::default(), register(1)), Companions::new()).await.unwrap();

    // Nothing was carried out, and nothing is any more.
    late.slow("PutItem", "events", Duration::from_secs(9), Some(Fault::CutBefore));
    is_unknown(store.append(draft(&store, id, &known, rename("Augusta")), Companions::new()).await);
    assert_eq!(late.proxy.heal(), 1);
    assert_eq!(store.load::<User>(id.into(), None).await.unwrap().version, known.version);

    // It was carried out, and only the answer was lost.
    late.slow("PutItem", "events", Duration::from_secs(9), Some(Fault::CutAfter));
    is_unknown(store.append(draft(&store, id, &known, rename("Byron")), Companions::new()).await);
    assert_eq!(late.proxy.heal(), 1);
    assert_eq!(store.load::<User>(id.into(), None).await.unwrap().version, known.version.next());

    // A transaction that is throttled is tried as long as there is time.
    late.slow("TransactWriteItems", "-", Duration::from_secs(3), Some(Fault::Cancel("ThrottlingError")));
    let other = UserId(derive(&["too late"]));
    is_unknown(store.append(draft(&store, other, &Folded::default(), register(2)), Companions::new()).await);
    assert_eq!(late.proxy.heal(), 3);
    late.engines.stop().await;
}
