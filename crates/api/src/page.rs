//! Pages of a list, in the styles that clients use side by side (wrangler-api.md 1.5).
//!
//! One [`Window`] serves all of them: by `result_info` totals, by a page shorter than asked for, by asking until a
//! page is empty (so a page past the end is empty, never the first one again), and by cursor.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::query::Query;

/// Most entries of one page, whatever the client asks for.
pub const MAX_PER_PAGE: u64 = 1000;

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// 1 for the first page. 0, which wrangler sends for custom domains, means the same.
    pub page: Option<u64>,
    /// Entries of a page.
    pub per_page: Option<u64>,
    /// What the page before gave as `cursor`.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// From a query string; a number that is none counts as not given.
    pub fn from_query(query: &Query) -> Self {
        let number = |key| query.get(key).and_then(|text| text.parse().ok());
        Self {
            page: number("page"),
            per_page: number("per_page"),
            cursor: query.get("cursor").filter(|cursor| !cursor.is_empty()).map(str::to_owned),
        }
    }
}

/// `result_info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResultInfo {
    /// The page, from 1.
    pub page: u64,
    /// Entries of a full page.
    pub per_page: u64,
    /// Entries of this page.
    pub count: u64,
    /// Entries of all pages.
    pub total_count: u64,
    /// Pages.
    pub total_pages: u64,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One page: where it begins in the whole list and how many entries it has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    page: u64,
    offset: u64,
    limit: u64,
}

impl PageQuery {
    /// The page that is asked for, of `default_per_page` entries where the client does not say. A cursor wins over
    /// a page's number; one that we did not give out counts as none.
    pub fn window(&self, default_per_page: u64) -> Window {
        let limit = self.per_page.unwrap_or(default_per_page).clamp(1, MAX_PER_PAGE);
        let numbered = (self.page.unwrap_or(1).max(1) - 1).saturating_mul(limit);
        let offset = self.cursor.as_deref().and_then(decode).unwrap_or(numbered);
        Window { page: offset / limit + 1, offset, limit }
    }
}

impl Window {
    /// How many entries come before it.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Most entries that it has.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// `result_info` of a page that has `count` entries of `total`.
    pub fn info(&self, count: usize, total: u64) -> ResultInfo {
        let end = self.offset.saturating_add(self.limit);
        ResultInfo {
            page: self.page,
            per_page: self.limit,
            count: count as u64,
            total_count: total,
            total_pages: total.div_ceil(self.limit),
            cursor: (end < total).then(|| encode(end)),
        }
    }

    /// Cuts the page out of the whole list.
    pub fn cut<T>(&self, items: Vec<T>) -> (Vec<T>, ResultInfo) {
        let total = items.len() as u64;
        let skip = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let page: Vec<T> = items.into_iter().skip(skip).take(self.limit as usize).collect();
        let info = self.info(page.len(), total);
        (page, info)
    }
}

fn encode(offset: u64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(offset.to_string())
}

fn decode(cursor: &str) -> Option<u64> {
    std::str::from_utf8(&BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// More calls than any list here has entries: what does not end by then does not end.
    const CALLS: u64 = 100;

    fn list(n: u64) -> Vec<u64> {
        (0..n).collect()
    }

    fn numbered(page: u64, per_page: u64) -> Window {
        PageQuery { page: Some(page), per_page: Some(per_page), cursor: None }.window(20)
    }

    #[test]
    fn a_page_past_the_end_is_empty() {
        let (items, info) = numbered(2, 1000).cut(list(3));
        assert!(items.is_empty());
        assert_eq!((info.page, info.count, info.total_count, info.total_pages), (2, 0, 3, 1));
        assert!(numbered(u64::MAX, u64::MAX).cut(list(3)).0.is_empty());
    }

    #[test]
    fn page_zero_is_the_first() {
        assert_eq!(numbered(0, 2).cut(list(3)).0, [0, 1]);
    }

    #[test]
    fn numbers_that_are_none_are_ignored() {
        let query = PageQuery::from_query(&Query::parse("page=x&per_page=-1&cursor="));
        assert_eq!(query, PageQuery::default());
        assert_eq!(query.window(2).cut(list(3)).0, [0, 1]);
    }

    proptest! {
        #[test]
        fn every_style_sees_every_entry_once(n in 0..60_u64, per_page in 1..20_u64) {
            let mut until_empty = Vec::new();
            for page in 1..=CALLS {
                let (items, _) = numbered(page, per_page).cut(list(n));
                if items.is_empty() { break }
                until_empty.extend(items);
            }
            prop_assert_eq!(&until_empty, &list(n));

            let mut until_short = Vec::new();
            for page in 1..=CALLS {
                let (items, _) = numbered(page, per_page).cut(list(n));
                let short = (items.len() as u64) < per_page;
                until_short.extend(items);
                if short { break }
            }
            prop_assert_eq!(&until_short, &list(n));

            let mut by_total = Vec::new();
            for page in 1..=CALLS {
                let (items, info) = numbered(page, per_page).cut(list(n));
                by_total.extend(items);
                if info.page * info.per_page >= info.total_count { break }
            }
            prop_assert_eq!(&by_total, &list(n));

            let mut by_cursor = Vec::new();
            let mut query = PageQuery { page: None, per_page: Some(per_page), cursor: None };
            for _ in 0..CALLS {
                let (items, info) = query.window(20).cut(list(n));
                by_cursor.extend(items);
                match info.cursor { Some(cursor) => query.cursor = Some(cursor), None => break }
            }
            prop_assert_eq!(&by_cursor, &list(n));
        }

        #[test]
        fn any_cursor_is_harmless(cursor in ".{0,40}") {
            let query = PageQuery { page: None, per_page: Some(2), cursor: Some(cursor) };
            prop_assert!(query.window(20).cut(list(9)).0.len() <= 2);
        }
    }
}
