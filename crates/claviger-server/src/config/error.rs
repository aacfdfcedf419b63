//! What can be wrong with a configuration, said so that the reader knows what to change.

use std::path::PathBuf;

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value is there and is wrong, or one is missing.
    #[error("{origin}: `{key}` {reason}")]
    Invalid {
        /// The file or environment that it came from.
        origin: String,
        /// The key, dotted.
        key: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The text is no TOML, or a value has the wrong type.
    #[error("{origin}: {reason}")]
    Malformed {
        /// The file or environment that it came from.
        origin: String,
        /// What the parser says.
        reason: String,
    },
    /// There is no such key.
    #[error("{origin}: unknown key `{key}`{}", nearest_hint(nearest.as_deref()))]
    UnknownKey {
        /// The file or environment that it came from.
        origin: String,
        /// The key, dotted.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        reason: String,
    },
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}
