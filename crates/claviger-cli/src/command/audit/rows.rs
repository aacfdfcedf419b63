//! The live rows of a deployment, taken out beside its log.
//!
//! Invariant: the head names pages by what they hold and is written last, behind the checkpoint that covers it. Whatever interrupts an
//! export, the rows in the directory are those of one reading, and the log beside them reaches it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use claviger_audit::RowsHead;
use claviger_audit::fact::Field;
use claviger_audit::rows::{HEAD, LiveRow, RowsError, digest_of_page, encode_page, page_name};
use claviger_client::types::audit::{ListRows, LiveField, LiveRow as WireRow};
use claviger_client::{Client, ClientError};
use claviger_core::object::Object;

use crate::failure::Failure;
use crate::file::placed::{Existing, Placed, Privacy};
use crate::progress;

/// Rows on a page: what a server gives at once.
const AT_ONCE: u32 = 1000;

/// Rows whose pages lie in a directory, and whose head does not yet.
pub(crate) struct Fetched {
    head: RowsHead,
    count: u64,
}

/// Reads all live rows, and writes them into `dir` page by page.
///
/// # Errors
/// When they cannot be read or written.
pub(crate) async fn fetch(client: &Client, dir: &Path) -> Result<Fetched, Failure> {
    let bar = progress::count("rows", 0);
    let before = client.read_checkpoint().await?.value;
    let (mut pages, mut count) = (Vec::new(), 0);
    let mut query = ListRows { cursor: None, limit: Some(AT_ONCE) };
    loop {
        let answer = client.list_rows(&query).await.map_err(not_listed)?;
        let rows = answer.value.items.into_iter().map(read).collect::<Option<Vec<_>>>();
        let rows = rows.ok_or_else(|| Failure::failed("the service gave a row that does not read"))?;
        if !rows.is_empty() {
            let page = encode_page(&rows).map_err(refused)?;
            let digest = digest_of_page(&page);
            place(dir, &page_name(&digest), &page)?;
            pages.push(digest);
            count += rows.len() as u64;
            bar.inc_length(rows.len() as u64);
            bar.inc(rows.len() as u64);
        }
        match answer.value.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    let after = client.read_checkpoint().await?.value.shard_size;
    bar.finish_and_clear();
    Ok(Fetched { head: RowsHead { shard: before.shard, before: before.shard_size, after, pages }, count })
}

impl Fetched {
    /// How many there are.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// The entry that a log must reach which they are held against.
    pub(super) const fn last_entry(&self) -> Option<u64> {
        self.head.after.checked_sub(1)
    }

    /// Writes the head, now that the log in `dir` reaches them, and removes the pages of an earlier reading.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, dir: &Path) -> Result<(), Failure> {
        place(dir, HEAD, &self.head.encode().map_err(refused)?)?;
        let named: BTreeSet<_> = self.head.pages.iter().map(page_name).collect();
        for entry in fs::read_dir(dir.join("rows")).into_iter().flatten().flatten() {
            let is_page = |name: &str| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            let name = entry.file_name().into_string().unwrap_or_default();
            if is_page(&name) && !named.contains(&format!("rows/{name}")) {
                // One that stays does no harm: nothing names it.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

fn place(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = dir.join(name);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(|error| Failure::file(parent, &error))?;
    Placed::write(&path, Privacy::Others, Existing::Replace, bytes)
}

/// A row that does not even read stands in the way of all others.
fn not_listed(error: ClientError) -> Failure {
    let failure = Failure::from(error).during("live rows");
    match failure.status() {
        Some(500) => {
            failure.advise_if_none("`claviger audit export --without-state` takes out the log without them")
        }
        _ => failure,
    }
}

fn refused(error: RowsError) -> Failure {
    Failure::failed(format!("live rows: {error}"))
}

fn read(row: WireRow) -> Option<LiveRow> {
    let object = Object::from_id(row.kind.parse().ok()?, &row.id.0)?;
    let field = |field: LiveField| {
        let shown = match (field.value, field.commitment) {
            (Some(value), None) => Field::Open(value.0.to_vec()),
            (None, Some(commitment)) => Field::Hidden(commitment.0.as_ref().try_into().ok()?),
            _ => return None,
        };
        Some((field.number, shown))
    };
    let fields = row.fields.into_iter().map(field).collect::<Option<_>>()?;
    Some(LiveRow { object, revision: row.revision, fields, holds: !row.altered })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_reading_goes_once_the_head_names_another() {
        let dir = tempfile::tempdir().unwrap();
        let fetched = |page: &[u8], before| {
            let digest = digest_of_page(page);
            place(dir.path(), &page_name(&digest), page).unwrap();
            Fetched { head: RowsHead { shard: 1, before, after: 9, pages: vec![digest] }, count: 1 }
        };
        let first = fetched(b"first", 7);
        first.keep(dir.path()).unwrap();
        // Until its head is there, a second reading changes nothing.
        let second = fetched(b"second", 8);
        let there = |fetched: &Fetched| dir.path().join(page_name(&fetched.head.pages[0])).exists();
        assert!(there(&first) && there(&second));
        let head = || RowsHead::decode(&fs::read(dir.path().join(HEAD)).unwrap()).unwrap();
        assert_eq!(head(), first.head);
        fs::write(dir.path().join("rows/notes"), "of the auditor").unwrap();
        second.keep(dir.path()).unwrap();
        assert_eq!(head(), second.head);
        assert!(!there(&first) && there(&second) && dir.path().join("rows/notes").exists());
        assert_eq!((second.last_entry(), second.count()), (Some(8), 1));
    }
}
