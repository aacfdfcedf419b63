//! Cursors of lists: opaque to callers; inside, which list it is and where its last page ended.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_core::port::store::Page;

use crate::error::Failure;

/// Most items on a page.
pub const MAX_LIMIT: u32 = 1000;
/// Items on a page unless said otherwise.
pub const DEFAULT_LIMIT: u32 = 100;
/// Longest cursor, in bytes: the name of an alias, a tag, in base64.
const MAX_CURSOR: usize = 384;

/// Which list a cursor belongs to: that of one is refused by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Of principals with what they can do.
    Access,
    /// Of alerts.
    Alerts,
    /// Of aliases.
    Aliases,
    /// Of approvals.
    Approvals,
    /// Of data assets.
    Assets,
    /// Of emergency accesses.
    BreakGlass,
    /// Of credentials.
    Credentials,
    /// Of declarations.
    Declarations,
    /// Of grants.
    Grants,
    /// Of keys.
    Keys,
    /// Of principals.
    Principals,
    /// Of items of an access review.
    ReviewItems,
    /// Of access reviews.
    Reviews,
    /// Of rights.
    Rights,
    /// Of rings.
    Rings,
    /// Of live rows.
    Rows,
    /// Of versions of a key.
    Versions,
}

impl List {
    const fn tag(self) -> &'static str {
        match self {
            Self::Access => "x1:",
            Self::Alerts => "e1:",
            Self::Aliases => "a1:",
            Self::Approvals => "q1:",
            Self::Assets => "d1:",
            Self::BreakGlass => "b1:",
            Self::Credentials => "c1:",
            Self::Declarations => "l1:",
            Self::Grants => "g1:",
            Self::Keys => "k1:",
            Self::Principals => "p1:",
            Self::ReviewItems => "m1:",
            Self::Reviews => "n1:",
            Self::Rights => "i1:",
            Self::Rings => "r1:",
            Self::Rows => "w1:",
            Self::Versions => "v1:",
        }
    }
}

/// The cursor of what comes after `last`.
#[must_use]
pub fn encode(list: List, last: &impl Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}{last}", list.tag()))
}

/// Where a list goes on.
///
/// # Errors
/// A [`Failure`] when it is no cursor of that list.
pub fn decode<T: FromStr>(list: List, cursor: &str) -> Result<T, Failure> {
    let wrong = || Failure::malformed("`cursor` must be the `next` of a page of the same list");
    if cursor.len() > MAX_CURSOR {
        return Err(wrong());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
    text.strip_prefix(list.tag()).and_then(|last| last.parse().ok()).ok_or_else(wrong)
}

/// The page that a query asks for.
pub(crate) fn page<T: FromStr>(
    list: List,
    cursor: Option<&str>,
    limit: Option<u32>,
) -> Result<Page<T>, Failure> {
    let after = cursor.map(|cursor| decode(list, cursor)).transpose()?;
    Ok(Page { after, limit: bounded(limit)? })
}

/// The limit that a query asks for.
pub(crate) fn bounded(limit: Option<u32>) -> Result<u32, Failure> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(Failure::malformed(format!("`limit` must be 1 to {MAX_LIMIT}"))),
    }
}

/// Where the next page begins: nowhere, when this one is not full.
pub(crate) fn next<T, D: Display>(
    list: List,
    limit: u32,
    items: &[T],
    name: impl Fn(&T) -> D,
) -> Option<String> {
    let full = u32::try_from(items.len()).is_ok_and(|count| count >= limit);
    items.last().filter(|_| full).map(|last| encode(list, &name(last)))
}

#[cfg(test)]
mod tests {
    use claviger_core::{AliasName, KeyName, Name};

    use super::*;

    #[test]
    fn a_cursor_leads_back_in_its_own_list_only() {
        let name: KeyName = "orders/main".parse().unwrap();
        let cursor = encode(List::Keys, &name);
        assert_eq!(decode::<KeyName>(List::Keys, &cursor).unwrap(), name);
        assert!(decode::<KeyName>(List::Rings, &cursor).is_err());
        assert!(decode::<Name>(List::Keys, &cursor).is_err());
        for bad in ["", "=", "azE6", "a b", &"a".repeat(400)] {
            assert!(decode::<KeyName>(List::Keys, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_names_have_a_cursor() {
        let name: KeyName = format!("{}/{}", "a".repeat(63), "b".repeat(63)).parse().unwrap();
        assert_eq!(decode::<KeyName>(List::Keys, &encode(List::Keys, &name)).unwrap(), name);
        let alias: AliasName = "a".repeat(250).parse().unwrap();
        assert_eq!(decode::<AliasName>(List::Aliases, &encode(List::Aliases, &alias)).unwrap(), alias);
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(bounded(None).unwrap(), 100);
        assert_eq!(bounded(Some(1000)).unwrap(), 1000);
        assert!(bounded(Some(0)).is_err());
        assert!(bounded(Some(1001)).is_err());
    }
}
