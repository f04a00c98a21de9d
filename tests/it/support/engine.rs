//! A client of a world's engine, for looking behind the API.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};

/// A client of the engine at `url`.
pub fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials());
    Client::from_conf(config.build())
}

/// Credentials that the engine takes.
pub fn credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "tests")
}

/// Every item of a table.
pub async fn items(client: &Client, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    let scan = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    scan.collect::<Result<_, _>>().await.unwrap()
}
