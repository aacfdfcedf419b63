//! What commands say.

use std::error::Error;
use std::io::Write as _;

use serde::Serialize;

use crate::error::ServerError;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// JSON, one document: for programs.
    Json,
    /// For people.
    Text,
}

impl Output {
    /// Prints a result: `text` for people, `value` for programs.
    pub(super) fn print<T: Serialize>(self, value: &T, text: &str) -> Result<(), ServerError> {
        let text = match self {
            Self::Json => serde_json::to_string_pretty(value)
                .map_err(|error| ServerError::Fatal(format!("the result cannot be printed: {error}")))?,
            Self::Text => text.to_owned(),
        };
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", text.trim_end())
            .and_then(|()| stdout.flush())
            .map_err(ServerError::os("standard output cannot be written"))
    }

    /// Prints a failure on standard error: text for people, a problem document for programs.
    pub(super) fn print_failure(self, error: &ServerError) {
        let detail = chain(error);
        let text = match self {
            Self::Json => {
                serde_json::json!({ "title": "failed", "code": "failed", "detail": detail }).to_string()
            }
            Self::Text => format!("failed: {detail}"),
        };
        note(&text);
    }
}

/// An error with its causes, each once: messages of some contain that of their cause.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reported = error.to_string();
        if !text.contains(&reported) {
            text = format!("{text}: {reported}");
        }
        cause = error.source();
    }
    text
}

/// A line on standard error. Nothing can be done, nor said, when that fails.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use claviger_core::port::StoreError;

    use super::*;

    #[test]
    fn causes_are_named_once_each() {
        let data_dir = PathBuf::from("/srv/data");
        let error = ServerError::Store { data_dir, source: StoreError::Locked };
        let reported = chain(&error);
        assert_eq!(reported.matches("another process").count(), 1, "{reported}");
        assert!(reported.contains("/srv/data"));
    }
}
