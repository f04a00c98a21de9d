//! Pages of a read model, with the rows that a caller has tokens for put in as they are now.

mod overlay;

use std::num::NonZeroU16;

use axum::{
    extract::{FromRequestParts, Query, rejection::QueryRejection},
    http::request::Parts,
};
use events::{decider::Decider, views::Row};
use platform::{
    http::{Problem, consistency::AtLeast},
    rows::{ListKey, Listing, Page, Rows},
    store::EventStore,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use self::overlay::overlay;
use crate::{cursor, fresh, state::AppState};

/// Rows of a page unless the client says otherwise.
const DEFAULT_PAGE: u16 = 50;

/// Most rows of a page: an answer stays below a few hundred KB.
const MAX_PAGE: u16 = 200;

/// Rows per read while everything is exported.
pub const PAGE_OF_AN_EXPORT: NonZeroU16 = NonZeroU16::new(MAX_PAGE).unwrap();

/// Which part of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Items of a page, 1 to 200; 50 unless said otherwise.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// Where to go on: `next_page_token` of the page before.
    #[param(nullable = false, pattern = "^([A-Za-z0-9_-]{39,2048})?$")]
    page_token: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Items<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on; null at the end.
    pub next_page_token: Option<String>,
}

impl Paging {
    /// The paging of a query that also says other things.
    pub fn new(page_size: Option<u16>, page_token: Option<String>) -> Self {
        Self { page_size, page_token }
    }

    /// Items of a page.
    ///
    /// # Errors
    /// 400.
    pub fn size(&self) -> Result<NonZeroU16, Problem> {
        let size = NonZeroU16::new(self.page_size.unwrap_or(DEFAULT_PAGE)).filter(|size| size.get() <= MAX_PAGE);
        size.ok_or_else(|| {
            Problem::bad_request("invalid-page-size", "The page_size is not valid").detail(format!("1 to {MAX_PAGE}"))
        })
    }

    /// Where to go on, if the client says so.
    ///
    /// # Errors
    /// 400.
    pub fn place<T: DeserializeOwned>(&self, state: &AppState, list: &str) -> Result<Option<T>, Problem> {
        let token = self.page_token.as_deref().filter(|token| !token.is_empty());
        token.map(|token| cursor::open(&state.cursor_key, list, token)).transpose()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<Self>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query.map(|Query(paging)| paging).map_err(|_| invalid_query())
    }
}

/// 400: a parameter is unknown or of the wrong type.
pub fn invalid_query() -> Problem {
    Problem::bad_request("invalid-query", "The query string cannot be read")
}

/// 400: the parameters do not go together.
pub fn no_such_list(detail: &str) -> Problem {
    Problem::bad_request("invalid-query", "There is no such list").detail(detail)
}

/// A page of a read model, none of its rows older than `at_least` asks for.
///
/// An index may be older than its table, so for each token the row as it is now is put into, replaced in or left out
/// of the page by the list's own filter and the page's own range.
///
/// # Errors
/// 400 or 503.
pub async fn page<R: Row>(
    rows: &Rows<R>,
    store: &EventStore,
    listing: &Listing,
    after: Option<ListKey>,
    size: NonZeroU16,
    at_least: &AtLeast,
) -> Result<Page<R>, Problem> {
    let page = rows.page(listing, after.as_ref(), size).await?;
    let mut known = Vec::new();
    for (stream, version) in at_least.iter().filter(|(stream, _)| stream.category == R::Rules::CATEGORY) {
        known.extend(fresh::row(rows, store, stream.id, Some(version)).await?);
    }
    Ok(overlay(page, known, listing, after.as_ref(), size))
}
