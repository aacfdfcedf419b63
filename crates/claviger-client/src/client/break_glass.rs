//! Calls about emergency access.

use claviger_core::BreakGlassId;
use http::Method;

use super::transport::Plane;
use super::{Client, Reply};
use crate::types::break_glass::{BreakGlass, ListBreakGlass, OpenBreakGlass, ReviewBreakGlass};
use crate::types::{GiveReason, Page};

const PATH: &str = "/v1/break-glass";

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Opens emergency access for a person. Another one approves it first.
    pub async fn open_break_glass(&self, open: &OpenBreakGlass) -> Reply<BreakGlass> {
        self.create(PATH).json(open).answer().await
    }

    /// Reads an emergency access.
    pub async fn read_break_glass(&self, access: BreakGlassId) -> Reply<BreakGlass> {
        self.get(Plane::Control, format!("{PATH}/{access}")).answer().await
    }

    /// Lists emergency accesses in the order of their identifiers.
    pub async fn list_break_glass(&self, query: &ListBreakGlass) -> Reply<Page<BreakGlass>> {
        self.get(Plane::Control, PATH.into()).query(query).answer().await
    }

    /// Ends emergency access before its time.
    pub async fn close_break_glass(&self, access: BreakGlassId, why: &GiveReason) -> Reply<BreakGlass> {
        self.change(Method::POST, format!("{PATH}/{access}/close")).json(why).answer().await
    }

    /// Says what a review of an emergency access found.
    pub async fn review_break_glass(
        &self,
        access: BreakGlassId,
        review: &ReviewBreakGlass,
    ) -> Reply<BreakGlass> {
        self.change(Method::POST, format!("{PATH}/{access}/review")).json(review).answer().await
    }
}
