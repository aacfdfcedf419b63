//! Calls about the rules of the deployment.

use http::Method;

use super::transport::Plane;
use super::{Client, Reply};
use crate::types::governance::{Governance, UpdateGovernance};

const PATH: &str = "/v1/governance";

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Reads the rules of the deployment.
    pub async fn read_governance(&self) -> Reply<Governance> {
        self.get(Plane::Control, PATH.into()).answer().await
    }

    /// Changes the rules of the deployment; with `if_revision`, only when they still have that revision.
    pub async fn update_governance(
        &self,
        update: &UpdateGovernance,
        if_revision: Option<u64>,
    ) -> Reply<Governance> {
        self.change(Method::PATCH, PATH.into()).if_revision(if_revision).json(update).answer().await
    }
}
