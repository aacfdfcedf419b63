//! Calls about the system.

use http::Method;

use super::transport::Plane;
use super::{Client, Reply};
use crate::types::system::{ConfirmClock, Health, LogClock, SystemStatus, Version};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Reads how the system is.
    pub async fn read_system(&self) -> Reply<SystemStatus> {
        self.get(Plane::Control, "/v1/system".into()).answer().await
    }

    /// Confirms that the server's clock is right.
    pub async fn confirm_clock(&self, confirm: &ConfirmClock) -> Reply<LogClock> {
        self.change(Method::POST, "/v1/system/clock/confirm".into()).json(confirm).answer().await
    }

    /// Asks whether the process behind a plane serves. Needs no credential.
    pub async fn health(&self, plane: Plane) -> Reply<Health> {
        self.get(plane, "/v1/health".into()).answer().await
    }

    /// Asks what answers on a plane. Needs no credential.
    pub async fn version(&self, plane: Plane) -> Reply<Version> {
        self.get(plane, "/v1/version".into()).answer().await
    }

    /// The OpenAPI document of a plane.
    pub async fn openapi(&self, plane: Plane) -> Reply<serde_json::Value> {
        self.get(plane, "/openapi.json".into()).answer().await
    }
}
