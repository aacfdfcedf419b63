//! Calls about all rights together.

use super::transport::Plane;
use super::{Client, Reply};
use crate::types::access::{AccessAnalysis, AccessReport, AnalyzeAccess, ReportAccess};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Looks for persons who reach what nobody should reach alone.
    pub async fn analyze_access(&self, query: &AnalyzeAccess) -> Reply<AccessAnalysis> {
        self.get(Plane::Control, "/v1/access/analysis".into()).query(query).answer().await
    }

    /// Says who can do what across all keys, or who could at an instant that is past.
    pub async fn report_access(&self, query: &ReportAccess) -> Reply<AccessReport> {
        self.get(Plane::Control, "/v1/access/report".into()).query(query).answer().await
    }
}
