//! Gives what is needed to import material: a public key to wrap it for, and a token to send along.

use claviger_core::key::{KeyRecord, Origin, State};
use claviger_core::{Action, KeyId, Spec, Timestamp};
use claviger_crypto::{Material, WrappingAlgorithm};

use super::destroy_key::refuse_ended;
use super::import_token::{ImportToken, VALID};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, Obstacle, ServiceError};
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

/// Asks for import parameters.
#[derive(Debug)]
pub struct ReadImportParameters {
    /// The key that the material is for.
    pub key: KeyRef,
    /// How it will be wrapped.
    pub wrapping: WrappingAlgorithm,
    /// The RSA key that it will be wrapped for.
    pub wrapping_spec: Spec,
}

/// What is needed to import material.
#[derive(Debug)]
pub struct ImportParameters {
    /// The key that the material is for.
    pub key: KeyId,
    /// `SubjectPublicKeyInfo` (DER) of the RSA key to wrap it for.
    pub public_key: Vec<u8>,
    /// To be sent along with the material.
    pub token: Vec<u8>,
    /// From then on the token is good no more.
    pub expires_at: Timestamp,
}

impl Operation for ReadImportParameters {
    type Output = ImportParameters;

    fn action(&self) -> Action {
        Action::ReadImportParameters
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ImportParameters>, ServiceError> {
        let record = view.record()?;
        takes_material(record)?;
        let spec = self.wrapping_spec;
        if !matches!(spec, Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096) {
            return Err(ServiceError::invalid("material is wrapped for an RSA key"));
        }
        let module_failed = || ServiceError::new(ErrorKind::Internal, "the cryptographic module failed");
        let Material { secret, public } = view.make_material(spec).await?;
        let expires_at = view.now.after(VALID);
        let token = ImportToken { algorithm: self.wrapping, spec, expires_at, private: secret };
        let key = record.key.id;
        let parameters = ImportParameters {
            key,
            public_key: public.ok_or_else(module_failed)?,
            token: token.seal(view.provider(), key).await?,
            expires_at,
        };
        Ok(Staged::reading(parameters, view.detail()))
    }
}

/// Refuses a key whose material is made here, and one that is beyond having any.
pub(super) fn takes_material(record: &KeyRecord) -> Result<(), ServiceError> {
    is_imported(record)?;
    refuse_ended(&record.key)?;
    match record.key.state {
        State::PreActive | State::Active | State::Suspended => Ok(()),
        state => {
            let message = format!("a key that is {state} takes no material");
            Err(ServiceError::new(ErrorKind::WrongState, message).because_of(Obstacle::State(state)))
        }
    }
}

/// Refuses a key whose material is made here.
pub(super) fn is_imported(record: &KeyRecord) -> Result<(), ServiceError> {
    if record.origin() == Origin::Imported {
        return Ok(());
    }
    let message = "the key's material is made here, not imported";
    Err(ServiceError::new(ErrorKind::Unsupported, message).because_of(Obstacle::MaterialMadeHere))
}
