//! Runs the projector: the worker, the dispatcher of each lane, the sweeper, and health.

use std::sync::Arc;

use axum::{Json, routing::get};
use events::notification::NotificationState;
use futures::FutureExt;
use platform::{
    http::{health, layers, serve},
    lifecycle::{Background, Shutdown},
    rows::Rows,
    tables::{NOTIFICATIONS, QUEUES},
    telemetry,
};
use tokio::net::TcpListener;

use crate::{
    feed::Feed,
    notify::{self, Dispatcher, Judge, Pacer, Queues, Sweeper},
    ops::{Own, audit::Audit},
    state::AppState,
    stream::{Config, DynamoSource, LeaseTable, Tally, Worker},
};

/// Works until the shutdown. The leases are given up first, while the dispatchers still finish what is in flight.
///
/// # Errors
/// When the queues are not there, or one of its parts has died.
pub async fn serve(listener: TcpListener, state: AppState, shutdown: Shutdown) -> anyhow::Result<()> {
    // On the heap: it is large, and lives as long as the process.
    Box::pin(run(listener, state, shutdown)).await
}

async fn run(listener: TcpListener, state: AppState, shutdown: Shutdown) -> anyhow::Result<()> {
    let AppState { context, telnyx, sending, public_url } = state;
    let (tables, names) = (&context.aws.dynamodb, &context.names);
    let queues = Queues::find(context.aws.sqs.clone(), names).await?;
    let feed = Feed::new(&context, queues.clone());
    let worker = Worker::on_dynamodb(&context, feed.clone(), Config::default());
    let rows: Rows<NotificationState> = Rows::new(tables.clone(), names, &NOTIFICATIONS, &context.generations);
    let sweeper = Sweeper::new(rows, queues.clone(), context.clock.clone());
    let (pacer, pacing) = Pacer::new(&context, telnyx.sender(), sending.limits);
    let judge = Judge::new(context.clone(), sending.countries);
    let dispatcher = Dispatcher::new(notify::Worker::new(context.clone(), telnyx, judge, pacer, &public_url), queues);

    let mut background = Background::default();
    let (generations, stopping) = (context.generations.clone(), shutdown.clone());
    background.spawn("the reader of the generations", async move {
        tokio::select! { () = stopping.begun() => (), () = generations.poll() => () }
    });
    let (reading, stopping) = (worker.clone(), shutdown.clone());
    background.spawn("the reader of the log", async move { reading.run(&stopping).await });
    background.spawn("the retry of what older builds parked", feed.clone().retry_older(shutdown.clone()));
    let sweeping = worker.clone();
    background.spawn("the sweeper", sweeper.run(move || sweeping.status().leading, shutdown.clone()));
    // It answers the dispatchers until the last of them is done.
    tokio::spawn(pacing);
    let (audited, audit) = (worker.clone(), Audit::new(context.clone(), feed));
    let leads = move || {
        let status = audited.status();
        status.complete_until.filter(|_| status.leading)
    };
    background.spawn("the audit", audit.run(leads, shutdown.clone()));
    for queue in &QUEUES {
        background.spawn("a dispatcher", dispatcher.clone().run(queue.lane, shutdown.clone()));
    }
    let told = worker.clone();
    let readiness: health::Readiness = Arc::new(move || {
        let missing = if worker.status().is_ready() { vec![] } else { vec!["the leases, and how far every shard is"] };
        async move { missing }.boxed()
    });
    let status = health::on_this_machine("/status", get(move || async move { Json(own(&told)) }));
    let router = layers::wrap(health::routes(readiness).merge(status), context.clock.clone());
    background.beside(serve::serve(listener, router, shutdown.clone()), &shutdown).await?;
    Ok(background.finish(&shutdown).await?)
}

/// What this process tells of itself, for `projector status`.
fn own(worker: &Worker<DynamoSource, LeaseTable, Feed>) -> Own {
    let status = worker.status();
    Own {
        worker: worker.id().to_string(),
        held: status.held,
        leading: status.leading,
        records: status.tallies.get(&Tally::Records).copied().unwrap_or_default(),
        recent: telemetry::recent(),
    }
}
