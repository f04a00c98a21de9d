//! Creates the tables that the services need, from the same data that the infrastructure is checked against.

use anyhow::{Context, bail, ensure};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    error::SdkError,
    operation::create_table::CreateTableError,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType as KeyRole, Projection,
        ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType, TableDescription,
        TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use platform::tables::{ALL, Key, KeyType, Names, Table};

/// A client of the local engine, which looks at neither region nor credentials.
pub(super) fn client(url: &str) -> Client {
    Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(url)
            .build(),
    )
}

/// Creates every table that does not exist.
///
/// # Errors
/// A table exists with other keys, indexes or stream: the data were written by another version.
pub(super) async fn create(client: &Client, names: &Names) -> anyhow::Result<()> {
    for table in &ALL {
        let name = names.table(table);
        create_table(client, table, &name).await.with_context(|| format!("create table {name}"))?;
        if let Some(attribute) = table.time_to_live {
            set_time_to_live(client, &name, attribute)
                .await
                .with_context(|| format!("time to live of table {name}"))?;
        }
    }
    Ok(())
}

async fn create_table(client: &Client, table: &Table, name: &str) -> anyhow::Result<()> {
    let keys = key_schema(table.partition, table.sort)?;
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys.clone()))
        .set_attribute_definitions(Some(attributes(table)?));
    for index in table.indexes {
        request = request.global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .set_key_schema(Some(key_schema(index.partition, Some(index.sort))?))
                .projection(Projection::builder().projection_type(ProjectionType::All).build())
                .build()?,
        );
    }
    if table.streamed {
        request = request.stream_specification(
            StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage).build()?,
        );
    }
    match request.send().await.map_err(SdkError::into_service_error) {
        Ok(_) => Ok(()),
        Err(CreateTableError::ResourceInUseException(_)) => {
            let found = client.describe_table().table_name(name).send().await?;
            let found = found.table.context("a table without a description")?;
            ensure!(
                is_same(&found, table, &keys),
                "it exists, but was made by another version: start afresh with --reset"
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn is_same(found: &TableDescription, table: &Table, keys: &[KeySchemaElement]) -> bool {
    let mut indexes: Vec<_> = found.global_secondary_indexes().iter().filter_map(|index| index.index_name()).collect();
    let mut wanted: Vec<_> = table.indexes.iter().map(|index| index.name).collect();
    indexes.sort_unstable();
    wanted.sort_unstable();
    let streamed =
        found.stream_specification().is_some_and(|stream| stream.stream_view_type() == Some(&StreamViewType::NewImage));
    found.key_schema() == keys && indexes == wanted && streamed == table.streamed
}

fn key_schema(partition: Key, sort: Option<Key>) -> anyhow::Result<Vec<KeySchemaElement>> {
    [Some((partition, KeyRole::Hash)), sort.map(|key| (key, KeyRole::Range))]
        .into_iter()
        .flatten()
        .map(|(key, role)| Ok(KeySchemaElement::builder().attribute_name(key.name).key_type(role).build()?))
        .collect()
}

fn attributes(table: &Table) -> anyhow::Result<Vec<AttributeDefinition>> {
    let mut keys: Vec<Key> = vec![table.partition];
    keys.extend(table.sort);
    for index in table.indexes {
        keys.extend([index.partition, index.sort]);
    }
    keys.sort_unstable_by_key(|key| key.name);
    keys.dedup();
    if keys.windows(2).any(|pair| pair[0].name == pair[1].name) {
        bail!("one attribute with two types");
    }
    keys.into_iter()
        .map(|key| {
            Ok(AttributeDefinition::builder()
                .attribute_name(key.name)
                .attribute_type(match key.kind {
                    KeyType::Text => ScalarAttributeType::S,
                    KeyType::Number => ScalarAttributeType::N,
                })
                .build()?)
        })
        .collect()
}

async fn set_time_to_live(client: &Client, name: &str, attribute: &str) -> anyhow::Result<()> {
    let found = client.describe_time_to_live().table_name(name).send().await?;
    let status = found.time_to_live_description.and_then(|description| description.time_to_live_status);
    if status == Some(TimeToLiveStatus::Enabled) {
        return Ok(());
    }
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute).build()?)
        .send()
        .await?;
    Ok(())
}
