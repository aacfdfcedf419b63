//! Fields that an encryption context must have.

use std::fmt;
use std::str::FromStr;

/// The name of a field of encryption contexts that a rule asks for: 1 to 128 characters of `a-z`, `A-Z`, `0-9`, `-`, `_`, `.`, `:`,
/// `/`, `@`, `+`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextField(Box<str>);

/// Text that is not the name of such a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the name of a context field: 1 to 128 characters of a-z, A-Z, 0-9, `-`, `_`, `.`, `:`, `/`, `@`, `+` are expected"
)]
pub struct NotAContextField;

impl ContextField {
    /// Longest name, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContextField {
    type Err = NotAContextField;

    fn from_str(text: &str) -> Result<Self, NotAContextField> {
        let valid =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'@' | b'+');
        if !(1..=Self::MAX_LEN).contains(&text.len()) || !text.bytes().all(valid) {
            return Err(NotAContextField);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ContextField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContextField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContextField({})", self.0)
    }
}

/// The fields that an encryption context must have, ascending, each once. None, and it takes no memory.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RequiredContext(Box<[ContextField]>);

/// More fields than a rule can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a context has at most 16 required fields")]
pub struct TooManyContextFields;

impl RequiredContext {
    /// Most fields.
    pub const MAX: usize = 16;

    /// These fields, in any order.
    ///
    /// # Errors
    /// [`TooManyContextFields`].
    pub fn new(fields: impl IntoIterator<Item = ContextField>) -> Result<Self, TooManyContextFields> {
        let mut fields = Vec::from_iter(fields);
        fields.sort_unstable();
        fields.dedup();
        if fields.len() > Self::MAX { Err(TooManyContextFields) } else { Ok(Self(fields.into())) }
    }

    /// The fields, ascending.
    #[must_use]
    pub fn fields(&self) -> &[ContextField] {
        &self.0
    }

    /// Is nothing asked for?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does it ask for something that the other does not?
    #[must_use]
    pub fn exceeds(&self, other: &Self) -> bool {
        self.0.iter().any(|field| !other.0.contains(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> RequiredContext {
        RequiredContext::new(names.iter().map(|name| name.parse().unwrap())).unwrap()
    }

    #[test]
    fn fields_are_a_set() {
        assert_eq!(of(&["tenant", "claviger:asset", "tenant"]), of(&["claviger:asset", "tenant"]));
        assert!(of(&[]).is_empty() && !of(&["a"]).is_empty());
        let many = (0..17).map(|number| format!("f{number}").parse().unwrap());
        assert_eq!(RequiredContext::new(many), Err(TooManyContextFields));
    }

    #[test]
    fn only_what_is_new_is_more() {
        assert!(of(&["a", "b"]).exceeds(&of(&["a"])) && of(&["b"]).exceeds(&of(&["a"])));
        assert!(!of(&["a"]).exceeds(&of(&["a", "b"])) && !of(&[]).exceeds(&of(&[])));
    }

    #[test]
    fn names_are_plain() {
        for bad in ["", "a b", "a=b", "a,b", "ä", "a\n", &"x".repeat(129)] {
            assert_eq!(bad.parse::<ContextField>(), Err(NotAContextField), "{bad:?}");
        }
    }
}
