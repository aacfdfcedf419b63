//! Who is known by a credential.

use std::sync::Arc;

use claviger_core::principal::{Credential, Principal};

/// A credential with its principal.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) principal: Arc<Principal>,
    pub(crate) credential: Arc<Credential>,
}

impl Known {
    pub(crate) fn new(principal: Principal, credential: Credential) -> Self {
        Self { principal: Arc::new(principal), credential: Arc::new(credential) }
    }
}
