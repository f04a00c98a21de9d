//! Builds a read model anew from the log, beside the one that is read, and switches over to it.
//!
//! Why nothing is skipped. The plan (see [`platform::rows::Plan`]) says which generations are fed; raising its number
//! adds a new one. Every reader of the log's stream reads the plan after the leases and before it takes one, and states
//! its number in the lease row. So once every open shard of the stream states the new number, whatever comes to the log
//! from then on goes to both generations, whoever reads it; and whatever was there already is read by the scan, which
//! begins only then.

mod built;
mod compared;
mod place;
mod sweep;

use std::time::Duration;

use anyhow::{bail, ensure};
use events::{notification::NotificationState, role::RoleState, user::UserState, views::Row};
use platform::{
    context::Context,
    rows::{Generations, Model, Plan, Plans, Rows, SWITCHED_WITHIN},
    settings::Settings,
    tables::{NOTIFICATIONS, ROLES, Table, USERS},
};
use tokio::time::{Instant, sleep};

use super::{Verdict, connect};
use crate::{
    feed::Generation,
    stream::{DynamoSource, LeaseStore, LeaseTable, Source},
};

/// How long the owners of all shards may take to confirm: the lease of a killed one runs out after 10 s and is taken
/// within a second by another, which confirms by taking it. Then some projector is missing.
const CONFIRMED_WITHIN: Duration = Duration::from_mins(1);

/// How often it is looked whether they have: they look at the plan twice a second.
const LOOK: Duration = Duration::from_millis(200);

/// A read model that can be built anew, by the name of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ReadModel {
    Users1,
    Role,
    Notifications,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// The read model.
    #[arg(value_enum)]
    model: ReadModel,
    /// Delete the rows of the generations before the one that is read, instead.
    #[arg(long)]
    delete_old: bool,
}

/// What a rebuild works on.
struct Work<'a, R: Row> {
    context: &'a Context,
    table: &'static Table,
    rows: Rows<R>,
    plans: Plans,
}

impl ReadModel {
    pub(super) fn table(self) -> &'static Table {
        match self {
            Self::Users1 => &USERS,
            Self::Role => &ROLES,
            Self::Notifications => &NOTIFICATIONS,
        }
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let (context, _) = connect(&arguments.settings).await?;
    let (table, delete) = (arguments.model.table(), arguments.delete_old);
    match arguments.model {
        ReadModel::Users1 => Work::<UserState>::new(&context, table).run(delete).await,
        ReadModel::Role => Work::<RoleState>::new(&context, table).run(delete).await,
        ReadModel::Notifications => Work::<NotificationState>::new(&context, table).run(delete).await,
    }
}

impl<'a, R: Row> Work<'a, R> {
    fn new(context: &'a Context, table: &'static Table) -> Self {
        let client = || context.aws.dynamodb.clone();
        let generations = Generations::new(client(), &context.names);
        let rows = Rows::new(client(), &context.names, table, &generations);
        Self { context, table, rows, plans: Plans::new(client(), &context.names) }
    }

    async fn run(&self, delete_old: bool) -> anyhow::Result<Verdict> {
        if delete_old { self.delete_old().await } else { self.rebuild().await }
    }

    async fn rebuild(&self) -> anyhow::Result<Verdict> {
        let name = self.table.name;
        let mut plan = self.plans.read().await?;
        if plan.of(name).building().is_none() {
            plan = self.change(&plan, plan.of(name).with_another()).await?;
        }
        let model = plan.of(name);
        let Some(number) = model.building() else { bail!("there is nothing to build") };
        eprintln!("building generation {number} of {name} beside generation {}", model.current);
        self.confirmed(plan.number).await?;
        let new = Generation::new(self.rows.at(number));
        self.scan(&new, number).await?;
        let built = self.compare(&new, &model, number).await?;
        for (stream, why) in &built.unreadable {
            println!("{stream} cannot be applied to its end: {why}");
        }
        if !built.behind.is_empty() {
            for id in &built.behind {
                println!("{id}: the row that is read is newer than what the log gives");
            }
            println!("{} rows would become older: generation {number} of {name} is not read", built.behind.len());
            return Ok(Verdict::Wrong);
        }
        let plan = self.plans.read().await?;
        ensure!(plan.of(name).building() == Some(number), "somebody else has changed the generations of {name}");
        self.change(&plan, plan.of(name).switched(self.context.clock.now())).await?;
        self.forget_place().await?;
        println!(
            "generation {number} of {name} is read now: {} rows, {} of them brought up by the comparison; \
             delete the old ones by `projector rebuild {name} --delete-old`",
            built.rows, built.healed
        );
        Ok(Verdict::Well)
    }

    async fn delete_old(&self) -> anyhow::Result<Verdict> {
        let name = self.table.name;
        let plan = self.plans.read().await?;
        let model = plan.of(name);
        if let Some(switched_at) = model.switched_at {
            // Until then somebody may read the old rows.
            let since = (self.context.clock.now() - switched_at).to_std().unwrap_or_default();
            sleep(SWITCHED_WITHIN.saturating_sub(since)).await;
        }
        let plan = match model.without_old() {
            same if same == model => plan,
            less => self.change(&plan, less).await?,
        };
        self.confirmed(plan.number).await?;
        let deleted = self.sweep(plan.of(name).current).await?;
        println!("{deleted} rows of old generations of {name} are deleted");
        Ok(Verdict::Well)
    }

    async fn change(&self, before: &Plan, model: Model) -> anyhow::Result<Plan> {
        let plan = before.with(self.table.name, model);
        ensure!(self.plans.write(before, &plan).await?, "somebody else has changed the generations at the same time");
        Ok(plan)
    }

    /// Waits until every open shard of the log's stream is read by the plan of this number.
    async fn confirmed(&self, number: u64) -> anyhow::Result<()> {
        let (aws, names) = (&self.context.aws, &self.context.names);
        let (source, leases) = (DynamoSource::new(aws, names), LeaseTable::new(aws, names));
        let deadline = Instant::now() + CONFIRMED_WITHIN;
        loop {
            // A stream that the table has no more brings nothing that came later.
            let stream = source.stream().await?;
            let mut behind: Vec<String> = leases
                .list()
                .await?
                .into_iter()
                .filter(|lease| lease.stream == stream && !lease.is_leaders() && !lease.is_finished())
                .filter(|lease| lease.plan < number)
                .map(|lease| lease.shard)
                .collect();
            let Some(one) = behind.pop() else { return Ok(()) };
            ensure!(
                Instant::now() < deadline,
                "shard {one} and {} others are read by no projector that knows of this: is one running? Start the \
                 command again; it goes on where it was",
                behind.len()
            );
            sleep(LOOK).await;
        }
    }
}
