//! Calls about key rings.

use http::Method;

use super::transport::{Plane, segment};
use super::{Client, Reply};
use crate::types::Page;
use crate::types::ring::{CreateRing, ListRings, Ring, SetSeparation, UpdateRing};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Creates a key ring.
    pub async fn create_ring(&self, ring: &CreateRing) -> Reply<Ring> {
        self.create("/v1/rings").json(ring).answer().await
    }

    /// Reads a ring.
    pub async fn read_ring(&self, ring: &str) -> Reply<Ring> {
        self.get(Plane::Control, format!("/v1/rings/{}", segment(ring))).answer().await
    }

    /// Lists rings in the order of their names.
    pub async fn list_rings(&self, query: &ListRings) -> Reply<Page<Ring>> {
        self.get(Plane::Control, "/v1/rings".into()).query(query).answer().await
    }

    /// Changes a ring's policy; with `if_revision`, only when the ring still has that revision.
    pub async fn update_ring(
        &self,
        ring: &str,
        update: &UpdateRing,
        if_revision: Option<u64>,
    ) -> Reply<Ring> {
        let path = format!("/v1/rings/{}", segment(ring));
        self.change(Method::PATCH, path).if_revision(if_revision).json(update).answer().await
    }

    /// Sets a ring's separation of duties.
    pub async fn set_ring_separation(&self, ring: &str, separation: &SetSeparation) -> Reply<Ring> {
        let path = format!("/v1/rings/{}/separation", segment(ring));
        self.change(Method::PUT, path).json(separation).answer().await
    }
}
