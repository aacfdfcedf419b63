use claviger_core::{AliasId, CredentialId, KeyRingId, PrincipalId, ReasonId};

use super::*;
use crate::fact::Fact;

const RING: Object = Object::Ring(KeyRingId::from_bytes([1; 16]));
const PERSON: Object = Object::Principal(PrincipalId::from_bytes([2; 16]));
const CREDENTIAL: Object = Object::Credential(CredentialId::from_bytes([3; 16]));
const ALIAS: Object = Object::Alias(AliasId::from_bytes([4; 16]));
const REASON: Object = Object::Reason(ReasonId::from_bytes([5; 16]));

fn fact(object: Object, revision: u64, fields: &[(u16, &[u8])]) -> Fact {
    let fields = fields.iter().map(|(number, value)| (*number, Field::Open(value.to_vec()))).collect();
    Fact { object, revision, fields, sealed: None }
}

/// The same with a field that is sealed.
fn sealed(mut fact: Fact, number: u16) -> Fact {
    fact.fields.insert(number, Field::Hidden([9; 32]));
    fact
}

fn gone(object: Object) -> Fact {
    fact(object, 0, &[])
}

fn row(fact: &Fact) -> LiveRow {
    LiveRow { object: fact.object, revision: fact.revision, fields: fact.fields.clone(), holds: true }
}

/// What differs of rows that were read while the log grew from `before` to `after` entries, of which each has one of these facts.
fn compared(history: &[Fact], (before, after): (usize, usize), rows: &[LiveRow]) -> Vec<String> {
    let (mut objects, mut findings) = (Objects::default(), Vec::new());
    for (entry, fact) in history.iter().enumerate() {
        if entry >= before {
            objects.open_window();
        }
        if entry >= after {
            objects.close_window();
        }
        objects.take((1, entry as u64), false, [(fact, [7; 32])].into_iter(), &mut findings);
    }
    assert_eq!(findings, []);
    let mut comparison = Comparison::new(&objects);
    rows.iter().for_each(|row| comparison.see(row));
    comparison.finish().iter().map(ToString::to_string).collect()
}

/// The same of rows that were read behind the whole log.
fn compared_at_rest(history: &[Fact], rows: &[LiveRow]) -> Vec<String> {
    compared(history, (history.len(), history.len()), rows)
}

fn assert_found(found: &[String], wanted: &[&str]) {
    let is_as_wanted =
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| found.contains(wanted));
    assert!(is_as_wanted, "{found:?}, and not {wanted:?}");
}

#[test]
fn each_difference_is_named() {
    let (ring, person) = (fact(RING, 1, &[(7, b"2"), (8, b"strict")]), fact(PERSON, 1, &[(4, b"auditor")]));
    let compared = |rows: &[LiveRow]| compared_at_rest(&[ring.clone(), person.clone()], rows);
    assert_found(&compared(&[row(&ring), row(&person)]), &[]);
    let edited = fact(RING, 1, &[(7, b"0"), (8, b"strict")]);
    assert_found(&compared(&[row(&edited), row(&person)]), &["ring 01010101-0101-0101-0101-010101010101: "]);
    assert_found(&compared(&[row(&edited), row(&person)]), &["another quorum"]);
    assert_found(&compared(&[LiveRow { holds: false, ..row(&ring) }, row(&person)]), &["another tag"]);
    let newer = fact(RING, 3, &[(7, b"2")]);
    assert_found(&compared(&[row(&newer), row(&person)]), &["another revision", "another separation"]);
    assert_found(&compared(&[row(&ring)]), &["principal 02020202-0202-0202-0202-020202020202: "]);
    assert_found(&compared(&[row(&ring)]), &["not there"]);
    let new = fact(Object::Ring(KeyRingId::from_bytes([9; 16])), 1, &[]);
    assert_found(&compared(&[row(&ring), row(&person), row(&new)]), &["knows no such object"]);
}

/// The ring changes with each entry.
fn changing() -> [Fact; 5] {
    [
        fact(RING, 1, &[(7, b"1"), (8, b"strict")]),
        fact(RING, 2, &[(7, b"2"), (8, b"strict")]),
        fact(RING, 3, &[(7, b"3"), (8, b"relaxed")]),
        fact(RING, 4, &[(7, b"4"), (8, b"relaxed")]),
        fact(RING, 5, &[(7, b"5"), (8, b"strict")]),
    ]
}

#[test]
fn a_row_may_be_each_state_that_it_had_while_rows_were_read_and_no_other() {
    let history = changing();
    for before in 0..=history.len() {
        for after in before..=history.len() {
            for (entry, fact) in history.iter().enumerate() {
                let found = compared(&history, (before, after), &[row(fact)]);
                // It stands from behind its entry on until behind the next one.
                let stood = entry < after && entry + 1 >= before;
                if stood {
                    assert_found(&found, &[]);
                } else if after == 0 {
                    assert_found(&found, &["knows no such object"]);
                } else {
                    assert!(found[0].contains("another revision"), "{entry} in {before}..{after}: {found:?}");
                }
                let edited = LiveRow { fields: changing()[(entry + 1) % 5].fields.clone(), ..row(fact) };
                let found = compared(&history, (before, after), &[edited]);
                assert!(!found.is_empty(), "{entry} in {before}..{after}");
            }
        }
    }
}

#[test]
fn fields_are_those_of_the_row_s_own_revision() {
    let history = changing();
    let edited = fact(RING, 3, &[(7, b"4"), (8, b"relaxed")]);
    assert_found(&compared(&history, (2, 5), &[row(&edited)]), &["another quorum"]);
    // An older row that was put back: its revision is named, and what it says otherwise than the state that it is closest to.
    let found = compared(&history, (3, 5), &[row(&history[1])]);
    assert_found(&found, &["another revision", "another quorum"]);
}

#[test]
fn what_is_missing_must_have_been_absent() {
    let person = fact(PERSON, 1, &[(4, b"auditor")]);
    let alias = fact(ALIAS, 1, &[(4, b"ring")]);
    // The alias is there from 2 entries on to 3, and once more from 5 on.
    let history = [
        person.clone(),
        alias.clone(),
        gone(ALIAS),
        fact(PERSON, 2, &[(4, b"auditor")]),
        fact(ALIAS, 1, &[(4, b"deployment")]),
    ];
    let people = |revision| row(&fact(PERSON, revision, &[(4, b"auditor")]));
    for (window, is_missed) in [
        ((0, 1), false),
        ((1, 1), false),
        ((1, 2), false),
        ((2, 2), true),
        ((2, 3), false),
        ((2, 5), false),
        ((4, 4), false),
        ((4, 5), false),
        ((5, 5), true),
    ] {
        let revision = if window.0 >= 4 { 2 } else { 1 };
        let found = compared(&history, window, &[people(revision)]);
        assert_found(&found, if is_missed { &["alias 04040404"] } else { &[] });
    }
    // One that was taken away is no row any more once its tombstone lies before the first reading.
    let rows = [people(1), row(&alias)];
    assert_found(&compared(&history, (2, 3), &rows), &[]);
    assert_found(&compared(&history[..4], (3, 3), &rows), &["knows no such object"]);
    // Each row that is there twice is held against the log twice.
    assert_found(&compared(&history, (2, 3), &[people(1), people(1), row(&alias)]), &[]);
    // The person was there all the time, and changed meanwhile.
    assert_found(&compared(&history, (3, 5), &[row(&alias)]), &["another scope", "not there"]);
}

#[test]
fn an_object_that_is_made_after_the_reading_is_not_missed_and_may_not_be_there() {
    let (ring, person) = (fact(RING, 1, &[(7, b"2")]), fact(PERSON, 1, &[(4, b"auditor")]));
    let history = [ring.clone(), person.clone(), fact(RING, 2, &[(7, b"0")])];
    assert_found(&compared(&history, (1, 1), &[row(&ring)]), &[]);
    assert_found(&compared(&history, (1, 1), &[row(&ring), row(&person)]), &["knows no such object"]);
    assert_found(&compared(&history, (1, 2), &[row(&ring)]), &[]);
    assert_found(&compared(&history, (1, 2), &[row(&ring), row(&person)]), &[]);
    assert_found(&compared(&history, (2, 2), &[row(&ring)]), &["not there"]);
}

#[test]
fn what_was_sealed_of_an_erased_principal_is_in_no_live_row() {
    let id = [&[0x50], [2; 16].as_slice()].concat();
    let person = fact(PERSON, 1, &[(4, b"auditor")]);
    let credential = fact(CREDENTIAL, 1, &[(1, &id)]);
    let made = [sealed(person.clone(), 1), sealed(credential.clone(), 7)];
    let erased = fact(PERSON, 2, &[(13, b"by"), (14, b"at")]);
    // Before the log says so, what is missing is missed.
    let bare = [row(&person), row(&credential)];
    assert_found(&compared_at_rest(&made, &bare), &["another name", "another label"]);
    let all = [made.as_slice(), std::slice::from_ref(&erased)].concat();
    assert_found(&compared_at_rest(&all, &[row(&erased), row(&credential)]), &[]);
    // And what is put there again is one finding more.
    let put_back = [row(&sealed(erased.clone(), 1)), row(&credential)];
    assert_found(&compared_at_rest(&all, &put_back), &["another name"]);
    // While it is erased, either may be read; with the row of before, also without the key.
    for person in [&made[0], &person, &erased] {
        for credential in [&made[1], &credential] {
            assert_found(&compared(&all, (2, 3), &[row(person), row(credential)]), &[]);
        }
    }
    assert_found(&compared(&all, (2, 3), &put_back), &["another name"]);
    assert_found(&compared(&all, (2, 2), &bare), &["another name", "another label"]);
}

#[test]
fn what_was_sealed_goes_with_the_object_or_its_text() {
    let text = sealed(fact(REASON, 1, &[(1, b"revoke")]), 3);
    let erased = fact(REASON, 2, &[(6, b"by"), (7, b"at")]);
    let alias = sealed(fact(ALIAS, 1, &[(4, b"ring")]), 1);
    let history = [text.clone(), alias.clone(), erased, gone(ALIAS)];
    let without = |fact: &Fact| {
        let mut row = row(fact);
        row.fields.retain(|_, field| matches!(field, Field::Open(_)));
        row
    };
    for (window, wanted) in [((2, 2), &["another text", "another name"][..]), ((2, 4), &[])] {
        assert_found(&compared(&history, window, &[without(&text), without(&alias)]), wanted);
        assert_found(&compared(&history, window, &[row(&text), row(&alias)]), &[]);
    }
}

/// What a window keeps beside the objects: what changed in it, and of what changed after it one state.
#[test]
fn a_window_keeps_what_changed_since_and_no_more_than_once_behind_its_end() {
    let (mut objects, mut findings) = (Objects::default(), Vec::new());
    for revision in 1..1000 {
        if revision == 400 {
            objects.open_window();
        }
        if revision == 403 {
            objects.close_window();
        }
        let fact = fact(RING, revision, &[(7, b"2")]);
        objects.take((1, revision - 1), false, [(&fact, [7; 32])].into_iter(), &mut findings);
    }
    let revisions: Vec<_> = objects.in_window(&RING).iter().map(|state| state.unwrap().revision).collect();
    assert_eq!(revisions, [399, 400, 401, 402]);
    assert_eq!(findings, []);
    assert_eq!(objects.in_window(&PERSON), vec![None]);
}

struct Held(BTreeMap<String, Vec<u8>>);

impl Files for Held {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        self.0.get(name).cloned().ok_or(NoFile::Missing)
    }
}

/// Rows on two pages, read while the log grew from one to two entries.
fn held() -> (Held, RowsHead, Objects) {
    let (ring, person) = (fact(RING, 1, &[(7, b"2")]), fact(PERSON, 1, &[(4, b"auditor")]));
    let (mut objects, mut findings) = (Objects::default(), Vec::new());
    objects.take((1, 0), false, [(&ring, [7; 32]), (&person, [7; 32])].into_iter(), &mut findings);
    let pages = [ring, person].map(|fact| crate::rows::encode_page(&[row(&fact)]).unwrap());
    let digests = pages.iter().map(|page| digest_of_page(page));
    let head = RowsHead { shard: 1, before: 1, after: 2, pages: digests.collect() };
    let mut files: BTreeMap<_, _> =
        head.pages.iter().zip(&pages).map(|(digest, page)| (page_name(digest), page.clone())).collect();
    files.insert(HEAD.to_owned(), head.encode().unwrap());
    (Held(files), head, objects)
}

#[test]
fn rows_of_an_export_are_those_that_its_head_names() {
    let (mut files, head, objects) = held();
    assert_eq!(find(&files), Ok(Some(head.clone())));
    let compared = |files: &Held, sizes: &[(u32, u64)]| {
        let (sizes, mut findings) = (sizes.iter().copied().collect(), Vec::new());
        let done = compare(files, &head, &sizes, &objects, &mut findings);
        assert_eq!(findings, []);
        done
    };
    let done = LiveState::Compared { rows: 2, entries_before: 1, entries_after: 2 };
    assert_eq!(compared(&files, &[(1, 2)]), Ok(done));
    assert_eq!(compared(&files, &[(1, 2), (2, 9)]), Ok(LiveState::SeveralShards));
    let is_malformed = |done: Result<LiveState, WalkError>| {
        matches!(done, Err(WalkError::Finding(Finding::FileMalformed { .. })))
    };
    assert!(is_malformed(compared(&files, &[(1, 1)])), "read of a longer log");
    assert!(is_malformed(compared(&files, &[(2, 2)])), "read of another shard");
    let name = page_name(&head.pages[1]);
    files.0.get_mut(&name).unwrap()[20] ^= 1;
    assert!(is_malformed(compared(&files, &[(1, 2)])), "changed");
    files.0.remove(&name);
    let missing = Err(WalkError::Finding(Finding::FileMissing { name }));
    assert_eq!(compared(&files, &[(1, 2)]), missing);
}

#[test]
fn what_is_found_before_a_page_that_is_not_there_is_not_lost() {
    let (mut files, mut head, objects) = held();
    let edited = LiveRow { holds: false, ..row(&fact(RING, 1, &[(7, b"2")])) };
    let page = crate::rows::encode_page(&[edited]).unwrap();
    head.pages[0] = digest_of_page(&page);
    files.0.insert(page_name(&head.pages[0]), page);
    files.0.remove(&page_name(&head.pages[1]));
    let mut findings = Vec::new();
    assert!(compare(&files, &head, &[(1, 2)].into(), &objects, &mut findings).is_err());
    assert_eq!(findings, [Finding::StateDiffers { object: RING, field: "tag" }]);
}

#[test]
fn a_head_that_does_not_read_is_neither_none_nor_a_newer_one() {
    let (mut files, ..) = held();
    let head = files.0.get_mut(HEAD).unwrap();
    head[3] ^= 1;
    assert!(matches!(find(&files), Err(WalkError::Finding(Finding::FileMalformed { .. }))));
    let newer = [0x85, 2];
    let digest = digest_of_page(&newer);
    files.0.insert(HEAD.to_owned(), [newer.as_slice(), &digest].concat());
    assert!(matches!(find(&files), Err(WalkError::Newer(_))));
    files.0.remove(HEAD);
    assert_eq!(find(&files), Ok(None));
}
