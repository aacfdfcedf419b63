//! Aliases: gives keys other names, moves such names from key to key, takes them away, and reads them.
//!
//! What it keeps true: what an application does to an alias changes the key that a name means for applications of the same
//! ring alone. An alias that it made or moved names its key to nobody else, and a name that was once used goes to another
//! ring by an administrator only.

use std::sync::Arc;

use claviger_core::alias::{Alias, AliasName, AliasScope};
use claviger_core::change::Change;
use claviger_core::key::Key;
use claviger_core::port::store::{AliasFilter, Page};
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, AliasId};
use claviger_crypto::digest;

use super::destroy_key::refuse_ended;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{KeyRef, RingRef, TargetRef};
use crate::state::half;
use crate::view::View;
use crate::work::Class;

/// Gives a key another name.
#[derive(Debug)]
pub struct CreateAlias {
    /// The name; nobody may have it.
    pub name: AliasName,
    /// The key.
    pub key: KeyRef,
}

impl Operation for CreateAlias {
    type Output = Alias;

    fn action(&self) -> Action {
        Action::PutAlias
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Alias>, ServiceError> {
        let key = &view.record()?.key;
        let asked = Governed::CreateAlias { name: self.name.clone(), key: key.id };
        if view.made_before(&asked).await?.is_some() {
            let made = view.store().find_alias(&self.name).await?.ok_or_else(ServiceError::not_found)?;
            return Ok(Staged::reading(made, view.detail()));
        }
        refuse_ended(key)?;
        refuse_key_name(view, &self.name).await?;
        if view.store().find_alias(&self.name).await?.is_some() {
            return Err(ServiceError::new(ErrorKind::AlreadyExists, "the alias names a key already"));
        }
        let scope = scope_by(view);
        let owner = view.store().find_alias_owner(&self.name).await?;
        if scope == AliasScope::Ring && owner.is_some_and(|owner| owner != key.ring) {
            return Err(ServiceError::new(ErrorKind::AlreadyExists, ANOTHER_RING));
        }
        check_room(view, key).await?;
        let alias = Alias {
            id: AliasId::random()?,
            name: self.name.clone(),
            scope,
            key: key.id,
            ring: key.ring,
            created_at: view.now,
            updated_at: view.now,
            revision: 0,
        };
        let mut changes = vec![Change::PutAlias(alias.clone())];
        changes.extend(view.remember_making(&asked, *key.id.as_bytes()));
        Ok(Staged::changing(asked, Alias { revision: 1, ..alias }, changes, detail(view, &self.name, &[])))
    }
}

/// Moves an alias to a key. It takes the right to put aliases on that key, and the right to remove them from the key that
/// it names now.
#[derive(Debug)]
pub struct MoveAlias {
    /// The alias.
    pub name: AliasName,
    /// The key that it shall name.
    pub key: KeyRef,
}

impl Operation for MoveAlias {
    type Output = Alias;

    fn action(&self) -> Action {
        Action::PutAlias
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Alias>, ServiceError> {
        let key = &view.record()?.key;
        refuse_ended(key)?;
        refuse_key_name(view, &self.name).await?;
        let alias = view.store().find_alias(&self.name).await?.ok_or_else(ServiceError::not_found)?;
        let from = Arc::new(view.load_key(alias.key).await?);
        view.may(Action::RemoveAlias, &from).await?;
        let scope = scope_by(view);
        if scope == AliasScope::Ring && alias.ring != key.ring {
            return Err(ServiceError::new(ErrorKind::Denied, ANOTHER_RING));
        }
        if from.key.id != key.id {
            check_room(view, key).await?;
        }
        let moved = Alias { key: key.id, ring: key.ring, scope, updated_at: view.now, ..alias };
        let detail = detail(view, &self.name, from.key.id.as_bytes());
        let output = Alias { revision: moved.revision + 1, ..moved.clone() };
        let asked = Governed::MoveAlias { name: self.name.clone(), from: from.key.id, to: key.id };
        let staged = Staged::changing(asked, output, vec![Change::PutAlias(moved)], detail);
        Ok(staged.resting_on(from.key.id, from.ring.id))
    }
}

/// Takes an alias away from the key that it names.
#[derive(Debug)]
pub struct RemoveAlias {
    /// The alias.
    pub name: AliasName,
}

impl Operation for RemoveAlias {
    type Output = Alias;

    fn action(&self) -> Action {
        Action::RemoveAlias
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Alias(&self.name)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Alias>, ServiceError> {
        let alias = named(view, &self.name).await?;
        let detail = detail(view, &self.name, &[]);
        let asked = Governed::RemoveAlias { name: alias.name.clone(), key: alias.key };
        Ok(Staged::changing(asked, alias.clone(), vec![Change::RemoveAlias(alias)], detail))
    }
}

/// Reads an alias, as one who may read the key that it names.
#[derive(Debug)]
pub struct ReadAlias {
    /// The alias.
    pub name: AliasName,
}

impl Operation for ReadAlias {
    type Output = Alias;

    fn action(&self) -> Action {
        Action::ReadKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Alias(&self.name)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Alias>, ServiceError> {
        Ok(Staged::reading(named(view, &self.name).await?, view.detail()))
    }
}

/// Which aliases to list.
#[derive(Debug, Default)]
pub struct AliasFilterRef {
    /// Only of this key.
    pub key: Option<KeyRef>,
    /// Only of keys of this ring.
    pub ring: Option<RingRef>,
}

/// Lists aliases in the order of their names.
#[derive(Debug)]
pub struct ListAliases {
    /// Which aliases are wanted.
    pub filter: AliasFilterRef,
    /// The page of the list.
    pub page: Page<AliasName>,
}

impl Operation for ListAliases {
    type Output = Vec<Alias>;

    fn action(&self) -> Action {
        Action::ListKeys
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        view.enter(Class::Listing).await?;
        let key = match &self.filter.key {
            None => None,
            Some(key) => Some(view.load_key(view.key_id(key).await?).await?.key.id),
        };
        let ring = match &self.filter.ring {
            None => None,
            Some(ring) => Some(view.state.ring(ring).await?.id),
        };
        let filter = AliasFilter { key, ring, seen_from: None };
        let found = view.store().list_aliases(filter, self.page.clone()).await?;
        Ok(Staged::reading(found, view.detail()))
    }
}

const ANOTHER_RING: &str =
    "the name belongs to another ring since it was used there; an administrator can move it";

/// For whom an alias names its key that the caller makes or moves.
fn scope_by(view: &View<'_>) -> AliasScope {
    match view.caller.principal().kind {
        PrincipalKind::Human | PrincipalKind::System => AliasScope::Deployment,
        PrincipalKind::Workload => AliasScope::Ring,
    }
}

/// Refuses a name that reads as that of a key of a ring that exists: people would take the one for the other.
async fn refuse_key_name(view: &View<'_>, name: &AliasName) -> Result<(), ServiceError> {
    let Some(read) = name.as_key_name() else { return Ok(()) };
    if view.store().find_ring_by_name(&read.ring).await?.is_none() {
        return Ok(());
    }
    let message =
        format!("`{name}` reads as a key of ring `{}`, and is no alias; choose another name", read.ring);
    Err(ServiceError::new(ErrorKind::AlreadyExists, message))
}

/// The alias that the call found its key by.
async fn named(view: &View<'_>, name: &AliasName) -> Result<Alias, ServiceError> {
    let alias = view.store().find_alias(name).await?.ok_or_else(ServiceError::not_found)?;
    if alias.key == view.record()?.key.id {
        return Ok(alias);
    }
    // What is allowed on the one key is not yet allowed on the other.
    Err(ServiceError::new(ErrorKind::Conflict, "the alias moved in between; try again"))
}

/// Does the key have room for one more?
async fn check_room(view: &View<'_>, key: &Key) -> Result<(), ServiceError> {
    let filter = AliasFilter { key: Some(key.id), ..AliasFilter::default() };
    let page = Page { after: None, limit: Alias::MOST_OF_A_KEY };
    let full = view.store().list_aliases(filter, page).await?.len() >= Alias::MOST_OF_A_KEY as usize;
    if full {
        let message = format!("a key has at most {} aliases", Alias::MOST_OF_A_KEY);
        return Err(ServiceError::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}

/// What the log records of an alias: half the digest of its name, and the key that it moved from.
fn detail(view: &View<'_>, name: &AliasName, from: &[u8]) -> EntryDetail {
    let digest = half(digest::sha256(name.as_str().as_bytes()));
    EntryDetail { reference: reference(&[&digest, from]), ..view.detail() }
}
