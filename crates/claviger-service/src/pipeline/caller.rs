//! Who calls. Every operation is authenticated here, and nowhere else; listeners ask here earlier, from the head of a request
//! alone, so that no unauthenticated caller takes a place or has a body read.
//!
//! What it keeps true: the early answer gives no right. It decides how much of a listener a request may use, and the operation
//! is authenticated again under the epoch that it rests on.

use std::sync::Arc;

use claviger_access::{AuthnError, Caller, NamedCredential, Presented, authenticate, in_force};
use claviger_core::principal::{Credential, Principal};
use claviger_core::{ListenerName, PrincipalId, Source, Timestamp};

use crate::error::{ErrorKind, ServiceError};
use crate::road::Road;

impl Road {
    /// Whose credential is named, if it is remembered and in force. Asks neither store nor root: `None` says that
    /// [`Road::look_up`] must be asked.
    #[must_use]
    pub fn recall(&self, named: NamedCredential<'_>) -> Option<PrincipalId> {
        let known = self.state.known_in_memory(named.digest, self.state.fence.epoch())?;
        let known = &known.thing;
        let now = self.state.time.now();
        in_force(named, Some(&known.credential), Some(&known.principal), now)
            .ok()
            .map(|(_, principal)| principal.id)
    }

    /// Whose credential is named. For a token or certificate that proves the caller; of an access key the signature is still
    /// to be verified, by [`Road::prove`]. A refusal is counted or recorded as that of a call.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] when it identifies no principal, or is not in force; others when the store or the root
    /// do not answer.
    pub async fn look_up(
        &self,
        named: Option<NamedCredential<'_>>,
        listener: ListenerName,
    ) -> Result<PrincipalId, ServiceError> {
        let now = self.state.time.now();
        let Some(named) = named else {
            return Err(self.refuse(AuthnError::Missing, None, listener, now).await);
        };
        let known = self.state.known(named.digest, self.state.fence.epoch()).await?;
        let known = known.as_ref().map(|known| &known.thing);
        let (credential, principal) =
            (known.map(|known| &known.credential), known.map(|known| &known.principal));
        match in_force(named, credential, principal, now) {
            Ok((_, principal)) => Ok(principal.id),
            Err(error) => Err(self.refuse(error, credential, listener, now).await),
        }
    }

    /// Who presents that, all of it verified. A refusal is counted or recorded as that of a call.
    ///
    /// # Errors
    /// As [`Road::look_up`].
    pub async fn prove(
        &self,
        presented: &Presented,
        source: Source,
        listener: ListenerName,
    ) -> Result<PrincipalId, ServiceError> {
        let (epoch, now) = (self.state.fence.epoch(), self.state.time.now());
        self.authenticate(presented, source, listener, epoch, now).await.map(|caller| caller.principal().id)
    }

    pub(super) async fn authenticate(
        &self,
        presented: &Presented,
        source: Source,
        listener: ListenerName,
        epoch: u64,
        now: Timestamp,
    ) -> Result<Caller, ServiceError> {
        let known = match presented.named() {
            Some(named) => self.state.known(named.digest, epoch).await?,
            None => None,
        };
        let known = known.as_ref().map(|known| &known.thing);
        let credential = known.map(|known| &known.credential);
        let secret = known.and_then(|known| known.secret.as_ref());
        let principal = known.map(|known| &known.principal);
        match authenticate(presented, credential, secret, principal, Some(source), now) {
            Ok(caller) => Ok(caller),
            Err(error) => Err(Box::pin(self.refuse(error, credential, listener, now)).await),
        }
    }

    pub(super) fn system_caller(&self, principal: &Arc<Principal>) -> Result<Caller, ServiceError> {
        Caller::system(Arc::clone(principal)).map_err(|error| unauthenticated().caused_by(error))
    }

    /// A refusal: with an entry of its own if the credential is known, and only counted if it is not.
    async fn refuse(
        &self,
        error: AuthnError,
        credential: Option<&Arc<Credential>>,
        listener: ListenerName,
        now: Timestamp,
    ) -> ServiceError {
        let index = match credential {
            Some(credential) => self.record_refused(credential.id, listener, now).await,
            None => self.count_refused(listener),
        };
        let refused = unauthenticated().caused_by(error);
        match index {
            Some(index) => refused.recorded_at(index),
            None => refused,
        }
    }
}

fn unauthenticated() -> ServiceError {
    ServiceError::new(ErrorKind::Unauthenticated, "no valid credential was presented")
}
