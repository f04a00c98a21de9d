//! Rows that no projector wrote, and a query-api whose calls are counted.

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use dev::wiretap::Wiretap;
use events::user::UserState;
use futures::{StreamExt, stream};
use platform::{
    clock::Clock,
    lifecycle::Shutdown,
    rows::{Generations, Item, Rows},
    tables::{Names, USERS},
};
use tokio::net::TcpListener;

use super::{Client, TestWorld, engine};

/// Most items of one `BatchWriteItem`.
const BATCH: usize = 25;

/// Batches that are written at once.
const AT_ONCE: usize = 4;

/// Puts rows of users with their entries straight into their table.
pub async fn put_users(dynamodb: &str, users: impl Iterator<Item = UserState>) {
    let client = engine::client(dynamodb);
    let names = Names::new("");
    let rows: Rows<UserState> = Rows::new(client.clone(), &names, &USERS, &Generations::new(client.clone(), &names));
    let mut items: Vec<Item> = Vec::new();
    for user in users {
        items.extend(rows.items_of(&user).await.unwrap());
    }
    let put = |item: Item| PutRequest::builder().set_item(Some(item)).build().unwrap();
    let batches = items.chunks(BATCH).map(|items| {
        let puts = items.iter().map(|item| WriteRequest::builder().put_request(put(item.clone())).build()).collect();
        let written = client.batch_write_item().request_items(USERS.name, puts).send();
        async move { assert!(written.await.unwrap().unprocessed_items.unwrap_or_default().is_empty()) }
    });
    stream::iter(batches).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// A query-api of its own in a world, whose way to DynamoDB is listened to.
pub struct Tapped {
    pub api: Client,
    pub tap: Wiretap,
    pub shutdown: Shutdown,
}

impl Tapped {
    pub async fn start(world: &TestWorld) -> Self {
        let tap = Wiretap::start(world.world.addresses.dynamodb.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = world.settings();
        settings.dynamodb_url = Some(tap.url.clone());
        let config = query_api::config::Config { settings, listen: listener.local_addr().unwrap() };
        let api = Client::new(&format!("http://{}", config.listen)).with_token(world.api.token());
        let shutdown = Shutdown::new();
        let state = query_api::state::AppState::open(&config, Clock::system()).await.unwrap();
        tokio::spawn(query_api::server::serve(listener, state, shutdown.clone()));
        api.get_until("/readyz", |answer| answer.status.is_success()).await;
        Self { api, tap, shutdown }
    }
}
