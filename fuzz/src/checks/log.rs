//! The log: entries with their facts and sessions, live rows, disclosures, cuts, notes, receipts, tiles, proofs. Each has one encoding, so reading and
//! writing cancel out.

use claviger_audit::approval::{self, Form};
use claviger_audit::fact::{Facts, OpenRow, Replayed, ReplayedPrincipal, Sealed};
use claviger_audit::note::signature_line;
use claviger_audit::rows::{self, RowsHead};
use claviger_audit::session::{DisclosedName, DisclosedSession, Disclosure, Level, SessionRecord};
use claviger_audit::tile::{self, Resource};
use claviger_audit::tree::{
    TreeError, consistency, inclusion, leaf_hash, node_hash, root_of, verify_consistency, verify_inclusion,
};
use claviger_audit::{
    Checkpoint, Cut, Entry, EvaluationRun, EvidenceKey, Hash, KeptCheckpoint, Note, NoteError, Op, Receipt,
    RefusedCalls, Snapshot, StoreScan, VerifierKey, declaration,
};
use claviger_core::approval::{
    decode_decisions, decode_done, decode_rows, encode_decisions, encode_done, encode_rows,
};
use claviger_core::declaration::{Declared, Plain};
use claviger_core::review::{Review, decode_items, encode_items, encode_population};

/// What others are asked to approve is written as it was read, and so is the act in it, which has no reason; so are the decisions, the
/// rows and the steps of an approval. A decision is signed, or it is not.
pub fn approval(bytes: &[u8]) -> bool {
    let (rows, decisions, done) = (decode_rows(bytes), decode_decisions(bytes), decode_done(bytes));
    let is_part = rows.is_ok() || decisions.is_ok() || done.is_ok();
    if let Ok(rows) = rows {
        assert_eq!(encode_rows(&rows), bytes);
    }
    if let Ok(done) = done {
        assert_eq!(encode_done(&done), bytes);
    }
    if let Ok(decisions) = decisions {
        assert_eq!(encode_decisions(&decisions), bytes);
        for decided in &decisions {
            let _ = approval::is_signed(&[7; 32], decided);
        }
    }
    let Ok(form) = Form::decode(bytes) else { return is_part };
    assert_eq!(form.encode(), bytes);
    if let Ok(act) = form.act() {
        assert_eq!((act.encode(), act.reason()), (form.asked, None));
    }
    true
}

/// What is declared is written as it was read; a statement is signed over what it says, or it is not; a certificate gives a key or none.
pub fn declaration(bytes: &[u8]) -> bool {
    let certificate = declaration::public_key_of(bytes).is_some();
    let Ok(declared) = declaration::decode(bytes) else { return certificate };
    assert_eq!(declaration::encode(&declared), bytes);
    assert!(declared.is_sound() && declared.subject().parse::<Plain>().is_ok());
    if let Declared::Attestation(attestation) = &declared {
        let _ = declaration::is_signed(attestation);
    }
    true
}

/// An entry is written as it was read, and so is what it counts of calls of nobody.
pub fn entry(bytes: &[u8]) -> bool {
    let Ok(entry) = Entry::decode(bytes) else { return false };
    let mut written = Vec::new();
    entry.encode_into(&mut written).expect("what was read can be written");
    assert_eq!(written, bytes);
    if let Some(refused) = entry.reference.as_deref().and_then(RefusedCalls::from_bytes) {
        assert_eq!(Some(refused.to_bytes().as_slice()), entry.reference.as_deref());
    }
    true
}

/// Facts are written as they were read, by themselves and in their bundle, and have the digest of what they are written from.
pub fn facts(bytes: &[u8]) -> bool {
    if let Ok(bundle) = tile::parse_facts(bytes)
        && !bundle.is_empty()
    {
        let mut written = Vec::new();
        for (place, facts) in bundle {
            tile::push_facts(&mut written, place, facts).expect("its length was read");
        }
        assert_eq!(written, bytes);
        return true;
    }
    let Ok(facts) = Facts::decode(bytes) else { return false };
    let written = facts.encode().expect("what was read can be written");
    assert_eq!(written, bytes);
    let mut withheld = facts.clone();
    for fact in &mut withheld.facts {
        fact.sealed = fact.sealed.as_ref().map(Sealed::withheld);
    }
    assert_eq!(withheld.digest(), facts.digest());
    let mut seen = Vec::new();
    Facts::skim(bytes, |raw| seen.push((raw.object, raw.revision))).expect("what was read is seen");
    assert!(seen.into_iter().eq(facts.facts.iter().map(|fact| (fact.object, fact.revision))));
    for fact in facts.facts {
        // Whatever a fact says, it is of a kind or it is not.
        let _ = (ReplayedPrincipal::after(None, &fact), OpenRow::read(fact.object, &fact.fields));
        let replayed = Replayed::new(fact);
        let _ = (replayed.approval(None), replayed.grant(None), replayed.key_life(), replayed.ring_policy());
    }
    true
}

/// The items of an access review are written as they were read; what was decided of them is no part of the population.
pub fn review(bytes: &[u8]) -> bool {
    let Ok(mut items) = decode_items(bytes) else { return false };
    assert_eq!(encode_items(&items), bytes);
    assert!(Review::are_listed(&items));
    let population = encode_population(&items);
    items.iter_mut().for_each(|item| item.decided = None);
    assert_eq!(encode_items(&items), population);
    true
}

/// The head of live rows, and a page of them, are written as they were read.
pub fn rows(bytes: &[u8]) -> bool {
    if let Ok(head) = RowsHead::decode(bytes) {
        assert_eq!(head.encode().expect("what was read can be written"), bytes);
        return true;
    }
    let Ok(page) = rows::decode_page(bytes) else { return false };
    assert_eq!(rows::encode_page(&page).expect("what was read can be written"), bytes);
    true
}

/// What lies beside a session is written as it was read.
pub fn session(bytes: &[u8]) -> bool {
    let Ok(record) = SessionRecord::decode(bytes) else { return false };
    assert_eq!(record.encode().expect("what was read can be written"), bytes);
    true
}

/// The reference of a snapshot, alone or in its entry, and those of a scan and of an evaluation are written as they were read.
pub fn snapshot(bytes: &[u8]) -> bool {
    if let Some(scan) = StoreScan::from_bytes(bytes) {
        assert_eq!(scan.to_bytes(), bytes);
    }
    if let Some(run) = EvaluationRun::from_bytes(bytes) {
        assert_eq!(run.to_bytes(), bytes);
    }
    let alone = Snapshot::from_bytes(bytes);
    if let Some(snapshot) = &alone {
        assert_eq!(snapshot.to_bytes(), bytes);
    }
    let entry = Entry::decode(bytes).ok().filter(|entry| entry.op == Op::Snapshot);
    let of_entry = entry.as_ref().and_then(|entry| entry.reference.as_deref()).map(Snapshot::from_bytes);
    if let (Some(Some(snapshot)), Some(entry)) = (of_entry, &entry) {
        assert_eq!(entry.reference.as_deref(), Some(snapshot.to_bytes().as_slice()));
    }
    alone.is_some() || of_entry.flatten().is_some()
}

/// A disclosure is written as it was read, as are its sessions and names by themselves, and lets out no more than its level.
pub fn disclosure(bytes: &[u8]) -> bool {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    if let Ok(session) = DisclosedSession::decode(bytes) {
        assert_eq!(written(&|out| session.encode_into(out)), bytes);
        session.seen().expect("what was read says something");
        return true;
    }
    if let Ok(name) = DisclosedName::decode(bytes) {
        assert_eq!(written(&|out| name.encode_into(out)), bytes);
        return true;
    }
    let Ok(disclosure) = Disclosure::decode(bytes) else { return false };
    assert_eq!(disclosure.encode().expect("what was read can be written"), bytes);
    for session in &disclosure.sessions {
        let seen = session.seen().expect("what was read says something");
        assert!(seen.address.is_none() || disclosure.level == Level::Full);
        assert!(seen.principal.is_none() || disclosure.level != Level::Minimal);
    }
    true
}

/// A cut is written as it was read, and finds each of its shards.
pub fn cut(bytes: &[u8]) -> bool {
    let Ok(cut) = Cut::decode(bytes) else { return false };
    assert_eq!(cut.encode().expect("what was read can be written"), bytes);
    assert!(cut.shards.iter().all(|head| cut.shard(head.shard) == Some(head)));
    true
}

/// A note, its checkpoint and keys that verify notes are written as they were read; what a node keeps beside its store is such a note.
pub fn note(bytes: &[u8]) -> bool {
    if let Ok((kept, key)) = KeptCheckpoint::open(bytes) {
        assert_eq!(kept.head.origin, key.name());
        return true;
    }
    let signed = Note::parse(bytes).ok().inspect(|note| written(note, bytes)).is_some();
    let bare = text(bytes).is_some_and(|text| checkpoint(text) || verifier_key(text) || evidence_key(text));
    signed || bare
}

fn written(note: &Note<'_>, bytes: &[u8]) {
    let lines: String = note
        .signatures()
        .iter()
        .map(|line| signature_line(line.name, line.key_id, &line.signature).expect("its name was read"))
        .collect();
    assert_eq!(format!("{}\n{lines}", note.unverified_text()).as_bytes(), bytes);
    checkpoint(note.unverified_text());
    announced(note);
}

/// Of the key that a text names, the note has a line or not, and the verifier says the same.
fn announced(note: &Note<'_>) {
    let vkey = note.unverified_text().lines().nth(1);
    let Some(key) = vkey.and_then(|vkey| EvidenceKey::parse(vkey).ok()) else { return };
    let own = |name: &str, id: [u8; 4]| name == key.name() && id == key.key_id();
    let has_line = note.signatures().iter().any(|line| own(line.name, line.key_id));
    assert_eq!(key.verify(note) == Err(NoteError::NotSigned), !has_line);
}

fn checkpoint(text: &str) -> bool {
    let Ok(checkpoint) = Checkpoint::parse(text) else { return false };
    assert_eq!(checkpoint.text(), text);
    true
}

fn verifier_key(text: &str) -> bool {
    let Ok(key) = VerifierKey::parse(text) else { return false };
    assert_eq!(key.to_string(), text);
    true
}

fn evidence_key(text: &str) -> bool {
    let Ok(key) = EvidenceKey::parse(text) else { return false };
    assert_eq!(key.to_string(), text);
    assert!(VerifierKey::parse(text).is_err(), "a key of one type is none of another");
    true
}

/// A receipt is written as it was read.
pub fn receipt(bytes: &[u8]) -> bool {
    let Some(receipt) = text(bytes).and_then(|text| Receipt::parse(text).ok()) else { return false };
    assert_eq!(receipt.to_string().as_bytes(), bytes);
    assert!(receipt.index < receipt.size);
    true
}

/// Paths and bundles are written as they were read.
pub fn tile(bytes: &[u8]) -> bool {
    let path = text(bytes).and_then(|text| Resource::parse(text).ok());
    if let Some(resource) = &path {
        assert_eq!(resource.to_string().as_bytes(), bytes);
    }
    path.is_some() || bundle(bytes)
}

fn bundle(bytes: &[u8]) -> bool {
    let Ok(entries) = tile::parse_bundle(bytes) else { return false };
    let mut written = Vec::new();
    for entry in entries {
        tile::push_entry(&mut written, entry).expect("its length was read");
    }
    assert_eq!(written, bytes);
    true
}

/// Honest proofs hold, foreign ones never do. The first three bytes choose a tree and a place in it, the rest is the
/// foreign proof, for that tree and for one as large as can be.
pub fn proof(bytes: &[u8]) -> bool {
    let Some((&[size, place, older], foreign)) = bytes.split_first_chunk() else { return false };
    let size = u64::from(size) + 1;
    let (place, older) = (u64::from(place) % size, u64::from(older) % size + 1);
    let (leaf, root) = (leaf_hash(&place.to_be_bytes()), head(size));
    let path = inclusion(place, size, &subtree).expect("all subtrees are there");
    assert_eq!(verify_inclusion(&leaf, place, size, &path, &root), Ok(()));
    let link = consistency(older, size, &subtree).expect("all subtrees are there");
    assert_eq!(verify_consistency((older, &head(older)), (size, &root), &link), Ok(()));

    let foreign: Vec<Hash> = foreign.as_chunks::<32>().0.to_vec();
    let included = verify_inclusion(&leaf, place, size, &foreign, &root).is_ok();
    assert_eq!(included, foreign == path);
    let linked = verify_consistency((older, &head(older)), (size, &root), &foreign).is_ok();
    assert_eq!(linked, foreign == link);
    for index in [0, place, u64::MAX - 1] {
        assert!(verify_inclusion(&leaf, index, u64::MAX, &foreign, &root).is_err());
    }
    assert_eq!(verify_inclusion(&leaf, size, size, &foreign, &root), Err(TreeError::BeyondTree));
    assert!(verify_consistency((older, &head(older)), (u64::MAX, &root), &foreign).is_err());
    included || linked
}

fn head(size: u64) -> Hash {
    root_of(size, &subtree).expect("all subtrees are there")
}

/// Of the log whose entries are their own indices.
#[expect(clippy::unnecessary_wraps, reason = "a reader of hashes may lack some")]
fn subtree(height: u8, index: u64) -> Option<Hash> {
    Some(perfect(height, index))
}

fn perfect(height: u8, index: u64) -> Hash {
    match height.checked_sub(1) {
        None => leaf_hash(&index.to_be_bytes()),
        Some(below) => node_hash(&perfect(below, 2 * index), &perfect(below, 2 * index + 1)),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
