//! `POST /v1/users:import`

mod lines;

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use events::permission::Permission;
use futures::{Stream, StreamExt, stream};
use platform::{
    http::{
        Problem,
        auth::Caller,
        documented::{Bodied, Guarded, Served},
        json,
        layers::Trip,
    },
    store::Outcome,
};
use serde::Serialize;
use tokio::{sync::mpsc, time::timeout};
use utoipa::ToSchema;
use uuid::Uuid;

use self::lines::Lines;
use super::register::{CreateUser, register};
use crate::{
    conditions::{Conditions, DryRun, KeyRequired, Keyed},
    state::AppState,
};

/// Largest import, in bytes.
pub const MAX_IMPORT_BYTES: usize = 16 * 1024 * 1024;

/// Imports at a time in one process: each may hold its whole body.
pub const IMPORTS_AT_ONCE: usize = 2;

/// Longest pause of a reader before its import breaks off.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);

/// Longest that an import holds its place, whatever its reader does. 16 MB are 80,000 users, which take 13 minutes if each
/// has a password and two cores hash a hundred of them a second. Whoever needs longer sends it again under the same key.
const IMPORTS_WITHIN: Duration = Duration::from_mins(15);

/// Lines that are worked on at once: enough to hide the log's latency, few beside what other requests need.
const LINES_AT_ONCE: usize = 16;

const MEDIA_TYPE: &str = "application/x-ndjson";

/// What became of one line, or, in the answer's last line, of all.
#[derive(Default, Serialize, ToSchema)]
pub struct LineResult {
    /// Number of the line, from 1; absent in the last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    line: Option<usize>,
    /// The status that `POST /v1/users` would have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<u16>,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<Uuid>,
    /// Whether the line was carried out by an earlier import under the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replayed: Option<bool>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
    /// In the last line: how many lines there were. Without it the import broke off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lines: Option<usize>,
}

/// Create many users, one a line.
///
/// Each line is what `POST /v1/users` takes. The answer tells of each line as soon as it is done, in order, so that it
/// is the progress, too. Sent again under the same key, whatever was carried out is answered again and the rest goes on:
/// lines may be mended, moved and added meanwhile.
#[utoipa::path(
    post, path = "/v1/users:import", tag = "users", operation_id = "import_users",
    security(("bearer" = [])),
    request_body(
        content = CreateUser, content_type = "application/x-ndjson", description = "One user a line, 16 MB at most",
        example = json!({ "email": "ada@example.com", "username": "ada", "first_name": "Ada", "last_name": "Lovelace", "phone": "+15125550123" })
    ),
    params(KeyRequired, DryRun),
    responses(
        (status = 200, description = "One result a line (NDJSON), and a last line that counts them", body = LineResult, content_type = "application/x-ndjson",
            example = json!({ "line": 1, "status": 201, "id": "0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4", "replayed": false })),
        Guarded, Served, Bodied,
    )
)]
pub async fn import(
    State(state): State<AppState>,
    caller: Caller,
    Keyed(conditions): Keyed,
    request: Request,
) -> Result<Response, Problem> {
    json::require(MEDIA_TYPE, request.headers())?;
    caller.require(Permission::USERS_WRITE)?;
    // Nobody makes us hold 16 MB before there is a place for it. A body that trickles in gives it up at the request's
    // deadline.
    let place = Arc::clone(&state.imports).try_acquire_owned().map_err(|_| Problem::overloaded())?;
    let lines = Lines::new(json::read(request, MAX_IMPORT_BYTES).await?);
    let (results, mut told) = mpsc::channel(LINES_AT_ONCE);
    let import = Arc::new(Import { state, caller, conditions });
    tokio::spawn(Trip::current().carry(async move {
        tell(import.run(lines), results).await;
        drop(place);
    }));
    let body = Body::from_stream(stream::poll_fn(move |context| told.poll_recv(context)));
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response())
}

struct Import {
    state: AppState,
    caller: Caller,
    conditions: Conditions,
}

impl Import {
    /// What becomes of each line, in order: as far as it is asked for, and a few lines ahead.
    fn run(self: Arc<Self>, lines: Lines) -> impl Stream<Item = LineResult> {
        let each = stream::iter(lines).map(move |(number, line)| {
            let import = Arc::clone(&self);
            async move { import.line(number, &line).await }
        });
        each.buffered(LINES_AT_ONCE)
    }

    async fn line(&self, number: usize, line: &[u8]) -> LineResult {
        let done = self.register(line).await;
        let line = LineResult { line: Some(number), ..LineResult::default() };
        match done {
            Ok((_, Outcome::Validated)) => LineResult { status: Some(StatusCode::OK.as_u16()), ..line },
            Ok((id, outcome)) => LineResult {
                status: Some(StatusCode::CREATED.as_u16()),
                id: Some(id),
                replayed: Some(outcome == Outcome::Replayed),
                ..line
            },
            Err(problem) => LineResult { status: Some(problem.status.as_u16()), problem: Some(problem), ..line },
        }
    }

    /// The caller may have lost the right since the line before.
    async fn register(&self, line: &[u8]) -> Result<(Uuid, Outcome), Problem> {
        self.caller.still_holds(&self.state.context.authenticator, Permission::USERS_WRITE).await?;
        let request: CreateUser = json::parse(line)?;
        let part = self.conditions.part(&self.state.digest_key.tag(&[b"line", line.trim_ascii()]));
        let (id, executed) = register(&self.state, self.caller.actor(), &part, request).await?;
        Ok((id.0, executed.outcome))
    }
}

/// Tells of each line, and at last how many there were, until nobody listens any more or the time is over.
async fn tell(done: impl Stream<Item = LineResult>, results: mpsc::Sender<serde_json::Result<Bytes>>) {
    let telling = async {
        let (mut done, mut lines) = (pin!(done), 0);
        while let Some(result) = done.next().await {
            lines += 1;
            if !told(&result, &results).await {
                return;
            }
        }
        told(&LineResult { lines: Some(lines), ..LineResult::default() }, &results).await;
    };
    if timeout(IMPORTS_WITHIN, telling).await.is_err() {
        tracing::info!("an import broke off: its time was over");
    }
}

/// Whether somebody took it in time.
async fn told(result: &LineResult, results: &mpsc::Sender<serde_json::Result<Bytes>>) -> bool {
    let text = serde_json::to_vec(result).map(|mut text| {
        text.push(b'\n');
        Bytes::from(text)
    });
    matches!(timeout(LISTENS_WITHIN, results.send(text)).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// Imports lines without end for a reader that takes one every `pause`; gives how long it went on and what the reader had.
    async fn endless(pause: Duration) -> (Duration, Vec<String>) {
        let (results, mut told) = mpsc::channel(1);
        let began = Instant::now();
        let telling = tokio::spawn(async move {
            tell(stream::repeat_with(LineResult::default), results).await;
            began.elapsed()
        });
        let mut had = Vec::new();
        loop {
            sleep(pause).await;
            let Some(text) = told.recv().await else { break };
            had.push(String::from_utf8(text.unwrap().to_vec()).unwrap());
        }
        (telling.await.unwrap(), had)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_does_not_hold_a_place_for_ever() {
        let (took, had) = endless(LISTENS_WITHIN.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(took, IMPORTS_WITHIN);
        assert!(had.len() > 1 && had.iter().all(|text| text == "{}\n"), "{had:?}");
        let (took, _) = endless(LISTENS_WITHIN + Duration::from_secs(1)).await;
        assert!(took < LISTENS_WITHIN * 2, "{took:?}");
    }

    #[tokio::test]
    async fn the_last_line_counts_what_was_told() {
        let (results, mut told) = mpsc::channel(8);
        tell(stream::iter([LineResult::default(), LineResult::default()]), results).await;
        let mut last = None;
        while let Some(text) = told.recv().await {
            last = Some(text.unwrap());
        }
        assert_eq!(last.unwrap(), "{\"lines\":2}\n");
    }
}
