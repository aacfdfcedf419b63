//! Who called, as far as whoever makes a pack lets it out: a disclosure of the entries of the period, beside the log.
//!
//! Entries are never redacted; what is withheld is a field of a session or a fact, by giving its commitment in the place of its value. So the log
//! of a pack is the same at every level, and a level adds openings, which whoever has the log holds against it.
//!
//! What it keeps true: no check reads a disclosure, so that results are the same at every level, and without any.

use std::collections::BTreeMap;

use claviger_audit::Hash;
use claviger_audit::fact::Object;
use claviger_audit::session::{
    DisclosedFields, DisclosedSession, Disclosure, DisclosureError, Level, Seen, cipher_suite_name,
    group_name, tls_version_name,
};
use claviger_audit::sha256;
use claviger_audit::verify::Finding;

use crate::csv::Table;
use crate::pack::PackFile;
use crate::window::Window;

/// Where it lies.
pub const DISCLOSURE: &str = "disclosure/who.disclosure";

/// How much a pack says of who called, where it says nothing.
pub const NOTHING: &str = "none";

/// A disclosure as it lies in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosed {
    bytes: Vec<u8>,
    of: Disclosure,
}

impl Disclosed {
    /// Reads a file that `claviger audit disclose` wrote, or one of its form.
    ///
    /// # Errors
    /// [`DisclosureError`].
    pub fn read(bytes: Vec<u8>) -> Result<Self, DisclosureError> {
        Disclosure::decode(&bytes).map(|of| Self { bytes, of })
    }

    /// What it discloses.
    #[must_use]
    pub const fn disclosure(&self) -> &Disclosure {
        &self.of
    }

    /// How much.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.of.level
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn digest(&self) -> Hash {
        sha256(&self.bytes)
    }

    /// Is it about all entries of the period, and no others? That no session is left out of them is for the verification of the log to say.
    #[must_use]
    pub fn is_about(&self, window: &Window, root_origin: &str) -> bool {
        let logs = root_origin.strip_suffix("root").unwrap_or(root_origin);
        let shard = self.of.origin.strip_prefix(logs).and_then(|shard| shard.parse().ok());
        shard.is_some_and(|shard| window.range(shard) == (self.of.from..self.of.to))
    }

    /// The file, and two tables of what it says.
    pub(crate) fn files(&self) -> Vec<PackFile> {
        vec![PackFile::new(DISCLOSURE, self.bytes.as_slice()), self.sessions(), self.names()]
    }

    fn sessions(&self) -> PackFile {
        let mut table = Table::new(&[
            "entry",
            "erased",
            "principal",
            "name",
            "credential",
            "method",
            "factors",
            "tls_version",
            "cipher_suite",
            "group",
            "origin",
            "address",
        ]);
        for session in &self.of.sessions {
            let caller = Caller::of(session);
            let seen = &caller.seen;
            let name = seen.principal.and_then(|id| self.of.name(Object::Principal(id)));
            let text = |value: Option<String>| value.unwrap_or_default();
            table.row(&[
                &session.entry.to_string(),
                if caller.is_erased { "yes" } else { "no" },
                &text(seen.principal.map(|id| id.to_string())),
                name.unwrap_or_default(),
                &text(seen.credential.map(|id| id.to_string())),
                &text(seen.method.map(|method| method.to_string())),
                &caller.factors(),
                &named(seen.tls_version, tls_version_name),
                &named(seen.cipher_suite, cipher_suite_name),
                &named(seen.group, group_name),
                &text(seen.origin.map(|origin| origin.to_string())),
                &text(seen.address.map(|address| address.to_string())),
            ]);
        }
        table.file("report/sessions.csv")
    }

    fn names(&self) -> PackFile {
        let mut table = Table::new(&["object", "name"]);
        for name in &self.of.names {
            table.row(&[&name.object.to_string(), name.text().unwrap_or_default()]);
        }
        table.file("report/names.csv")
    }

    /// How many sessions there are of each kind: how callers proved who they are, over what, and from what class of address.
    pub(crate) fn kinds(&self) -> BTreeMap<Vec<String>, u64> {
        let mut kinds = BTreeMap::new();
        for session in &self.of.sessions {
            *kinds.entry(Caller::of(session).kind()).or_default() += 1;
        }
        kinds
    }

    /// How many sessions it opens, and of how many what leads to somebody is gone.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let erased = self.of.sessions.iter().filter(|session| Caller::of(session).is_erased).count() as u64;
        (self.of.sessions.len() as u64 - erased, erased)
    }
}

/// Who stands behind a session, as far as it is open.
struct Caller {
    is_erased: bool,
    seen: Seen,
}

impl Caller {
    fn of(session: &DisclosedSession) -> Self {
        let is_erased = matches!(session.fields, DisclosedFields::None(_));
        // Values that do not read were refused with the file.
        Self { is_erased, seen: session.seen().unwrap_or_default() }
    }

    fn factors(&self) -> String {
        self.seen.factors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn kind(&self) -> Vec<String> {
        if self.is_erased {
            return vec!["erased".to_owned(), String::new(), String::new(), String::new()];
        }
        let method = self.seen.method.map(|method| method.to_string());
        let origin = self.seen.origin.map(|origin| origin.to_string());
        let tls = named(self.seen.tls_version, tls_version_name);
        vec![method.unwrap_or_default(), self.factors(), tls, origin.unwrap_or_default()]
    }
}

/// A number by its name, or as it stands.
fn named(number: Option<u16>, name: fn(u16) -> Option<&'static str>) -> String {
    number.map_or_else(String::new, |number| {
        name(number).map_or_else(|| format!("{number:#06x}"), str::to_owned)
    })
}

/// Something that does not hold of what is disclosed: its code, and what it says.
pub(crate) fn reported(finding: &Finding) -> (&'static str, String) {
    (finding.code(), finding.to_string())
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::VeilKey;
    use claviger_audit::session::Who;
    use claviger_core::principal::CredentialKind;
    use claviger_core::{CredentialId, PrincipalId, Source};

    use super::*;

    fn disclosed(level: Level) -> Disclosed {
        let who = Who {
            principal: PrincipalId::from_bytes([1; 16]),
            credential: CredentialId::from_bytes([2; 16]),
            method: CredentialKind::ALL[0],
            source: Source::from(std::net::IpAddr::from([203, 0, 113, 9])),
        };
        let key = VeilKey::new([5; 32]);
        let session = |entry: u64, is_open: bool| {
            let record = key.seal_session(&who, None, [u8::try_from(entry).unwrap(); 16]).unwrap();
            let fields = is_open.then(|| key.open_session(&record).unwrap().disclosed(level));
            DisclosedSession::new(entry, &record, fields)
        };
        let of = Disclosure {
            origin: "d/audit/1".to_owned(),
            from: 3,
            to: 9,
            level,
            sessions: vec![session(3, true), session(4, true), session(8, false)],
            names: Vec::new(),
        };
        Disclosed::read(of.encode().unwrap()).unwrap()
    }

    fn text_of(disclosed: &Disclosed, path: &str) -> String {
        let file = disclosed.files().into_iter().find(|file| file.path == path).unwrap();
        String::from_utf8(file.bytes).unwrap()
    }

    #[test]
    fn each_level_lets_out_what_is_its_own_and_no_more() {
        let (principal, credential) =
            (PrincipalId::from_bytes([1; 16]).to_string(), CredentialId::from_bytes([2; 16]).to_string());
        let method = format!(",{},", CredentialKind::ALL[0]);
        for level in Level::ALL {
            let disclosed = disclosed(level);
            assert_eq!((disclosed.level(), disclosed.counts()), (level, (2, 1)));
            let table = text_of(&disclosed, "report/sessions.csv");
            assert_eq!(table.matches(&method).count(), 2, "{level}: {table}");
            let is_named = level != Level::Minimal;
            assert_eq!((table.contains(&principal), table.contains(&credential)), (is_named, is_named));
            assert_eq!(table.contains("203.0.113.9"), level == Level::Full, "{level}: {table}");
            assert!(table.contains("8,yes,"), "{table}");
        }
    }

    #[test]
    fn sessions_are_counted_by_how_callers_proved_who_they_are() {
        let kinds = disclosed(Level::Minimal).kinds();
        assert_eq!(kinds.values().sum::<u64>(), 3);
        assert_eq!(kinds.len(), 2, "{kinds:?}");
        assert!(kinds.keys().all(|kind| kind.len() == 4));
    }

    #[test]
    fn it_is_about_the_period_of_one_shard() {
        let at = claviger_core::Timestamp::from_micros;
        let mut window = Window::new(claviger_compliance::Period { from: at(10), to: at(20) });
        let cut = |t: u64, size: u64| claviger_audit::Cut {
            t,
            cut_no: 0,
            epoch: 1,
            shards: vec![claviger_audit::ShardHead {
                shard: 1,
                state: claviger_audit::ShardState::Active,
                incarnation: 1,
                size,
                root: [0; 32],
                epoch: 1,
            }],
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        window.cut(&cut(9, 3));
        window.cut(&cut(20, 9));
        let disclosed = disclosed(Level::Full);
        assert!(disclosed.is_about(&window, "d/audit/root"));
        assert!(!disclosed.is_about(&window, "e/audit/root"));
        window.cut(&cut(20, 10));
        assert!(!disclosed.is_about(&window, "d/audit/root"));
    }
}
