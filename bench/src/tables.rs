use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType,
    },
};

/// Partition key, a text, and sort key, a number.
type Keys = (&'static str, Option<&'static str>);

/// Creates a table of a peer's, perhaps with an index.
///
/// # Errors
/// The engine's.
pub(crate) async fn create(client: &Client, name: &str, keys: Keys, index: Option<(&str, Keys)>) -> anyhow::Result<()> {
    let mut attributes: Vec<(&str, ScalarAttributeType)> = Vec::new();
    for (partition, sort) in std::iter::once(keys).chain(index.map(|(_, keys)| keys)) {
        attributes.push((partition, ScalarAttributeType::S));
        attributes.extend(sort.map(|sort| (sort, ScalarAttributeType::N)));
    }
    attributes.sort_by_key(|(name, _)| *name);
    attributes.dedup_by_key(|(name, _)| *name);
    let definitions = attributes
        .into_iter()
        .map(|(name, kind)| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build());
    let indexes = index.map(|(name, keys)| {
        let projection = Projection::builder().projection_type(ProjectionType::All).build();
        let index = GlobalSecondaryIndex::builder().index_name(name).set_key_schema(Some(schema(keys)?));
        anyhow::Ok(vec![index.projection(projection).build()?])
    });
    client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(definitions.collect::<Result<_, _>>()?))
        .set_key_schema(Some(schema(keys)?))
        .set_global_secondary_indexes(indexes.transpose()?)
        .send()
        .await?;
    Ok(())
}

fn schema((partition, sort): Keys) -> anyhow::Result<Vec<KeySchemaElement>> {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let sort = sort.map(|sort| element(sort, KeyType::Range));
    Ok(std::iter::once(element(partition, KeyType::Hash)).chain(sort).collect::<Result<_, _>>()?)
}
