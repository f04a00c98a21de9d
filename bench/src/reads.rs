use anyhow::{Context, ensure};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use events::views::BUCKETS;
use platform::clock::Clock;
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
    dynamodb: Client,
}

impl<const PAGES: bool> Contest for Reads<PAGES> {
    const SIDES: &'static [&'static str] = if PAGES {
        &["query-api", "bare Query of each bucket", "bare Query"]
    } else {
        &["query-api", "bare SDK", "GET /healthz, which is HTTP alone"]
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
        Ok(Self { queries, dynamodb: stage.dynamodb.clone(), stage })
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
            (false, _) => {
                let key = AttributeValue::S(format!("1#{id}"));
                let found = self.dynamodb.get_item().table_name("users1").key("id", key).send().await?;
                found.item.context("no such user").map(drop)
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
