//! Calls about alerts.

use claviger_core::AlertId;
use http::Method;

use super::transport::Plane;
use super::{Client, Reply};
use crate::types::alert::{Alert, ListAlerts};
use crate::types::{GiveReason, Page};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Reads an alert.
    pub async fn read_alert(&self, alert: AlertId) -> Reply<Alert> {
        self.get(Plane::Control, path(alert, "")).answer().await
    }

    /// Lists alerts in the order of their identifiers.
    pub async fn list_alerts(&self, query: &ListAlerts) -> Reply<Page<Alert>> {
        self.get(Plane::Control, "/v1/alerts".into()).query(query).answer().await
    }

    /// Says that one has looked at an alert.
    pub async fn triage_alert(&self, alert: AlertId, why: &GiveReason) -> Reply<Alert> {
        self.change(Method::POST, path(alert, "/triage")).json(why).answer().await
    }

    /// Closes an alert.
    pub async fn close_alert(&self, alert: AlertId, why: &GiveReason) -> Reply<Alert> {
        self.change(Method::POST, path(alert, "/close")).json(why).answer().await
    }
}

fn path(alert: AlertId, rest: &str) -> String {
    format!("/v1/alerts/{alert}{rest}")
}
