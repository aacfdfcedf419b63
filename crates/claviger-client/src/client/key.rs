//! Calls about keys and their lives.

use claviger_core::key::Event;
use http::Method;

use super::transport::{Plane, segment};
use super::{Client, Reply};
use crate::types::key::{
    AskImport, ChangeState, CreateKey, ExplainKey, Explanations, ImportMaterial, ImportParameters,
    ImportedMaterial, Key, KeyVersion, ListKeys, ListVersions, RemoveMaterial, ScheduleDestroy, UpdateKey,
};
use crate::types::{GiveReason, Page};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Creates a key with its first version.
    pub async fn create_key(&self, key: &CreateKey) -> Reply<Key> {
        self.create("/v1/keys").json(key).answer().await
    }

    /// Reads a key.
    pub async fn read_key(&self, key: &str) -> Reply<Key> {
        self.get(Plane::Control, path(key, "")).answer().await
    }

    /// Lists keys in the order of their full names.
    pub async fn list_keys(&self, query: &ListKeys) -> Reply<Page<Key>> {
        self.get(Plane::Control, "/v1/keys".into()).query(query).answer().await
    }

    /// Changes what is said about a key; with `if_revision`, only when the key still has that revision.
    pub async fn update_key(&self, key: &str, update: &UpdateKey, if_revision: Option<u64>) -> Reply<Key> {
        self.change(Method::PATCH, path(key, "")).if_revision(if_revision).json(update).answer().await
    }

    /// Makes a new version that protects from now on.
    pub async fn rotate_key(&self, key: &str) -> Reply<Key> {
        self.change(Method::POST, path(key, "/rotate")).answer().await
    }

    /// Moves a key, or the one version that `change` names, along its lifecycle.
    pub async fn change_key_state(&self, key: &str, event: Event, change: &ChangeState) -> Reply<Key> {
        self.change(Method::POST, path(key, &format!("/{event}"))).json(change).answer().await
    }

    /// Takes a key out of use, and has it destroyed at the end of a waiting period.
    pub async fn schedule_destroy(&self, key: &str, wish: &ScheduleDestroy) -> Reply<Key> {
        self.change(Method::POST, path(key, "/destroy")).json(wish).answer().await
    }

    /// Ends the waiting period of a key without destroying it.
    pub async fn cancel_destroy(&self, key: &str, why: &GiveReason) -> Reply<Key> {
        self.change(Method::POST, path(key, "/cancel-destroy")).json(why).answer().await
    }

    /// Asks for a public key to wrap material for, and a token that goes with it.
    pub async fn read_import_parameters(&self, key: &str, wish: &AskImport) -> Reply<ImportParameters> {
        self.change(Method::POST, path(key, "/import-parameters")).json(wish).answer().await
    }

    /// Imports material.
    pub async fn import_material(&self, key: &str, material: &ImportMaterial) -> Reply<ImportedMaterial> {
        self.change(Method::POST, path(key, "/import")).json(material).answer().await
    }

    /// Removes imported material.
    pub async fn remove_material(&self, key: &str, wish: &RemoveMaterial) -> Reply<Key> {
        self.change(Method::POST, path(key, "/remove-material")).json(wish).answer().await
    }

    /// Lists versions of a key in the order of their numbers.
    pub async fn list_key_versions(&self, key: &str, query: &ListVersions) -> Reply<Page<KeyVersion>> {
        self.get(Plane::Control, path(key, "/versions")).query(query).answer().await
    }

    /// Explains who can do what with a key, and by which rule; or who could at an instant that is past.
    pub async fn explain_key(&self, key: &str, query: &ExplainKey) -> Reply<Explanations> {
        self.get(Plane::Control, path(key, "/explain")).query(query).answer().await
    }
}

fn path(key: &str, rest: &str) -> String {
    format!("/v1/keys/{}{rest}", segment(key))
}
