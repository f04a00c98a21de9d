//! How far a rebuild's scan is, for one that is interrupted: an item beside the leases.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use events::views::Row;
use platform::{
    store::{StoreError, unavailable},
    tables::LEASES,
};

use super::Work;

/// Stands for the end of a segment; no key of the log is empty.
const END: &str = "end";

type Item = HashMap<String, AttributeValue>;

/// Where to go on in a segment.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    Beginning,
    After(Item),
    End,
}

impl<R: Row> Work<'_, R> {
    /// The places of all segments, if a scan of this generation with as many segments was begun; else it begins.
    pub(super) async fn places(&self, generation: u32, segments: i32) -> Result<Vec<Place>, StoreError> {
        let scan = AttributeValue::S(format!("{generation} in {segments}"));
        let get = self.context.aws.dynamodb.get_item().table_name(self.leases()).consistent_read(true);
        let item = get.key("lease", self.key()).send().await.map_err(unavailable)?.item.unwrap_or_default();
        if item.get("scan") != Some(&scan) {
            let put = self.context.aws.dynamodb.put_item().table_name(self.leases());
            let put = put.item("lease", self.key()).item("scan", scan);
            put.item("places", AttributeValue::M(HashMap::new())).send().await.map_err(unavailable)?;
            return Ok(vec![Place::Beginning; usize::try_from(segments).unwrap_or_default()]);
        }
        let places = item.get("places").and_then(|places| places.as_m().ok()).cloned().unwrap_or_default();
        let place = |segment: i32| match places.get(&segment.to_string()) {
            None => Place::Beginning,
            Some(AttributeValue::M(key)) => Place::After(key.clone()),
            Some(_) => Place::End,
        };
        Ok((0..segments).map(place).collect())
    }

    /// Notes that everything up to a place is applied. `None`: the whole segment is.
    pub(super) async fn note_place(&self, segment: i32, place: Option<Item>) -> Result<(), StoreError> {
        let place = place.map_or_else(|| AttributeValue::S(END.to_owned()), AttributeValue::M);
        let update = self.context.aws.dynamodb.update_item().table_name(self.leases()).key("lease", self.key());
        let update = update
            .update_expression("SET #places.#segment = :place")
            .expression_attribute_names("#places", "places")
            .expression_attribute_names("#segment", segment.to_string())
            .expression_attribute_values(":place", place);
        update.send().await.map(drop).map_err(unavailable)
    }

    pub(super) async fn forget_place(&self) -> Result<(), StoreError> {
        let delete = self.context.aws.dynamodb.delete_item().table_name(self.leases()).key("lease", self.key());
        delete.send().await.map(drop).map_err(unavailable)
    }

    fn leases(&self) -> String {
        self.context.names.table(&LEASES)
    }

    fn key(&self) -> AttributeValue {
        AttributeValue::S(format!("rebuild/{}", self.table.name))
    }
}
