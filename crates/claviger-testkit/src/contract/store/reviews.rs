//! Access reviews.

use claviger_core::change::Change;
use claviger_core::port::Store;
use claviger_core::port::store::{Applied, Page, ReviewFilter};
use claviger_core::reason::{Unasked, Why};
use claviger_core::review::{
    ItemDecision, Review, ReviewClosed, ReviewDecision, ReviewItem, encode_population,
};
use claviger_core::{KeyRingId, PrincipalId, ReviewId};
use claviger_crypto::digest::sha256;

use super::shelf::{Shelf, at, review};

fn person(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([number; 16])
}

fn decided(decision: ReviewDecision, by: u8) -> Option<ItemDecision> {
    Some(ItemDecision { decision, by: person(by), at: at(3) })
}

/// The same with decisions on these of its items.
fn deciding(review: &Review, decisions: &[(usize, ReviewDecision)]) -> Review {
    let mut review = review.clone();
    for (at, decision) in decisions {
        review.items[*at].decided = decided(*decision, 9);
    }
    review
}

fn closed(review: &Review, day: u32) -> Review {
    let closed = Some(ReviewClosed { by: person(9), at: at(day) });
    Review { closed, reason: Some(Why::Unasked(Unasked::System)), ..review.clone() }
}

pub async fn a_review_comes_back_with_what_was_decided_and_is_closed_once<S: Store>(mut shelf: Shelf<S>) {
    use ReviewDecision::{Keep, Remove};
    let opened = Review { ring: Some(KeyRingId::from_bytes([1; 16])), ..review(1) };
    let find = async |shelf: &Shelf<S>| shelf.store.find_review(opened.id).await.unwrap();
    assert_eq!(find(&shelf).await, None);
    assert_eq!(shelf.apply(&[Change::PutReview(opened.clone())]), Applied::Yes);
    assert_eq!(shelf.apply(&[Change::PutReview(opened.clone())]), Applied::Conflict);
    let mut stored = Review { revision: 1, ..opened.clone() };
    assert_eq!(find(&shelf).await.as_ref(), Some(&stored));
    for decisions in [&[(0, Keep)][..], &[(1, Remove), (2, Keep)]] {
        let next = deciding(&stored, decisions);
        assert_eq!(shelf.apply(&[Change::PutReview(next.clone())]), Applied::Yes);
        // Whoever decided on the row before has lost.
        assert_eq!(shelf.apply(&[Change::PutReview(stored)]), Applied::Conflict);
        stored = Review { revision: next.revision + 1, ..next };
        assert_eq!(find(&shelf).await.as_ref(), Some(&stored));
    }
    let done = closed(&stored, 5);
    assert_eq!(shelf.apply(&[Change::PutReview(done.clone())]), Applied::Yes);
    let done = Review { revision: done.revision + 1, ..done };
    assert_eq!(find(&shelf).await.as_ref(), Some(&done));
    let again = closed(&done, 6);
    assert!(shelf.journal.apply(&[Change::PutReview(again)]).is_err(), "it is closed once");
}

pub async fn what_breaks_the_rules_of_reviews_is_written_nowhere<S: Store>(mut shelf: Shelf<S>) {
    use ReviewDecision::{Keep, Remove};
    let opened = deciding(&review(1), &[(0, Keep)]);
    assert_eq!(shelf.apply(&[Change::PutReview(opened.clone())]), Applied::Yes);
    let stored = Review { revision: 1, ..opened };
    let repopulated = |mut items: Vec<ReviewItem>, with: fn(&mut Vec<ReviewItem>)| {
        with(&mut items);
        Review { population: sha256(&encode_population(&items)), items, ..stored.clone() }
    };
    let mut by_whom_it_is_about = stored.clone();
    by_whom_it_is_about.items[1].decided = decided(Keep, 2);
    let mut undecided = stored.clone();
    undecided.items[0].decided = None;
    for (what, wrong) in [
        ("a digest of something else", Review { population: [7; 32], ..stored.clone() }),
        ("fewer items", repopulated(stored.items.clone(), |items| items.truncate(2))),
        ("other rights", repopulated(stored.items.clone(), |items| items[2].rights = [8; 32])),
        ("an item twice", repopulated(stored.items.clone(), |items| items.push(items[2]))),
        ("decided by whom it is about", by_whom_it_is_about),
        ("a decision that is taken back", undecided),
        ("a decision that becomes another", deciding(&stored, &[(0, Remove)])),
        ("closed before all is decided", closed(&stored, 5)),
        ("another opener", Review { opened_by: person(8), ..stored.clone() }),
        ("due later", Review { due_at: at(9), ..stored.clone() }),
        ("another reason, and not closed", Review { reason: None, ..stored.clone() }),
    ] {
        assert!(shelf.journal.apply(&[Change::PutReview(wrong)]).is_err(), "{what}");
    }
    let late = Review { due_at: at(1), ..review(2) };
    assert!(shelf.journal.apply(&[Change::PutReview(late)]).is_err(), "due when it was opened");
    assert_eq!(shelf.store.find_review(stored.id).await.unwrap(), Some(stored));
}

pub async fn reviews_are_listed_and_counted_by_whether_they_are_open<S: Store>(mut shelf: Shelf<S>) {
    for number in 1..=4 {
        assert_eq!(shelf.apply(&[Change::PutReview(review(number))]), Applied::Yes);
    }
    let keep = ReviewDecision::Keep;
    for number in [2, 4] {
        let decided = deciding(&Review { revision: 1, ..review(number) }, &[(0, keep), (1, keep), (2, keep)]);
        assert_eq!(shelf.apply(&[Change::PutReview(closed(&decided, 3))]), Applied::Yes);
    }
    let list = async |open, after: Option<u8>, limit| {
        let after = after.map(|number| ReviewId::from_bytes([number; 16]));
        let found = shelf.store.list_reviews(ReviewFilter { open }, Page { after, limit }).await.unwrap();
        found.into_iter().map(|found| found.id.as_bytes()[0]).collect::<Vec<_>>()
    };
    for (open, expected) in [(None, vec![1, 2, 3, 4]), (Some(true), vec![1, 3]), (Some(false), vec![2, 4])] {
        assert_eq!(list(open, None, 9).await, expected, "{open:?}");
    }
    assert_eq!(list(None, Some(1), 2).await, [2, 3]);
    assert_eq!(list(Some(true), Some(1), 9).await, [3]);
    assert_eq!(list(Some(false), None, 1).await, [2]);
    assert_eq!(shelf.store.count_open_reviews().await.unwrap(), 2);
}
