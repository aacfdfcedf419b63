//! What a disclosure says, once it was held against the log.

use claviger_audit::fact::Object;
use claviger_audit::session::{DisclosedFields, DisclosedSession, Disclosure, Seen};
use serde::Serialize;

/// A disclosure.
#[derive(Debug, Serialize)]
pub(crate) struct Disclosed {
    level: &'static str,
    from: u64,
    to: u64,
    sessions: Vec<Session>,
    names: Vec<ObjectName>,
}

/// A session that it opens, or says to be closed for ever.
#[derive(Debug, Default, Serialize)]
struct Session {
    /// Index of its entry; entries name it by that.
    entry: u64,
    /// Nothing of it could be opened: the key of its principal is gone.
    erased: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    factors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher_suite: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// The name of an object.
#[derive(Debug, Serialize)]
struct ObjectName {
    object: String,
    name: String,
}

impl Disclosed {
    pub(crate) fn new(disclosure: &Disclosure) -> Self {
        let named = disclosure.names.iter().filter_map(|name| {
            Some(ObjectName { object: name.object.to_string(), name: name.text()?.to_owned() })
        });
        Self {
            level: disclosure.level.name(),
            from: disclosure.from,
            to: disclosure.to,
            sessions: disclosure.sessions.iter().map(|session| Session::new(session, disclosure)).collect(),
            names: named.collect(),
        }
    }

    /// For people: a line for each session and name.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "disclosed       entries {} to {}, level {}: {} sessions, {} names",
            self.from,
            self.to.saturating_sub(1),
            self.level,
            self.sessions.len(),
            self.names.len()
        )];
        lines.extend(self.sessions.iter().map(Session::line));
        lines.extend(self.names.iter().map(|named| format!("  {}: {}", named.object, named.name)));
        lines
    }
}

impl Session {
    fn new(session: &DisclosedSession, disclosure: &Disclosure) -> Self {
        // Values that do not read were refused with the file.
        let seen: Seen = session.seen().unwrap_or_default();
        let text = |number: Option<u16>, name: fn(u16) -> Option<&'static str>| {
            number.map(|number| name(number).map_or_else(|| format!("{number:#06x}"), str::to_owned))
        };
        let name = seen.principal.and_then(|id| disclosure.name(Object::Principal(id)));
        Self {
            entry: session.entry,
            erased: matches!(session.fields, DisclosedFields::None(_)),
            principal: seen.principal.map(|id| id.to_string()),
            name: name.map(str::to_owned),
            credential: seen.credential.map(|id| id.to_string()),
            method: seen.method.map(|method| method.to_string()),
            factors: seen.factors.iter().map(ToString::to_string).collect(),
            tls_version: text(seen.tls_version, claviger_audit::session::tls_version_name),
            cipher_suite: text(seen.cipher_suite, claviger_audit::session::cipher_suite_name),
            group: text(seen.group, claviger_audit::session::group_name),
            origin: seen.origin.map(|origin| origin.to_string()),
            address: seen.address.map(|address| address.to_string()),
        }
    }

    fn line(&self) -> String {
        if self.erased {
            return format!("  session {}: erased", self.entry);
        }
        let who = [&self.name, &self.principal, &self.credential, &self.method];
        let how = [&self.tls_version, &self.cipher_suite, &self.group, &self.address, &self.origin];
        let words: Vec<_> = who.into_iter().chain(how).flatten().map(String::as_str).collect();
        format!("  session {}: {}", self.entry, words.join(", "))
    }
}
