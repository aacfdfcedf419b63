//! Where calls are made: `{prefix}/kms/xks/v1/health` and `{prefix}/kms/xks/v1/keys/{id}/{verb}`.

use std::fmt;
use std::str::FromStr;

use claviger_core::Action;

/// What comes after the prefix.
const BASE: &str = "/kms/xks/v1/";
/// Longest path that AWS KMS takes, without what names key and call.
const LONGEST: usize = 128;

/// The part of the path that belongs to the deployment: empty, or of parts that each begin with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UriPrefix(String);

/// Text that AWS KMS takes for no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a prefix is empty, or begins with `/` and does not end with it; letters, digits, `/`, `-` and `_`, up to 117 of them"
)]
pub struct NotAPrefix;

impl FromStr for UriPrefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let mut parts = text.split('/');
        let begins = parts.next() == Some("");
        let good = begins && parts.all(|part| !part.is_empty() && part.bytes().all(valid));
        let short = text.len() + BASE.len() - 1 <= LONGEST;
        if good && short { Ok(Self(text.to_owned())) } else { Err(NotAPrefix) }
    }
}

impl fmt::Display for UriPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Can it work?
    Health,
    /// Something of a key.
    Key(&'a str, Verb),
}

/// What is asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Open.
    Decrypt,
    /// Seal.
    Encrypt,
    /// What is it?
    Metadata,
}

impl UriPrefix {
    /// The call that a path under this prefix means.
    #[must_use]
    pub fn route<'a>(&self, path: &'a str) -> Option<Route<'a>> {
        let rest = path.strip_prefix(&self.0)?.strip_prefix(BASE)?;
        if rest == "health" {
            return Some(Route::Health);
        }
        let (id, verb) = rest.strip_prefix("keys/")?.split_once('/')?;
        let verb = match verb {
            "decrypt" => Verb::Decrypt,
            "encrypt" => Verb::Encrypt,
            "metadata" => Verb::Metadata,
            _ => return None,
        };
        (!id.is_empty()).then_some(Route::Key(id, verb))
    }
}

/// Is that a path of this protocol, under whatever prefix?
#[must_use]
pub fn is_for(path: &str) -> bool {
    path.contains(BASE)
}

/// The use that a path asks for.
pub(crate) fn use_of(path: &str) -> Option<Action> {
    match path.rsplit_once('/')?.1 {
        "decrypt" => Some(Action::Decrypt),
        "encrypt" => Some(Action::Encrypt),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_those_that_aws_takes() {
        for good in ["", "/example", "/example/uri/path/prefix", "/A-z_0/9", &format!("/{}", "a".repeat(116))]
        {
            assert_eq!(good.parse::<UriPrefix>().map(|prefix| prefix.to_string()).as_deref(), Ok(good));
        }
        for bad in [
            "/",
            "example",
            "/example/",
            "//a",
            "/a//b",
            "/a b",
            "/a.b",
            "/ä",
            &format!("/{}", "a".repeat(117)),
        ] {
            assert_eq!(bad.parse::<UriPrefix>(), Err(NotAPrefix), "{bad}");
        }
    }

    #[test]
    fn only_the_four_calls_under_the_prefix_are_calls() {
        let prefix: UriPrefix = "/example".parse().unwrap();
        let route = |path: &'static str| prefix.route(path);
        assert_eq!(route("/example/kms/xks/v1/health"), Some(Route::Health));
        assert_eq!(route("/example/kms/xks/v1/keys/foo/metadata"), Some(Route::Key("foo", Verb::Metadata)));
        assert_eq!(
            route("/example/kms/xks/v1/keys/a.b_c-d/encrypt"),
            Some(Route::Key("a.b_c-d", Verb::Encrypt))
        );
        assert_eq!(route("/example/kms/xks/v1/keys/foo/decrypt"), Some(Route::Key("foo", Verb::Decrypt)));
        for path in [
            "/kms/xks/v1/health",
            "/example/invalid/kms/xks/v1/health",
            "/exampl/kms/xks/v1/health",
            "/example//kms/xks/v1/health",
            "/example/kms/xks/v1/health/",
            "/example/kms/xks/v2/health",
            "/example/kms/xks/v1/keys//encrypt",
            "/example/kms/xks/v1/keys/foo",
            "/example/kms/xks/v1/keys/foo/encrypt/",
            "/example/kms/xks/v1/keys/foo/bar/encrypt",
            "/example/kms/xks/v1/",
        ] {
            assert_eq!(route(path), None, "{path}");
        }
        assert_eq!(UriPrefix::default().route("/kms/xks/v1/health"), Some(Route::Health));
        assert!(is_for("/any/kms/xks/v1/health") && !is_for("/") && !is_for("/kms/xks/v1"));
    }

    #[test]
    fn uses_by_the_proxy_are_counted_as_uses() {
        for (path, use_of) in [
            ("/a/kms/xks/v1/keys/b/encrypt", Some(Action::Encrypt)),
            ("/a/kms/xks/v1/keys/b/decrypt", Some(Action::Decrypt)),
            ("/a/kms/xks/v1/keys/b/metadata", None),
            ("/a/kms/xks/v1/health", None),
            ("/encrypt", None),
            ("/", None),
        ] {
            let (head, ()) = http::Request::post(path).body(()).unwrap().into_parts();
            assert_eq!(crate::use_of(&head), use_of, "{path}");
        }
    }
}
