//! `/v2/detail_records` and `/v2/messaging_optouts`: what Telnyx lists in pages.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
};
use platform::telnyx::wire::{DetailRecord, OptOut, Page, PageMeta};

use super::{
    State,
    messages::authorise,
    query::{OptOutQuery, Paging, Pairs, RecordQuery},
    refusal::Refusal,
};

/// `GET /v2/detail_records?filter[record_type]=messaging`: messages that left the queue.
pub(super) async fn records(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    pairs: Result<Query<Pairs>, QueryRejection>,
) -> Result<Json<Page<DetailRecord>>, Refusal> {
    authorise(&state, &headers)?;
    let query = RecordQuery::read(&readable(pairs)?)?;
    let paging = query.page;
    let (data, total) = state.store.records(query).await?;
    Ok(Json(Page { data, meta: meta(paging, total) }))
}

/// `GET /v2/messaging_optouts`: who wants no messages.
pub(super) async fn opt_outs(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    pairs: Result<Query<Pairs>, QueryRejection>,
) -> Result<Json<Page<OptOut>>, Refusal> {
    authorise(&state, &headers)?;
    let query = OptOutQuery::read(&readable(pairs)?)?;
    let paging = query.page;
    let (data, total) = state.store.opt_outs(query).await?;
    Ok(Json(Page { data, meta: meta(paging, total) }))
}

fn readable(pairs: Result<Query<Pairs>, QueryRejection>) -> Result<Pairs, Refusal> {
    let Query(pairs) = pairs.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "10015"))?;
    Ok(pairs)
}

fn meta(paging: Paging, total: u64) -> PageMeta {
    let Paging { number, size } = paging;
    PageMeta { total_pages: total.div_ceil(size), total_results: total, page_number: number, page_size: size }
}
