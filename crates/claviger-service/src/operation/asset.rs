//! Data assets: what keys protect.

use claviger_core::asset::Asset;
use claviger_core::change::Change;
use claviger_core::key::DataClass;
use claviger_core::port::store::Page;
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{Action, AssetId, Name, PrincipalId};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{AssetRef, PrincipalRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Enters a data asset.
#[derive(Debug)]
pub struct CreateAsset {
    /// Its name, unique for ever.
    pub name: Name,
    /// The person who answers for it; the caller by default.
    pub owner: Option<PrincipalRef>,
    /// What its data is.
    pub class: DataClass,
}

impl CreateAsset {
    async fn owner(&self, view: &View<'_>) -> Result<PrincipalId, ServiceError> {
        let Some(owner) = &self.owner else { return Ok(view.caller.principal().id) };
        let owner = view.state.principal(owner).await?;
        if owner.kind != PrincipalKind::Human || owner.status != Status::Active {
            return Err(ServiceError::invalid("the owner of a data asset is an active person"));
        }
        Ok(owner.id)
    }
}

impl Operation for CreateAsset {
    type Output = Asset;

    fn action(&self) -> Action {
        Action::CreateAsset
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Asset>, ServiceError> {
        let owner = self.owner(view).await?;
        let asked = Governed::CreateAsset { name: self.name.clone(), owner, class: self.class };
        if let Some(made) = view.made_before(&asked).await? {
            let asset = view.state.asset(&AssetRef::Id(AssetId::from_bytes(made))).await?;
            return Ok(Staged::reading(asset, view.detail()));
        }
        if view.store().find_asset_by_name(&self.name).await?.is_some() {
            return Err(ServiceError::new(ErrorKind::AlreadyExists, "a data asset has that name already"));
        }
        let asset = Asset {
            id: AssetId::random()?,
            name: self.name.clone(),
            owner,
            class: self.class,
            created_by: view.caller.principal().id,
            created_at: view.now,
            revision: 0,
        };
        let mut changes = vec![Change::PutAsset(asset.clone())];
        changes.extend(view.remember_making(&asked, *asset.id.as_bytes()));
        let detail = EntryDetail { reference: reference(&[asset.id.as_bytes()]), ..view.detail() };
        Ok(Staged::changing(asked, Asset { revision: 1, ..asset }, changes, detail))
    }
}

/// Reads a data asset.
#[derive(Debug)]
pub struct ReadAsset {
    /// The asset to read.
    pub asset: AssetRef,
}

impl Operation for ReadAsset {
    type Output = Asset;

    fn action(&self) -> Action {
        Action::ReadAsset
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Asset>, ServiceError> {
        let asset = view.state.asset(&self.asset).await?;
        let detail = EntryDetail { reference: reference(&[asset.id.as_bytes()]), ..view.detail() };
        Ok(Staged::reading(asset, detail))
    }
}

/// Lists data assets in the order of their names.
#[derive(Debug)]
pub struct ListAssets {
    /// The page of the list.
    pub page: Page<Name>,
}

impl Operation for ListAssets {
    type Output = Vec<Asset>;

    fn action(&self) -> Action {
        Action::ReadAsset
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<Asset>>, ServiceError> {
        view.enter(Class::Listing).await?;
        Ok(Staged::reading(view.store().list_assets(self.page.clone()).await?, view.detail()))
    }
}
