//! Pages of lists.

use serde_json::{Value, json};

use super::marker;

/// Cuts a list that was asked for one longer than its limit; gives the marker of the next page, if there is one.
pub(crate) fn next_marker<T, C: ToString>(
    items: &mut Vec<T>,
    limit: u32,
    cursor: impl Fn(&T) -> &C,
) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(|last| marker::write(cursor(last)))
}

/// A page of a list.
pub(crate) fn page(member: &str, items: Value, next: Option<String>) -> Value {
    let mut page = json!({ member: items, "Truncated": next.is_some() });
    if let (Some(next), Some(object)) = (next, page.as_object_mut()) {
        object.insert("NextMarker".to_owned(), json!(next));
    }
    page
}
