//! Calls about plans.

use http::Method;

use super::{Client, Reply};
use crate::types::approval::ExecutedApproval;
use crate::types::plan::{AskPlan, CheckedPlan};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Asks others to approve several acts at once; the same call does them once they have.
    pub async fn ask_plan(&self, plan: &AskPlan) -> Reply<ExecutedApproval> {
        self.change(Method::POST, "/v1/plans".into()).json(plan).answer().await
    }

    /// Asks how many others must approve each of several acts.
    pub async fn check_plan(&self, plan: &AskPlan) -> Reply<CheckedPlan> {
        self.change(Method::POST, "/v1/plans/check".into()).json(plan).answer().await
    }
}
