//! An export of a log as an auditor takes it, which is kept, so that it can be evaluated as of several instants, and changed as whoever has
//! its files can change them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use claviger_audit::cbor::put_text;
use claviger_audit::fact::{Field, Kind, field_name};
use claviger_audit::rows::{HEAD, decode_page, digest_of_page, encode_page, page_name};
use claviger_audit::tile::{parse_bundle, push_entry};
use claviger_audit::verify::{Files, NoFile, Request, verify, verify_watched};
use claviger_audit::{Entry, LiveRow, Op, RowsHead, VerifierKey};
use claviger_compliance::{Catalogue, Evaluation, Period, Scan};

/// Where the first entries of the one shard lie, whole or as far as they go.
const FIRST_ENTRIES: &str = "1/tile/entries/000";

/// The files of an export, and the key to verify them with.
#[derive(Clone)]
pub(super) struct Export {
    key: VerifierKey,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files for Export {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        self.files.get(name).cloned().ok_or(NoFile::Missing)
    }
}

/// Keeps what is read from elsewhere.
struct Taking<'f> {
    from: &'f dyn Files,
    taken: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Files for Taking<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        let known = self.taken.borrow().get(name).cloned();
        if let Some(bytes) = known {
            return Ok(bytes);
        }
        let bytes = self.from.read(name)?;
        self.taken.borrow_mut().insert(name.to_owned(), bytes.clone());
        Ok(bytes)
    }
}

impl Export {
    /// Takes all that a verification reads.
    pub(super) fn take(from: &dyn Files, key: VerifierKey) -> Self {
        let taking = Taking { from, taken: RefCell::default() };
        verify(&taking, &Request::new(&key)).unwrap();
        Self { files: taking.taken.into_inner(), key }
    }

    /// The same with live rows beside it, which were read while the log of that shard grew from the one size to the other.
    pub(super) fn with_rows(mut self, shard: u32, [before, after]: [u64; 2], pages: &[Vec<LiveRow>]) -> Self {
        let pages = pages.iter().map(|rows| self.put_page(rows)).collect();
        let head = RowsHead { shard, before, after, pages };
        self.files.insert(HEAD.to_owned(), head.encode().unwrap());
        self
    }

    /// Puts a page of rows to it; gives its digest.
    fn put_page(&mut self, rows: &[LiveRow]) -> [u8; 32] {
        let page = encode_page(rows).unwrap();
        let digest = digest_of_page(&page);
        self.files.insert(page_name(&digest), page);
        digest
    }

    /// The same with rows as a deployment gives them out when somebody edited them in its database: the data of each key is another.
    pub(super) fn with_edited_rows(&self) -> Self {
        let is_class = |number: &u16| field_name(Kind::Key, *number) == Some("data_class");
        let class = (0..u16::MAX).find(is_class).unwrap();
        let mut internal = Vec::new();
        put_text(&mut internal, "internal");
        let mut edited = self.clone();
        let head = RowsHead::decode(&self.files[HEAD]).unwrap();
        let mut pages = Vec::new();
        for digest in &head.pages {
            let mut rows = decode_page(&self.files[&page_name(digest)]).unwrap();
            for row in rows.iter_mut().filter(|row| row.object.kind() == Kind::Key) {
                row.fields.insert(class, Field::Open(internal.clone()));
                row.holds = false;
            }
            pages.push(edited.put_page(&rows));
        }
        let head = RowsHead { pages, ..head };
        edited.files.insert(HEAD.to_owned(), head.encode().unwrap());
        edited
    }

    /// The same without the first entries.
    pub(super) fn without_begin(&self) -> Self {
        let mut rest = self.clone();
        rest.files.remove(&self.first_entries()).unwrap();
        rest
    }

    /// The same with another first entry: that of the first self-test in its place, beside which nothing lies.
    pub(super) fn with_another_begin(&self) -> Self {
        let mut other = self.clone();
        let name = self.first_entries();
        let entries = parse_bundle(&self.files[&name]).unwrap();
        let is_test = |bytes: &[u8]| Entry::decode(bytes).is_ok_and(|entry| entry.op == Op::SelfTest);
        let test = entries.iter().copied().find(|bytes| is_test(bytes)).unwrap();
        let mut bundle = Vec::new();
        push_entry(&mut bundle, test).unwrap();
        for bytes in entries.iter().skip(1) {
            push_entry(&mut bundle, bytes).unwrap();
        }
        assert_ne!(entries[0], test, "a log begins with the start of its node");
        other.files.insert(name, bundle);
        other
    }

    fn first_entries(&self) -> String {
        self.files.keys().find(|name| name.starts_with(FIRST_ENTRIES)).unwrap().clone()
    }

    /// What the controls come to, by the parameters that are declared in the log.
    pub(super) fn evaluate(&self, catalogue: &Catalogue, period: Period) -> Evaluation {
        let request = Request::new(&self.key);
        let mut first = Scan::new(catalogue, None, period);
        let verified = verify_watched(self, &request, &mut first).unwrap();
        let declared = first.declared();
        if declared.is_empty() {
            return first.remaking(self, &self.key, &mut || ()).unwrap().finish(&verified);
        }
        // Checks are made by parameters, which the log has said only now.
        let mut again = Scan::new(catalogue, None, period).with(&declared);
        let verified = verify_watched(self, &request, &mut again).unwrap();
        again.remaking(self, &self.key, &mut || ()).unwrap().finish(&verified)
    }
}
