//! Calls about approvals.

use claviger_core::ApprovalId;
use claviger_core::approval::Verdict;
use http::Method;

use super::transport::Plane;
use super::{Client, Reply};
use crate::types::approval::{Approval, DecideApproval, ExecutedApproval, ListApprovals};
use crate::types::{GiveReason, Page};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Reads an approval.
    pub async fn read_approval(&self, approval: ApprovalId) -> Reply<Approval> {
        self.get(Plane::Control, path(approval, "")).answer().await
    }

    /// Lists approvals in the order of their identifiers.
    pub async fn list_approvals(&self, query: &ListApprovals) -> Reply<Page<Approval>> {
        self.get(Plane::Control, "/v1/approvals".into()).query(query).answer().await
    }

    /// Approves, or denies.
    pub async fn decide_approval(
        &self,
        approval: ApprovalId,
        verdict: Verdict,
        decide: &DecideApproval,
    ) -> Reply<Approval> {
        self.change(Method::POST, path(approval, &format!("/{verdict}"))).json(decide).answer().await
    }

    /// Does what was approved. Whoever asked for it does so, and nobody else.
    pub async fn execute_approval(&self, approval: ApprovalId) -> Reply<ExecutedApproval> {
        self.change(Method::POST, path(approval, "/execute")).answer().await
    }

    /// Ends an approval of which nothing shall come.
    pub async fn cancel_approval(&self, approval: ApprovalId, why: &GiveReason) -> Reply<Approval> {
        self.change(Method::POST, path(approval, "/cancel")).json(why).answer().await
    }
}

fn path(approval: ApprovalId, rest: &str) -> String {
    format!("/v1/approvals/{approval}{rest}")
}
