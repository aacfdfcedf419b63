//! Gives a credential.

use std::time::Duration;

use claviger_access::Token;
use claviger_access::authn::certificate::fingerprint;
use claviger_core::change::Change;
use claviger_core::permit::Permit;
use claviger_core::principal::{Credential, CredentialKind, Standing};
use claviger_core::{Action, CredentialId, Name, Timestamp};

use super::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::pipeline::submission::{Note, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// Longest life of a token.
const LONGEST_TOKEN: Duration = Duration::from_secs(366 * 86_400);

/// What kind of credential.
#[derive(Debug, Clone)]
pub enum NewCredential {
    /// A client certificate that somebody issued whom the listeners trust.
    Certificate {
        /// The certificate (DER).
        der: Vec<u8>,
        /// When it ends.
        expires_at: Timestamp,
    },
    /// A token, made here.
    Token {
        /// How long it lives.
        lifetime: Duration,
    },
}

/// A credential, with the token that is shown this once.
#[derive(Debug)]
pub struct NewlyMade {
    /// The credential.
    pub credential: Credential,
    /// Its token, if it is one. Kept nowhere.
    pub token: Option<Token>,
}

/// Gives a credential.
#[derive(Debug)]
pub struct CreateCredential {
    /// To whom.
    pub principal: PrincipalRef,
    /// A word to tell it from others.
    pub label: Name,
    /// What kind.
    pub what: NewCredential,
}

impl Operation for CreateCredential {
    type Output = NewlyMade;

    fn action(&self) -> Action {
        Action::CreateCredential
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<NewlyMade>, ServiceError> {
        let request = format!("create_credential {self:?}");
        if view.made_before(request.as_bytes()).await?.is_some() {
            let message = "this call made a credential before, and its secret is shown once; make another";
            return Err(ServiceError::new(ErrorKind::AlreadyExists, message));
        }
        let principal = view.state.principal(&self.principal).await?;
        if principal.standing != Standing::Active {
            return Err(ServiceError::new(ErrorKind::WrongState, "the principal was revoked"));
        }
        let id = CredentialId::random()?;
        let (kind, digest, expires_at, token) = match &self.what {
            NewCredential::Certificate { der, expires_at } => {
                (CredentialKind::Certificate, fingerprint(der), *expires_at, None)
            }
            NewCredential::Token { lifetime } => {
                if *lifetime > LONGEST_TOKEN || lifetime.is_zero() {
                    return Err(ServiceError::invalid("a token lives up to 366 days"));
                }
                let (token, digest) = Token::generate(id)?;
                (CredentialKind::Token, digest, view.now.after(*lifetime), Some(token))
            }
        };
        if expires_at <= view.now {
            return Err(ServiceError::invalid("the credential has expired already"));
        }
        if view.store().find_credential_by_digest(&digest).await?.is_some() {
            return Err(ServiceError::new(
                ErrorKind::AlreadyExists,
                "that certificate is a credential already",
            ));
        }
        let credential = Credential {
            id,
            principal: principal.id,
            kind,
            digest,
            label: self.label.clone(),
            standing: Standing::Active,
            created_at: view.now,
            expires_at,
            revision: 0,
        };
        let mut changes = vec![Change::PutCredential(credential.clone())];
        changes.extend(view.remember_making(request.as_bytes(), *id.as_bytes()));
        let note = Note { reference: reference(&[id.as_bytes()]), ..view.note() };
        let made = NewlyMade { credential: Credential { revision: 1, ..credential }, token };
        Ok(Staged::changing(made, changes, note))
    }
}
