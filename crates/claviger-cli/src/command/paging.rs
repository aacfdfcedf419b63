//! Lists, page by page.

use claviger_client::types::Page;

use crate::failure::Failure;
use crate::output::note;

/// The most that one call brings.
const PAGE: u32 = 1000;

/// How much of a list.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Paging {
    /// How many at most
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// All there are
    #[arg(long, conflicts_with = "limit")]
    page_all: bool,
    /// Where to begin: `next` of an earlier list
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Paging {
    /// All there are, from the beginning.
    pub(crate) fn all() -> Self {
        Self { limit: PAGE, page_all: true, cursor: None }
    }

    /// Calls `fetch` with a cursor and a limit until there is enough or no more.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub(crate) async fn collect<T>(
        &self,
        fetch: impl AsyncFn(Option<String>, Option<u32>) -> Result<Page<T>, Failure>,
    ) -> Result<Page<T>, Failure> {
        let mut all = Page { items: Vec::new(), next: self.cursor.clone() };
        loop {
            let have = u32::try_from(all.items.len()).unwrap_or(u32::MAX);
            let wanted = if self.page_all { PAGE } else { self.limit.saturating_sub(have).min(PAGE) };
            let page = fetch(all.next.take(), Some(wanted)).await?;
            let stuck = page.items.is_empty();
            all.items.extend(page.items);
            all.next = page.next;
            let have = u32::try_from(all.items.len()).unwrap_or(u32::MAX);
            if all.next.is_none() || stuck || (!self.page_all && have >= self.limit) {
                break;
            }
        }
        if let Some(next) = &all.next {
            note(&format!("there are more: `--page-all`, or `--cursor {next}`"));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves the numbers from 0 up to, and without, `end`.
    async fn numbers(end: u32, paging: &Paging) -> Page<u32> {
        let fetch = async |cursor: Option<String>, limit: Option<u32>| {
            let from: u32 = cursor.map_or(0, |text| text.parse().unwrap());
            let until = (from + limit.unwrap().min(PAGE)).min(end);
            Ok(Page { items: (from..until).collect(), next: (until < end).then(|| until.to_string()) })
        };
        paging.collect(fetch).await.unwrap()
    }

    fn paging(limit: u32, page_all: bool) -> Paging {
        Paging { limit, page_all, cursor: None }
    }

    #[tokio::test]
    async fn limit_counts_over_pages_and_shows_where_to_go_on() {
        let page = numbers(5000, &paging(2500, false)).await;
        assert_eq!((page.items.len(), page.next.as_deref()), (2500, Some("2500")));
        let from = Paging { cursor: page.next, ..paging(10, false) };
        assert_eq!(numbers(5000, &from).await.items, (2500..2510).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn all_is_all() {
        let page = numbers(2501, &paging(100, true)).await;
        assert_eq!((page.items.len(), page.next), (2501, None));
        assert!(numbers(0, &paging(100, true)).await.items.is_empty());
    }
}
