//! Names in paths and queries.

use std::fmt::Display;
use std::str::FromStr;

use crate::error::Failure;

/// Parses what names a thing: a reference, an identifier, a word.
pub(crate) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error: T::Err| Failure::invalid(error.to_string()))
}

/// The same for what may be absent.
pub(crate) fn parse_if_any<T: FromStr<Err: Display>>(text: Option<&str>) -> Result<Option<T>, Failure> {
    text.map(parse).transpose()
}
