//! `claviger rights …`: all rights by name, and the confirmation of those that an older release kept.

use clap::{Args, Subcommand};
use claviger_client::types::Page;
use claviger_client::types::rights::{ConfirmRights, Confirmation, ListRights, Right, RightsReview};
use claviger_crypto::digest::Sha256;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{note, record};
use crate::session::Session;

/// Rights that one call brings.
const PAGE: u32 = 1000;

/// What can be done about rights as a whole.
#[derive(Debug, Clone, Subcommand)]
pub enum RightsCommand {
    /// List all rights by name: rules of rings, roles, credentials, grants, aliases; and the digest of that list
    ///
    /// A right is one line. The digest is SHA-256 over all lines, each with a line feed behind it, made here from what is shown:
    /// `claviger rights list 2>/dev/null | sha256sum` gives the same.
    ///
    /// Example: claviger --profile auditor.toml rights list
    List,
    /// Confirm the rights that an older release kept, by the digest of their list
    ///
    /// After the upgrade of a store that an older release wrote, nothing says how its rights came about. A security officer and an
    /// auditor, two persons, look at the list, see to what should not be there, and confirm the digest of the same list. Until both
    /// have, `status`, `doctor`, a metric and each start say that the rights are unconfirmed. A digest is refused once a right has
    /// changed since it was made; who confirmed an earlier list confirms the new one.
    ///
    /// Example: claviger --profile auditor.toml rights confirm 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    Confirm(ConfirmArgs),
}

/// What is confirmed.
#[derive(Debug, Clone, Args)]
pub struct ConfirmArgs {
    /// Digest of the list, from `claviger rights list`: 64 hexadecimal digits
    #[arg(value_parser = digest)]
    digest: String,
}

/// All rights, with the digest of their lines.
#[derive(Debug, Serialize)]
struct Rights {
    digest: String,
    items: Vec<Right>,
}

fn digest(text: &str) -> Result<String, String> {
    let mut bytes = [0; 32];
    let read = hex::decode_to_slice(text, &mut bytes);
    read.map(|()| hex::encode(bytes)).map_err(|_| "a digest is 64 hexadecimal digits".to_owned())
}

impl RightsCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List => list(session).await,
            Self::Confirm(ConfirmArgs { digest }) => {
                let answer = session.client()?.confirm_rights(&ConfirmRights { digest }).await?;
                session.format.print(&answer.value, table)
            }
        }
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let client = session.client()?;
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let query = ListRights { cursor, limit: Some(PAGE) };
        let Page { items: more, next } = client.list_rights(&query).await?.value;
        items.extend(more);
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let rights = Rights { digest: digest_of(&items), items };
    session.format.print(&rights, |rights| lines(&rights.items))?;
    note(&format!(
        "{} rights. If all of them are as they should be: claviger rights confirm {}",
        rights.items.len(),
        rights.digest
    ));
    Ok(())
}

fn lines(rights: &[Right]) -> String {
    rights.iter().map(|right| format!("{}\n", right.line)).collect()
}

fn digest_of(rights: &[Right]) -> String {
    let mut digest = Sha256::new();
    for right in rights {
        digest.update(right.line.as_bytes());
        digest.update(b"\n");
    }
    hex::encode(digest.finish())
}

fn table(review: &RightsReview) -> String {
    let confirmed = if review.confirmed { "yes" } else { "no: the other of both persons is missing" };
    record(&[
        ("confirmed", confirmed.to_owned()),
        ("digest", review.digest.clone().unwrap_or_default()),
        ("security officer", by(review.security_officer.as_ref())),
        ("auditor", by(review.auditor.as_ref())),
        ("unconfirmed since", review.opened_at.to_string()),
    ])
}

fn by(one: Option<&Confirmation>) -> String {
    one.map(|one| format!("{} at {}", one.name, one.at)).unwrap_or_default()
}

/// What is still missing, in a few words.
pub(super) fn missing(review: &RightsReview) -> String {
    let reported = |what: &str, one: Option<&Confirmation>| match one {
        Some(one) => format!("{what} {} confirmed at {}", one.name, one.at),
        None => format!("no {what} has confirmed"),
    };
    let officer = reported("security officer", review.security_officer.as_ref());
    format!("{officer}, {}", reported("auditor", review.auditor.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(line: &str) -> Right {
        Right { kind: "alias".to_owned(), id: String::new(), line: line.to_owned() }
    }

    #[test]
    fn digest_is_that_of_the_lines_as_they_are_shown() {
        let rights = [right("alias a: key r/k"), right("alias b: key r/k")];
        assert_eq!(lines(&rights), "alias a: key r/k\nalias b: key r/k\n");
        let shown = claviger_crypto::digest::sha256(lines(&rights).as_bytes());
        assert_eq!(digest_of(&rights), hex::encode(shown));
        assert_ne!(digest_of(&rights), digest_of(&rights[..1]));
    }

    #[test]
    fn what_is_no_digest_is_refused_before_anything_is_sent() {
        assert_eq!(digest(&"AB".repeat(32)).unwrap(), "ab".repeat(32));
        for bad in ["", "ab", &"ab".repeat(33), &"xy".repeat(32)] {
            assert!(digest(bad).is_err(), "{bad}");
        }
    }
}
