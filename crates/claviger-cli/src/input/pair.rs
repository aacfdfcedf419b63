//! `name=value`: context and labels.

use std::collections::BTreeMap;

use claviger_client::types::Pairs;
use claviger_crypto::envelope::Context;

use crate::failure::Failure;

/// Reads one pair. The value may be empty and may hold more `=`.
pub(crate) fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a pair is expected, as in `name=value`".to_owned()),
    }
}

/// The pairs as a map.
///
/// # Errors
/// When a name comes twice: silently taking one of two values would be a guess.
pub(crate) fn to_map(pairs: &[(String, String)], what: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (name, value) in pairs {
        if map.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::usage(format!("{what} `{name}` is given twice")));
        }
    }
    Ok(map)
}

/// An encryption context in both forms: as it is sent, and as it is bound to a file envelope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bound {
    /// For the wire.
    pub(crate) pairs: Pairs,
    /// In canonical form.
    pub(crate) context: Context,
}

impl Bound {
    /// The context of these pairs.
    ///
    /// # Errors
    /// When a name comes twice, or beyond the limits of a context.
    pub(crate) fn of(pairs: &[(String, String)]) -> Result<Self, Failure> {
        let map = to_map(pairs, "context")?;
        let context = Context::from_pairs(&map)
            .map_err(|_| Failure::usage("a context holds up to 64 pairs and 8 KiB"))?;
        Ok(Self { pairs: Pairs(map), context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_equals_sign_divides() {
        assert_eq!(parse("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(parse("a="), Ok(("a".into(), String::new())));
        for bad in ["", "a", "=b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn name_given_twice_is_refused() {
        let pairs = [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "1".to_owned())];
        assert!(Bound::of(&pairs).unwrap_err().to_string().contains("given twice"));
        assert_eq!(Bound::of(&pairs[..1]).unwrap().context.find("a"), Some("1"));
    }
}
