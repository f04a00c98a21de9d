//! Our event store as a library.

use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::UserId,
    user::{ChangeProfile, User, UserCommand, UserEvent, UserRefusal, UserState},
    values::PersonName,
};
use platform::{
    access::Principal,
    clock::Clock,
    context::Context,
    crypto::Secrets,
    store::{AppendError, Draft, EventStore, Folded, Intent},
};

use crate::stage::Stage;

/// The log of a stage with its users.
pub(crate) struct Log {
    context: Context,
    users: Vec<UserId>,
}

type State = Folded<Option<UserState>>;

impl Log {
    pub(crate) async fn open(stage: &Stage) -> anyhow::Result<Self> {
        let (settings, clock) = (stage.settings(), Clock::system());
        let secrets = Secrets::load(&settings.data_dir)?;
        let context = Context::open(&settings, Principal::Elsewhere, &secrets, clock).await?;
        let users = stage.users.iter().map(|id| Ok(id.parse()?)).collect::<anyhow::Result<_>>()?;
        Ok(Self { context, users })
    }

    /// Changes a user's name, from the state that is in memory where there is one.
    pub(crate) async fn rename_warm(&self, user: usize, name: &str) -> anyhow::Result<()> {
        let decide = |folded: &State| decide(folded, name);
        self.context.users.execute(self.users[user].into(), &Intent::of(self.metadata()), decide).await?;
        Ok(())
    }

    /// Changes a user's name, from the state as it lies in the log; once more when another client was first.
    pub(crate) async fn rename_cold(&self, user: usize, name: &str) -> anyhow::Result<()> {
        let (store, stream) = (self.context.store(), self.users[user].into());
        loop {
            let folded = store.load::<User>(stream, None).await?;
            let events = decide(&folded, name)?;
            let draft = Draft::<User>::new(store.clock(), stream, &folded, events, &self.metadata(), None);
            match store.append(draft, Vec::new()).await {
                Err(AppendError::Conflict) => (),
                ended => return Ok(ended.map(drop)?),
            }
        }
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &EventStore {
        self.context.store()
    }

    fn metadata(&self) -> Metadata {
        let correlation_id = self.context.clock.new_id();
        Metadata { actor: Actor::System, reason: None, correlation_id, causation_id: None, traceparent: None }
    }
}

fn decide(folded: &State, name: &str) -> Result<Vec<UserEvent>, UserRefusal> {
    let first_name = PersonName::parse(name).ok();
    User::decide(&folded.state, UserCommand::ChangeProfile(ChangeProfile { first_name, ..ChangeProfile::default() }))
}
