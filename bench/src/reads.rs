use anyhow::ensure;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::get,
};
use events::views::BUCKETS;
use platform::{clock::Clock, tokens::Verifier};
use reqwest::header::HeaderName;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    contest::{Contest, Pair},
    projector::{Projector, until},
    stage::Stage,
};

/// Users that there are: a page of them in each bucket.
const USERS: usize = 480;

/// Users on a page, and one to know whether there are more.
const PAGE: i32 = 51;

/// Reads through query-api, beside the bare SDK's `GetItem` and the queries of the same page.
pub(crate) struct Reads<const PAGES: bool> {
    stage: Stage,
    queries: String,
    least: String,
    dynamodb: Client,
}

impl<const PAGES: bool> Contest for Reads<PAGES> {
    const SIDES: &'static [&'static str] = if PAGES {
        &["query-api", "bare Query of each bucket", "bare Query"]
    } else {
        &["query-api", "bare SDK", "GET /healthz, which is HTTP alone", "bare SDK behind HTTP and a verified token"]
    };
    const PAIRS: &'static [Pair] = if PAGES {
        &[
            Pair { cell: "read a page of 50 users", sides: (0, 1), at_least: Some(0.7), p99_at_most: None },
            Pair { cell: "read a page of 50 users", sides: (0, 2), at_least: Some(0.7), p99_at_most: None },
        ]
    } else {
        &[
            Pair { cell: "read a user", sides: (0, 1), at_least: Some(0.7), p99_at_most: None },
            Pair { cell: "read a user", sides: (0, 2), at_least: None, p99_at_most: None },
            Pair { cell: "read a user", sides: (0, 3), at_least: None, p99_at_most: None },
        ]
    };

    async fn start(_: usize) -> anyhow::Result<Self> {
        let stage = Stage::start(USERS).await?;
        let projector = Projector::start(&stage).await?;
        for user in 0..USERS {
            until("the user is visible", || async { Ok(stage.shown(user).await? > 0) }).await?;
        }
        projector.stop(&stage).await?;
        let queries = serve(&stage).await?;
        let least = least(&stage).await?;
        Ok(Self { queries, least, dynamodb: stage.dynamodb.clone(), stage })
    }

    async fn request(&self, side: usize, client: usize) -> anyhow::Result<()> {
        let id = &self.stage.users[client % USERS];
        match (PAGES, side) {
            (false, 0) => self.ask(&format!("/v1/users/{id}")).await.map(drop),
            (false, 2) => {
                let request = self.stage.http.get(format!("{}/healthz", self.queries));
                request.send().await?.error_for_status()?.bytes().await?;
                Ok(())
            }
            (false, 3) => {
                let request = self.stage.http.get(format!("{}/{id}", self.least)).bearer_auth(&self.stage.token);
                request.send().await?.error_for_status()?.bytes().await?;
                Ok(())
            }
            (false, _) => {
                ensure!(is_there(&self.dynamodb, id).await?, "no such user");
                Ok(())
            }
            (true, 0) => {
                let page = self.ask("/v1/users?sort=-created_at").await?;
                ensure!(page["items"].as_array().is_some_and(|items| items.len() == 50), "no page");
                Ok(())
            }
            (true, 1) => {
                let buckets = (0..BUCKETS).map(|bucket| self.query(bucket));
                futures::future::try_join_all(buckets).await.map(drop)
            }
            (true, _) => self.query(0).await,
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stage.stop().await;
        Ok(())
    }
}

impl<const PAGES: bool> Reads<PAGES> {
    async fn ask(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.stage.http.get(format!("{}{path}", self.queries)).bearer_auth(&self.stage.token);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    async fn query(&self, bucket: u8) -> anyhow::Result<()> {
        let query = self.dynamodb.query().table_name("users1").index_name("by_created").scan_index_forward(false);
        query
            .limit(PAGE)
            .key_condition_expression("#bucket = :bucket")
            .expression_attribute_names("#bucket", "bucket")
            .expression_attribute_values(":bucket", AttributeValue::S(format!("1#{bucket}")))
            .send()
            .await?;
        Ok(())
    }
}

async fn is_there(dynamodb: &Client, id: &str) -> anyhow::Result<bool> {
    let key = AttributeValue::S(format!("1#{id}"));
    Ok(dynamodb.get_item().table_name("users1").key("id", key).send().await?.item.is_some())
}

/// The least that any service does for such a read, over HTTP and for nobody without a token: what it reads is not looked at.
async fn least(stage: &Stage) -> anyhow::Result<String> {
    async fn answer(
        State((dynamodb, verifier)): State<(Client, Verifier)>,
        Path(id): Path<String>,
        headers: HeaderMap,
    ) -> StatusCode {
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if token.is_none_or(|token| verifier.verify(token, Clock::system().now()).is_err()) {
            return StatusCode::UNAUTHORIZED;
        }
        match is_there(&dynamodb, &id).await {
            Ok(true) => StatusCode::OK,
            Ok(false) => StatusCode::NOT_FOUND,
            Err(_) => StatusCode::BAD_GATEWAY,
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/{id}", get(answer)).with_state((stage.dynamodb.clone(), stage.verifier.clone()));
    let shutdown = stage.shutdown.clone();
    let until = async move { shutdown.begun().await };
    tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(until).await });
    Ok(url)
}

/// States from where a request comes, as the stage's services are told.
pub(crate) const ADDRESS: HeaderName = dev::proxy::VIEWER_ADDRESS;

/// One of many addresses.
pub(crate) fn address(number: usize) -> String {
    format!("198.51.{}.{}:443", number / 250, 1 + number % 250)
}

/// query-api on a stage's engine, in this process; its address.
pub(crate) async fn serve(stage: &Stage) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let config = query_api::config::Config { settings: stage.settings(), listen: listener.local_addr()? };
    let state = query_api::state::AppState::open(&config, Clock::system()).await?;
    tokio::spawn(query_api::server::serve(listener, state, stage.shutdown.clone()));
    until("query-api is ready", || async {
        Ok(stage.http.get(format!("{url}/readyz")).send().await?.status().is_success())
    })
    .await?;
    Ok(url)
}
