//! Calls about data assets.

use super::transport::{Plane, segment};
use super::{Client, Reply};
use crate::types::Page;
use crate::types::asset::{Asset, CreateAsset, ListAssets};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Enters a data asset.
    pub async fn create_asset(&self, asset: &CreateAsset) -> Reply<Asset> {
        self.create("/v1/assets").json(asset).answer().await
    }

    /// Reads a data asset.
    pub async fn read_asset(&self, asset: &str) -> Reply<Asset> {
        self.get(Plane::Control, format!("/v1/assets/{}", segment(asset))).answer().await
    }

    /// Lists data assets in the order of their names.
    pub async fn list_assets(&self, query: &ListAssets) -> Reply<Page<Asset>> {
        self.get(Plane::Control, "/v1/assets".into()).query(query).answer().await
    }
}
