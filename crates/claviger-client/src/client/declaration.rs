//! Calls about declarations.

use claviger_core::DeclarationId;
use http::Method;

use super::transport::Plane;
use super::{Client, Reply};
use crate::types::declaration::{Attest, Declaration, Declare, ListDeclarations};
use crate::types::{GiveReason, Page};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Declares what no machine can know.
    pub async fn declare(&self, declare: &Declare) -> Reply<Declaration> {
        self.create("/v1/declarations").json(declare).answer().await
    }

    /// Signs a statement.
    pub async fn attest(&self, attest: &Attest) -> Reply<Declaration> {
        self.create("/v1/attestations").json(attest).answer().await
    }

    /// Reads a declaration.
    pub async fn read_declaration(&self, declaration: DeclarationId) -> Reply<Declaration> {
        self.get(Plane::Control, format!("/v1/declarations/{declaration}")).answer().await
    }

    /// Lists declarations in the order of their identifiers.
    pub async fn list_declarations(&self, query: &ListDeclarations) -> Reply<Page<Declaration>> {
        self.get(Plane::Control, "/v1/declarations".into()).query(query).answer().await
    }

    /// Withdraws a declaration.
    pub async fn withdraw_declaration(
        &self,
        declaration: DeclarationId,
        why: &GiveReason,
    ) -> Reply<Declaration> {
        self.change(Method::POST, format!("/v1/declarations/{declaration}/withdraw")).json(why).answer().await
    }
}
