//! The certificates that nodes show and the authorities that they trust, as their lines say them.

use std::collections::BTreeMap;
use std::fmt;

use claviger_audit::fact::OpenNode;
use claviger_core::Timestamp;

/// The end of certificates that have none (RFC 5280, 4.1.2.5).
const NO_END: &str = "9999-12-31T23:59:59Z";

/// What a node has a certificate for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It shows it to clients.
    Server,
    /// It is between that one and its authority.
    Intermediate,
    /// It takes clients whose certificates are of that authority.
    Authority,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server certificate",
            Self::Intermediate => "intermediate certificate",
            Self::Authority => "authority of clients",
        })
    }
}

/// A certificate or trust anchor of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed<'n> {
    pub(super) role: Role,
    /// SHA-256, in hexadecimal with a colon behind each byte but the last.
    pub(super) print: &'n str,
    pub(super) owner: Option<&'n str>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    issuer: &'n str,
    revocation: &'n str,
}

impl<'n> Listed<'n> {
    /// Those of a node, and whether these are all: whether each of its lines is one.
    pub(super) fn all(node: &'n OpenNode) -> (Vec<Self>, bool) {
        let listed: Vec<_> = node.certificates.iter().filter_map(|line| Self::read(line)).collect();
        let is_whole = listed.len() == node.certificates.len();
        (listed, is_whole)
    }

    /// Reads `ROLE NAME=VALUE …`.
    fn read(line: &'n str) -> Option<Self> {
        let mut words = line.split(' ');
        let role = match words.next()? {
            "server" => Role::Server,
            "intermediate" => Role::Intermediate,
            "authority" => Role::Authority,
            _ => return None,
        };
        let words: BTreeMap<_, _> = words.filter_map(|word| word.split_once('=')).collect();
        let said = |name: &str| words.get(name).copied();
        Some(Self {
            role,
            print: said("sha256")?,
            owner: said("owner"),
            from: instant(said("from")?)?,
            until: instant(said("until")?)?,
            issuer: said("issuer")?,
            revocation: said("revocation")?,
        })
    }

    /// Enough of its print to tell it from others of its node: 8 bytes.
    pub(super) fn short_print(&self) -> &'n str {
        self.print.get(..23).unwrap_or(self.print)
    }

    /// Why nobody knows whether it was revoked. An authority is trusted because it is listed: it is revoked by being taken out.
    pub(super) fn doubt(&self, listed: &[Listed<'_>]) -> Option<&'static str> {
        let is_at_hand = self.issuer == "self" || listed.iter().any(|other| other.print == self.issuer);
        match self.revocation {
            _ if self.role == Role::Authority => None,
            "unpublished" if is_at_hand => None,
            "unpublished" => Some(
                "whether it was revoked is not known: it names no place that says so, and its issuer is none of those listed",
            ),
            _ => Some("it names a place that says whether it was revoked, and no check of that is recorded"),
        }
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    if text == NO_END {
        return Some(Timestamp::from_micros(u64::MAX));
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_microsecond()).ok().map(Timestamp::from_micros)
}

/// An instant as people read it.
pub(super) fn shown(at: Timestamp) -> Option<String> {
    let at = i64::try_from(at.as_micros()).ok()?;
    jiff::Timestamp::from_microsecond(at).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "server purpose=server-authentication listeners=control+data sha256=aa owner=ops key=ec-p256 \
                          from=2026-09-21T14:08:20Z until=2027-10-23T14:13:20Z issuer=bb revocation=unpublished";

    #[test]
    fn lines_read_and_what_is_none_does_not() {
        let server = Listed::read(SERVER).unwrap();
        assert_eq!((server.role, server.print, server.owner), (Role::Server, "aa", Some("ops")));
        assert_eq!(server.from, Timestamp::from_micros(1_789_999_700_000_000));
        assert_eq!(shown(server.until).as_deref(), Some("2027-10-23T14:13:20Z"));
        let endless = SERVER.replace("2027-10-23T14:13:20Z", NO_END);
        assert_eq!(Listed::read(&endless).unwrap().until, Timestamp::from_micros(u64::MAX));
        assert_eq!(Listed::read(&SERVER.replace(" owner=ops", "")).unwrap().owner, None);
        for bad in [
            "",
            "further count=3",
            &SERVER.replace("server purpose", "client purpose"),
            &SERVER.replace("2027-10-23T", "2027-13-23T"),
            &SERVER.replace(" issuer=bb", ""),
        ] {
            assert_eq!(Listed::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn revocation_is_known_only_where_there_is_nobody_else_to_ask() {
        let line = SERVER.to_owned();
        let authority = SERVER.replace("server purpose", "authority purpose").replace("=aa", "=bb");
        let read = |line: &'static str| Listed::read(line).unwrap();
        let (server, authority) = (read(line.leak()), read(authority.leak()));
        assert_eq!(server.doubt(&[server.clone(), authority.clone()]), None);
        assert!(server.doubt(std::slice::from_ref(&server)).unwrap().contains("issuer"));
        let asked = read(SERVER.replace("unpublished", "unchecked").leak());
        assert!(asked.doubt(&[server, authority.clone()]).unwrap().contains("no check"));
        let own = read(SERVER.replace("issuer=bb", "issuer=self").leak());
        assert_eq!(own.doubt(&[]), None);
        assert_eq!(authority.doubt(&[]), None);
    }
}
