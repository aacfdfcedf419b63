//! An entry as people and programs are shown it.

use claviger_core::{AssetId, KeyId, ListenerName};
use serde::Serialize;

use super::{Entry, NamedAsset};
use crate::RefusedCalls;
use crate::hash::to_hex;
use crate::op::{Op, Outcome};

/// The columns that a line has at most, unless one word is longer.
const WIDTH: usize = 120;
/// How far the following lines of one entry are set in.
const INDENT: usize = 10;

/// What an entry says. Members that it does not have are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownEntry {
    /// Its index in the log of its shard.
    pub index: u64,
    /// Its instant, as text.
    pub at: String,
    /// The epoch under which it was committed.
    pub epoch: u64,
    /// The operation.
    pub operation: &'static str,
    /// How it ended.
    pub outcome: &'static str,
    /// Identifier of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Version of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Tag of the actor, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Index of the entry that begins its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// `ceil(log2(input bytes))`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_class: Option<u8>,
    /// Tag of the encryption context, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Identifier of the data asset, or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// Tag of the caller's request, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// First bytes of the digest of what decided, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How many bytes of sealed data it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed_bytes: Option<usize>,
    /// How many unauthenticated calls it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// The listener by which these came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<&'static str>,
    /// Public bytes whose meaning the operation gives, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl ShownEntry {
    /// An entry, with its index and its instant as text.
    #[must_use]
    pub fn new(index: u64, at: String, entry: &Entry<'_>) -> Self {
        let counted = entry.reference.as_deref().filter(|_| entry.op == Op::UnauthenticatedCount);
        let counted = counted.and_then(RefusedCalls::from_bytes);
        Self {
            index,
            at,
            epoch: entry.e,
            operation: entry.op.name(),
            outcome: entry.out.name(),
            key: entry.key.map(|key| KeyId::from_bytes(key).to_string()),
            version: entry.kv,
            actor: entry.act.map(|tag| to_hex(&tag)),
            session: entry.ses,
            size_class: entry.n,
            context: entry.ctx.map(|tag| to_hex(&tag)),
            asset: entry.ast.map(|asset| match asset {
                NamedAsset::Known(id) => AssetId::from_bytes(id).to_string(),
                NamedAsset::Unknown => "unknown".to_owned(),
            }),
            request: entry.rid.map(|tag| to_hex(&tag)),
            policy: entry.pol.map(|digest| to_hex(&digest)),
            sealed_bytes: entry.enc.as_ref().map(|sealed| sealed.len()),
            calls: counted.map(|counted| counted.calls),
            listener: counted.and_then(|counted| counted.listener).map(ListenerName::name),
            reference: entry.reference.as_deref().map(to_hex),
        }
    }

    /// Is it a read of the log itself?
    #[must_use]
    pub fn is_reading(&self) -> bool {
        [Op::ReadAudit, Op::SearchAudit].iter().any(|op| op.name() == self.operation)
    }

    /// Does it say that something was refused?
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.outcome != Outcome::Ok.name()
    }

    /// Key and version, the key by `name` where there is one.
    #[must_use]
    pub fn key_and_version(&self, name: Option<&str>) -> String {
        let version = self.version.map_or_else(String::new, |version| format!("/{version}"));
        let key = name.or(self.key.as_deref());
        key.map_or_else(String::new, |key| format!("{key}{version}"))
    }

    /// The beginning of the actor's tag: enough to tell actors of a page apart.
    #[must_use]
    pub fn short_actor(&self) -> &str {
        self.actor.as_deref().and_then(|tag| tag.get(..8)).unwrap_or_default()
    }

    /// How many unauthenticated calls it counts, and the listener by which they came, in words.
    #[must_use]
    pub fn counted(&self) -> String {
        match (self.calls, self.listener) {
            (Some(calls), Some(listener)) => format!("calls: {calls}, listener: {listener}"),
            (Some(calls), None) => format!("calls: {calls}"),
            (None, _) => String::new(),
        }
    }

    /// Its line, the key by `name` where there is one, what it counts, and `more` behind it. It is wrapped between words.
    #[must_use]
    pub fn line(&self, name: Option<&str>, more: &[&str]) -> String {
        let Self { index, at, operation, outcome, .. } = self;
        let mut line =
            format!("{index:>8}  {at:<27}  {operation:<22} {outcome:<14} {}", self.key_and_version(name));
        line.truncate(line.trim_end().len());
        let mut room = WIDTH.saturating_sub(line.chars().count());
        let counted = self.counted();
        for part in [counted.as_str()].iter().chain(more) {
            // A part begins behind two spaces, its further words behind one.
            for (at, word) in part.split_whitespace().enumerate() {
                let (gap, length) = (if at == 0 { 2 } else { 1 }, word.chars().count());
                if gap + length > room {
                    line.push('\n');
                    line.extend(std::iter::repeat_n(' ', INDENT));
                    room = WIDTH.saturating_sub(INDENT);
                } else {
                    line.extend(std::iter::repeat_n(' ', gap));
                    room -= gap;
                }
                line.push_str(word);
                room = room.saturating_sub(length);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> ShownEntry {
        let mut entry = Entry::new(1_000_000, 7, Op::Decrypt, Outcome::Denied);
        (entry.key, entry.kv, entry.act) = (Some([1; 16]), Some(3), Some([0xab; 16]));
        ShownEntry::new(12, "1970-01-01T00:00:01.000001Z".to_owned(), &entry)
    }

    #[test]
    fn line_has_the_name_of_the_key_or_its_identifier() {
        let line = shown().line(Some("orders/main"), &[shown().short_actor(), ""]);
        assert_eq!(
            line,
            "      12  1970-01-01T00:00:01.000001Z  decrypt                denied         orders/main/3  abababab"
        );
        assert!(shown().line(None, &[]).ends_with(" 01010101-0101-0101-0101-010101010101/3"));
    }

    #[test]
    fn calls_of_nobody_are_shown_with_their_listener_where_the_entry_names_it() {
        for (reference, calls, listener, words) in [
            (&[0, 0, 0, 0, 0, 0, 1, 0, 3][..], Some(256), Some("aws"), "  calls: 256, listener: aws"),
            (&[0, 0, 0, 0, 0, 0, 1, 0], Some(256), None, "  calls: 256"),
            (&[0, 0, 0, 0, 0, 0, 1, 0, 200], None, None, ""),
            (&[1], None, None, ""),
        ] {
            let mut entry = Entry::new(1_000_000, 7, Op::UnauthenticatedCount, Outcome::Unauthenticated);
            entry.reference = Some(reference.into());
            let shown = ShownEntry::new(12, "1970-01-01T00:00:01Z".to_owned(), &entry);
            assert_eq!((shown.calls, shown.listener), (calls, listener));
            assert_eq!(shown.reference, Some(to_hex(reference)));
            let line = shown.line(None, &[""]);
            assert!(line.ends_with(&format!("unauthenticated_count  unauthenticated{words}")), "{line}");
            entry.op = Op::CreateKey;
            assert_eq!(ShownEntry::new(12, String::new(), &entry).calls, None);
        }
    }

    #[test]
    fn lines_are_wrapped_between_words() {
        let reason = "the first of many words that say at length why it was done ".repeat(4);
        let name = format!("{}/{}", "ring".repeat(15), "key".repeat(20));
        for name in [None, Some("orders/main"), Some(name.as_str())] {
            let line = shown().line(name, &["abababab", &reason]);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert!(words(&line).ends_with(&words(&reason)));
            let first = line.lines().next().unwrap();
            assert!(line.lines().skip(1).all(|line| line.chars().count() <= WIDTH), "{line}");
            assert!(first.chars().count() <= WIDTH || first.ends_with("/3"), "{line}");
        }
    }
}
