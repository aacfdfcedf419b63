//! Where a list goes on.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{AwsError, code};

/// A `Marker` that says `cursor` to us and nothing to others.
pub(crate) fn write(cursor: &impl ToString) -> String {
    URL_SAFE_NO_PAD.encode(format!("{MARK}{}", cursor.to_string()))
}

/// What every cursor begins with, so that other text in base64 is none.
const MARK: &str = "claviger:";

/// The cursor of a `Marker`.
///
/// # Errors
/// `InvalidMarkerException` when it is none of ours.
pub(crate) fn read<C: FromStr>(marker: Option<&str>) -> Result<Option<C>, AwsError> {
    let Some(marker) = marker else { return Ok(None) };
    let cursor = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    cursor.and_then(|text| text.strip_prefix(MARK)?.parse().ok()).map(Some).ok_or_else(|| {
        AwsError::new(code::INVALID_MARKER, "the marker is not one that a list gave; begin again without")
    })
}

/// A cursor that no list ever gives.
pub(crate) enum Never {}

impl FromStr for Never {
    type Err = ();

    fn from_str(_: &str) -> Result<Self, ()> {
        Err(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_come_back_and_others_are_refused() {
        assert_eq!(read::<u32>(Some(&write(&17))).unwrap(), Some(17));
        assert_eq!(read::<u32>(None).unwrap(), None);
        for bad in ["", "17", "!", "MTd4"] {
            assert_eq!(read::<u32>(Some(bad)).unwrap_err().code(), code::INVALID_MARKER, "{bad}");
        }
    }
}
