//! Calls about access reviews.

use claviger_core::ReviewId;
use http::Method;

use super::transport::Plane;
use super::{Client, Reply};
use crate::types::review::{
    AccessReview, ClosedReview, DecideReview, ListReviews, OpenReview, ReadReview, ReviewPage,
};
use crate::types::{GiveReason, Page};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Opens an access review over what there is now.
    pub async fn open_review(&self, review: &OpenReview) -> Reply<AccessReview> {
        self.create("/v1/access/reviews").json(review).answer().await
    }

    /// Lists access reviews in the order of their identifiers.
    pub async fn list_reviews(&self, query: &ListReviews) -> Reply<Page<AccessReview>> {
        self.get(Plane::Control, "/v1/access/reviews".into()).query(query).answer().await
    }

    /// Reads an access review with a page of its items.
    pub async fn read_review(&self, review: ReviewId, query: &ReadReview) -> Reply<ReviewPage> {
        self.get(Plane::Control, path(review, "")).query(query).answer().await
    }

    /// Decides on items of an access review.
    pub async fn decide_review(&self, review: ReviewId, decide: &DecideReview) -> Reply<AccessReview> {
        self.change(Method::POST, path(review, "/decide")).json(decide).answer().await
    }

    /// Closes an access review of which all is decided, and withdraws what is to go.
    pub async fn close_review(&self, review: ReviewId, why: &GiveReason) -> Reply<ClosedReview> {
        self.change(Method::POST, path(review, "/close")).json(why).answer().await
    }
}

fn path(review: ReviewId, rest: &str) -> String {
    format!("/v1/access/reviews/{review}{rest}")
}
