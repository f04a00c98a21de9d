//! Rows of many entities that have none yet, written together: for whoever fills a read model.

use aws_sdk_dynamodb::{operation::transact_write_items::TransactWriteItemsError, types::TransactWriteItem};
use events::views::Row;
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Rows,
    gate::{FASTER, MOST_ACTIONS, Stored},
    items,
};
use crate::store::{StoreError, unavailable};

/// Transactions and single writes that are under way at once.
const AT_ONCE: usize = 4;

/// How often a transaction is tried without what has kept it back before: a refusal names all such rows at once, so that a
/// second one is of a writer who came between the two.
const TRIES: usize = 2;

/// A row of those that are to be written, by its place among them.
struct Part {
    place: usize,
    actions: Vec<TransactWriteItem>,
}

impl<R: Row> Rows<R> {
    /// Writes rows whose entities have none yet, each with its entries or not at all, as many as possible in one transaction.
    /// Gives for each whether it was written; whatever was not is to be written for itself, to see why.
    ///
    /// A row without entries is written for itself in any case: in a transaction it would cost twice as much.
    ///
    /// # Errors
    /// [`StoreError`]; some rows may be written then.
    pub async fn put_new(&self, rows: &[R]) -> Result<Vec<bool>, StoreError> {
        let generation = self.generation.number().await?;
        let (mut alone, mut packs): (Vec<usize>, Vec<Vec<Part>>) = (Vec::new(), Vec::new());
        let mut free = 0;
        for (place, row) in rows.iter().enumerate() {
            let entries = items::entries(generation, row);
            if entries.is_empty() || entries.len() >= MOST_ACTIONS {
                alone.push(place);
                continue;
            }
            let Some(item) = items::row_item(generation, row) else { continue };
            let actions = self.actions(item, Stored::<R>::condition(None), Vec::new(), entries)?;
            let length = actions.len();
            let part = Part { place, actions };
            if let Some(pack) = packs.last_mut().filter(|_| length <= free) {
                pack.push(part);
            } else {
                packs.push(vec![part]);
                free = MOST_ACTIONS;
            }
            free -= length;
        }
        let packs: Vec<_> = packs.into_iter().map(|pack| self.put_pack(pack)).collect();
        let packed: Vec<Vec<usize>> = stream::iter(packs).buffer_unordered(AT_ONCE).try_collect().await?;
        let alone: Vec<_> = alone.into_iter().map(|place| self.put_alone(place, &rows[place])).collect();
        let single: Vec<Option<usize>> = stream::iter(alone).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut written = vec![false; rows.len()];
        for place in packed.into_iter().flatten().chain(single.into_iter().flatten()) {
            written[place] = true;
        }
        Ok(written)
    }

    /// The row's place if it was written; one that the table can never take keeps nobody else back.
    async fn put_alone(&self, place: usize, row: &R) -> Result<Option<usize>, StoreError> {
        match self.put(row, None).await {
            Err(error) if error.is_outage() => Err(error),
            written => Ok(written.unwrap_or(false).then_some(place)),
        }
    }

    /// Writes some rows in one transaction, without those that are there already; gives the places of the written ones.
    async fn put_pack(&self, mut pack: Vec<Part>) -> Result<Vec<usize>, StoreError> {
        for _ in 0..TRIES {
            let actions: Vec<_> = pack.iter().flat_map(|part| part.actions.iter().cloned()).collect();
            let sent = self.client.transact_write_items().set_transact_items(Some(actions)).send().await;
            let Err(error) = sent else { return Ok(pack.into_iter().map(|part| part.place).collect()) };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
            else {
                let error = unavailable(error);
                return if error.is_outage() { Err(error) } else { Ok(Vec::new()) };
            };
            let mut reasons = cancelled.cancellation_reasons().iter().map(|reason| reason.code());
            let before = pack.len();
            pack.retain(|part| {
                let mut own = reasons.by_ref().take(part.actions.len());
                // All of them are to be taken, also behind the first that is one.
                own.by_ref().filter(|code| code.is_some_and(|code| FASTER.contains(&code))).count() == 0
            });
            if pack.is_empty() || pack.len() == before {
                return Ok(Vec::new());
            }
        }
        Ok(Vec::new())
    }
}
