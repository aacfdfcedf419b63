//! One entry of the log, for people and for programs.

use claviger_audit::{Entry, NamedAsset, Op, Outcome};
use claviger_client::types::audit::Who;
use claviger_client::types::{Instant, Reason, audit};
use claviger_core::{AssetId, KeyId, Timestamp};
use serde::Serialize;

use crate::command::reason::reported;
use crate::failure::Failure;
use crate::output::Table;

/// What an entry says. Members that it does not have are left out.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) index: u64,
    at: String,
    epoch: u64,
    operation: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_class: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<Who>,
}

impl Shown {
    /// Reads an entry as the service gave it.
    ///
    /// # Errors
    /// When its bytes are not an entry: such a log is not what it should be.
    pub(super) fn of(entry: &audit::Entry) -> Result<Self, Failure> {
        let decoded = Entry::decode(entry.canonical.as_ref()).map_err(|error| {
            Failure::unverified(format!("entry {} is not an entry: {error}", entry.index))
        })?;
        let hexadecimal = |bytes: &[u8]| hex::encode(bytes);
        Ok(Self {
            index: entry.index,
            at: Instant(Timestamp::from_micros(decoded.t)).to_string(),
            epoch: decoded.e,
            operation: decoded.op.name(),
            outcome: decoded.out.name(),
            key: decoded.key.map(|key| KeyId::from_bytes(key).to_string()),
            version: decoded.kv,
            actor: decoded.act.as_ref().map(|tag| hexadecimal(tag)),
            session: decoded.ses,
            size_class: decoded.n,
            context: decoded.ctx.as_ref().map(|tag| hexadecimal(tag)),
            asset: decoded.ast.map(|asset| match asset {
                NamedAsset::Known(id) => AssetId::from_bytes(id).to_string(),
                NamedAsset::Unknown => "unknown".to_owned(),
            }),
            request: decoded.rid.as_ref().map(|tag| hexadecimal(tag)),
            policy: decoded.pol.as_ref().map(|digest| hexadecimal(digest)),
            sealed_bytes: decoded.enc.as_ref().map(|sealed| sealed.len()),
            reference: decoded.reference.as_deref().map(hexadecimal),
            reason: entry.reason.clone(),
            who: None,
        })
    }

    /// The same of an entry that a search found.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(super) fn of_search(found: audit::SearchedEntry) -> Result<Self, Failure> {
        let audit::SearchedEntry { index, canonical, reason, who } = found;
        Ok(Self { who, ..Self::of(&audit::Entry { index, canonical, reason })? })
    }

    /// Is it a read of the log itself? Following the log would otherwise show mostly itself.
    pub(super) fn is_reading(&self) -> bool {
        [Op::ReadAudit, Op::SearchAudit].iter().any(|op| op.name() == self.operation)
    }

    /// Does it tell that something was refused?
    pub(crate) fn is_refusal(&self) -> bool {
        self.outcome != Outcome::Ok.name()
    }

    fn cells(&self) -> [String; 8] {
        let short = |text: &Option<String>| {
            text.as_ref().map_or_else(String::new, |text| text.chars().take(8).collect())
        };
        let version = self.version.map_or_else(String::new, |version| format!("/{version}"));
        let key = self.key.as_ref().map_or_else(String::new, |key| format!("{key}{version}"));
        [
            self.index.to_string(),
            self.at.clone(),
            self.epoch.to_string(),
            self.operation.to_owned(),
            self.outcome.to_owned(),
            key,
            short(&self.actor),
            reported(self.reason.as_ref()),
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

    /// One line with who it is of, for answers that are shown as they come.
    pub(super) fn line_of_search(&self) -> String {
        let [index, at, _, operation, outcome, key, _, reason] = self.cells();
        let [who, from] = self.who();
        format!(
            "{index:>10}  {at:<27}  {operation:<22} {outcome:<14} {key:<40} {who:<24} {from:<28} {reason}"
        )
        .trim_end()
        .to_owned()
    }

    /// One line, for a log that is followed.
    pub(crate) fn line(&self) -> String {
        let [index, at, epoch, operation, outcome, key, actor, reason] = self.cells();
        format!(
            "{index:>8}  {at:<27}  {epoch:>5}  {operation:<22} {outcome:<14} {key:<40} {actor:<8} {reason}"
        )
        .trim_end()
        .to_owned()
    }
}

/// Entries as a table.
pub(super) fn table(entries: &[Shown]) -> String {
    let heads = ["index", "at", "epoch", "operation", "outcome", "key/version", "actor", "reason"];
    let mut table = Table::new("entries", &heads);
    for entry in entries {
        table.row(entry.cells());
    }
    table.text()
}

/// Entries with who they are of, as a table.
pub(super) fn table_of_search(entries: &[Shown]) -> String {
    let heads = ["index", "at", "operation", "outcome", "key/version", "who", "from", "reason"];
    let mut table = Table::new("entries", &heads);
    for entry in entries {
        let [index, at, _, operation, outcome, key, _, reason] = entry.cells();
        let [who, from] = entry.who();
        table.row([index, at, operation, outcome, key, who, from, reason]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_shown_with_what_they_have() {
        let mut entry = Entry::new(1_000_000, 7, Op::Decrypt, Outcome::Denied);
        entry.key = Some([1; 16]);
        entry.kv = Some(3);
        let mut canonical = Vec::new();
        entry.encode_into(&mut canonical).unwrap();
        let shown =
            Shown::of(&audit::Entry { index: 12, canonical: canonical.into(), reason: None }).unwrap();
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!((json["operation"].as_str(), json["outcome"].as_str()), (Some("decrypt"), Some("denied")));
        assert_eq!(json["at"], "1970-01-01T00:00:01Z");
        assert!(json.get("actor").is_none());
        assert!(shown.line().contains("01010101-0101-0101-0101-010101010101/3"), "{}", shown.line());
    }

    #[test]
    fn bytes_that_are_no_entry_are_a_failed_verification() {
        let failure =
            Shown::of(&audit::Entry { index: 1, canonical: vec![0xff].into(), reason: None }).unwrap_err();
        assert_eq!(failure.exit(), crate::failure::Exit::Unverified);
    }
}
