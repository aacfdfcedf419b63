//! One entry of the log, for people and for programs.

use claviger_audit::{Entry, ShownEntry};
use claviger_client::types::audit::Who;
use claviger_client::types::{Instant, Pairs, Reason, audit};
use claviger_core::Timestamp;
use serde::Serialize;

use crate::command::reason::reported;
use crate::failure::Failure;
use crate::output::Table;

/// What an entry says, with what came along with it. Members that it does not have are left out.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Shown {
    #[serde(flatten)]
    pub(super) entry: ShownEntry,
    /// What the key is called today.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<Who>,
}

/// Reads the bytes of an entry.
///
/// # Errors
/// When they are not an entry: such a log is not what it should be.
pub(super) fn shown_entry(index: u64, canonical: &[u8]) -> Result<ShownEntry, Failure> {
    let decoded = Entry::decode(canonical)
        .map_err(|error| Failure::unverified(format!("entry {index} is not an entry: {error}")))?;
    let at = Instant(Timestamp::from_micros(decoded.t)).to_string();
    Ok(ShownEntry::new(index, at, &decoded))
}

impl Shown {
    /// An entry as the service gave it, with the names that came along.
    ///
    /// # Errors
    /// As [`shown_entry`].
    pub(super) fn of(found: audit::Entry, names: &Pairs) -> Result<Self, Failure> {
        let entry = shown_entry(found.index, found.canonical.as_ref())?;
        let key_name = entry.key.as_ref().and_then(|key| names.0.get(key).cloned());
        Ok(Self { entry, key_name, reason: found.reason, who: None })
    }

    /// The same of an entry that a search found.
    ///
    /// # Errors
    /// As [`shown_entry`].
    pub(super) fn of_search(found: audit::SearchedEntry, names: &Pairs) -> Result<Self, Failure> {
        let audit::SearchedEntry { index, canonical, reason, who } = found;
        Ok(Self { who, ..Self::of(audit::Entry { index, canonical, reason }, names)? })
    }

    /// Index, instant, operation, outcome, key and version.
    fn cells(&self) -> [String; 5] {
        let entry = &self.entry;
        [
            entry.index.to_string(),
            entry.at.clone(),
            entry.operation.to_owned(),
            entry.outcome.to_owned(),
            entry.key_and_version(self.key_name.as_deref()),
        ]
    }

    /// Who it is of, and where that caller was.
    fn who(&self) -> [String; 2] {
        let Some(who) = &self.who else { return [String::new(), String::new()] };
        let name = match (&who.name, &who.principal) {
            (Some(name), _) => name.clone(),
            (None, Some(principal)) => principal.clone(),
            (None, None) => format!("({})", who.state.replace('_', " ")),
        };
        let from = match (&who.address, &who.origin) {
            (Some(address), Some(origin)) => format!("{address} ({origin})"),
            (address, origin) => address.clone().or_else(|| origin.clone()).unwrap_or_default(),
        };
        [name, from]
    }

    /// The beginning of the actor's tag; of an entry that counts unauthenticated calls, what it counts.
    fn actor_or_count(&self) -> String {
        format!("{}{}", self.entry.short_actor(), self.entry.counted())
    }

    /// One line with who it is of, for answers that are shown as they come.
    pub(super) fn line_of_search(&self) -> String {
        let [who, from] = self.who();
        self.entry.line(self.key_name.as_deref(), &[&who, &from, &reported(self.reason.as_ref())])
    }

    /// One line, for a log that is followed.
    pub(super) fn line(&self) -> String {
        let reason = reported(self.reason.as_ref());
        self.entry.line(self.key_name.as_deref(), &[self.entry.short_actor(), &reason])
    }
}

/// Entries as a table.
pub(super) fn table(entries: &[Shown]) -> String {
    let heads = ["index", "at", "epoch", "operation", "outcome", "key/version", "actor", "reason"];
    let mut table = Table::new("entries", &heads);
    for shown in entries {
        let [index, at, operation, outcome, key] = shown.cells();
        let (epoch, actor) = (shown.entry.epoch.to_string(), shown.actor_or_count());
        table.row([index, at, epoch, operation, outcome, key, actor, reported(shown.reason.as_ref())]);
    }
    table.text()
}

/// Entries with who they are of, as a table.
pub(super) fn table_of_search(entries: &[Shown]) -> String {
    let heads = ["index", "at", "operation", "outcome", "key/version", "who", "from", "reason"];
    let mut table = Table::new("entries", &heads);
    for shown in entries {
        let [index, at, operation, outcome, key] = shown.cells();
        let [mut who, from] = shown.who();
        who.push_str(&shown.entry.counted());
        table.row([index, at, operation, outcome, key, who, from, reported(shown.reason.as_ref())]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use claviger_audit::{Op, Outcome};

    use super::*;

    #[test]
    fn entries_are_shown_with_what_they_have_and_the_name_of_the_key() {
        let mut entry = Entry::new(1_000_000, 7, Op::Decrypt, Outcome::Denied);
        entry.key = Some([1; 16]);
        entry.kv = Some(3);
        let mut canonical = Vec::new();
        entry.encode_into(&mut canonical).unwrap();
        let found = audit::Entry { index: 12, canonical: canonical.into(), reason: None };
        let id = "01010101-0101-0101-0101-010101010101".to_owned();
        let names: Pairs = [(id.clone(), "orders/main".to_owned())].into_iter().collect();
        let shown = Shown::of(found.clone(), &names).unwrap();
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!((json["operation"].as_str(), json["outcome"].as_str()), (Some("decrypt"), Some("denied")));
        assert_eq!(
            (json["key"].as_str(), json["key_name"].as_str()),
            (Some(id.as_str()), Some("orders/main"))
        );
        assert_eq!(json["at"], "1970-01-01T00:00:01Z");
        assert!(json.get("actor").is_none());
        for text in [shown.line(), shown.line_of_search(), table(&[shown])] {
            assert!(text.contains("orders/main/3") && !text.contains(&id), "{text}");
        }
        let unnamed = Shown::of(found, &Pairs::default()).unwrap();
        assert!(unnamed.line().contains(&format!("{id}/3")), "{}", unnamed.line());
    }

    #[test]
    fn bytes_that_are_no_entry_are_a_failed_verification() {
        let failure = shown_entry(1, &[0xff]).unwrap_err();
        assert_eq!(failure.exit(), crate::failure::Exit::Unverified);
    }
}
