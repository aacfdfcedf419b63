//! Calls about principals, grants and credentials.

use claviger_core::principal::Role;
use claviger_core::{Capacity, CredentialId, GrantId};
use http::Method;

use super::transport::{Plane, segment};
use super::{Client, Reply};
use crate::types::credential::{
    CreateCredential, CreatedCredential, Credential, Enrol, EnrolledCredential, ListCredentials,
    RenewCredential, RenewedCredential,
};
use crate::types::grant::{CreateGrant, Grant, ListGrants};
use crate::types::principal::{CreatePrincipal, Departure, ListPrincipals, Principal};
use crate::types::rights::{ConfirmRights, ListRights, Right, RightsReview};
use crate::types::{GiveReason, Page};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Creates a principal.
    pub async fn create_principal(&self, principal: &CreatePrincipal) -> Reply<Principal> {
        self.create("/v1/principals").json(principal).answer().await
    }

    /// Reads a principal.
    pub async fn read_principal(&self, principal: &str) -> Reply<Principal> {
        self.get(Plane::Control, format!("/v1/principals/{}", segment(principal))).answer().await
    }

    /// Lists principals in the order of their names.
    pub async fn list_principals(&self, query: &ListPrincipals) -> Reply<Page<Principal>> {
        self.get(Plane::Control, "/v1/principals".into()).query(query).answer().await
    }

    /// Revokes a principal for ever.
    pub async fn revoke_principal(&self, principal: &str, why: &GiveReason) -> Reply<Principal> {
        let path = format!("/v1/principals/{}/revoke", segment(principal));
        self.change(Method::POST, path).json(why).answer().await
    }

    /// Ends a person who leaves. Where `why` has no code, it is that somebody left; it takes no other.
    pub async fn leave(&self, principal: &str, why: &GiveReason) -> Reply<Departure> {
        let path = format!("/v1/principals/{}/leave", segment(principal));
        self.change(Method::POST, path).json(why).answer().await
    }

    /// Erases who a revoked principal was.
    pub async fn erase_principal(&self, principal: &str, why: &GiveReason) -> Reply<Principal> {
        let path = format!("/v1/principals/{}/erase", segment(principal));
        self.change(Method::POST, path).json(why).answer().await
    }

    /// Acknowledges the recovery that made a security officer.
    pub async fn acknowledge_recovery(&self, principal: &str) -> Reply<Principal> {
        let path = format!("/v1/principals/{}/acknowledge-recovery", segment(principal));
        self.change(Method::POST, path).answer().await
    }

    /// Cancels the recovery that made a security officer, as a custodian.
    pub async fn cancel_recovery(&self, principal: &str, why: &GiveReason) -> Reply<Principal> {
        let path = format!("/v1/principals/{}/cancel-recovery", segment(principal));
        self.change(Method::POST, path).json(why).answer().await
    }

    /// Gives a role.
    pub async fn assign_role(&self, principal: &str, role: Role, why: &GiveReason) -> Reply<Principal> {
        let path = format!("/v1/principals/{}/roles/{role}", segment(principal));
        self.change(Method::PUT, path).json(why).answer().await
    }

    /// Withdraws a role.
    pub async fn withdraw_role(&self, principal: &str, role: Role, why: &GiveReason) -> Reply<Principal> {
        let path = format!("/v1/principals/{}/roles/{role}/withdraw", segment(principal));
        self.change(Method::POST, path).json(why).answer().await
    }

    /// Says that a person answers for something.
    pub async fn assign_capacity(
        &self,
        principal: &str,
        capacity: Capacity,
        why: &GiveReason,
    ) -> Reply<Principal> {
        let path = capacity_path(principal, capacity, "");
        self.change(Method::PUT, path).json(why).answer().await
    }

    /// Says that a person answers for it no more.
    pub async fn withdraw_capacity(
        &self,
        principal: &str,
        capacity: Capacity,
        why: &GiveReason,
    ) -> Reply<Principal> {
        let path = capacity_path(principal, capacity, "/withdraw");
        self.change(Method::POST, path).json(why).answer().await
    }

    /// Gives a grant.
    pub async fn create_grant(&self, grant: &CreateGrant) -> Reply<Grant> {
        self.create("/v1/grants").json(grant).answer().await
    }

    /// Reads a grant.
    pub async fn read_grant(&self, grant: GrantId) -> Reply<Grant> {
        self.get(Plane::Control, format!("/v1/grants/{grant}")).answer().await
    }

    /// Lists grants in the order of their identifiers.
    pub async fn list_grants(&self, query: &ListGrants) -> Reply<Page<Grant>> {
        self.get(Plane::Control, "/v1/grants".into()).query(query).answer().await
    }

    /// Revokes a grant.
    pub async fn revoke_grant(&self, grant: GrantId, why: &GiveReason) -> Reply<Grant> {
        self.change(Method::POST, format!("/v1/grants/{grant}/revoke")).json(why).answer().await
    }

    /// Lists rights, by name.
    pub async fn list_rights(&self, query: &ListRights) -> Reply<Page<Right>> {
        self.get(Plane::Control, "/v1/rights".into()).query(query).answer().await
    }

    /// Confirms the rights that an older release kept.
    pub async fn confirm_rights(&self, confirm: &ConfirmRights) -> Reply<RightsReview> {
        self.change(Method::POST, "/v1/rights/confirm".into()).json(confirm).answer().await
    }

    /// Gives a credential. A token is in the answer, and nowhere else.
    pub async fn create_credential(&self, credential: &CreateCredential) -> Reply<CreatedCredential> {
        self.create("/v1/credentials").json(credential).answer().await
    }

    /// Redeems the code that the profile has as its token. It is good once: the certificate is in the answer, and nowhere else.
    pub async fn enrol(&self, enrol: &Enrol) -> Reply<EnrolledCredential> {
        self.change(Method::POST, "/v1/credentials/enrol".into()).json(enrol).answer().await
    }

    /// Confirms a credential of one's own that was made to be confirmed, by the certificate of the profile.
    pub async fn confirm_credential(&self, credential: CredentialId) -> Reply<Credential> {
        self.change(Method::POST, format!("/v1/credentials/{credential}/confirm")).answer().await
    }

    /// Renews the credential of the profile, at the address that people have, or else at that of applications. A token or certificate
    /// that is made is in the answer, and nowhere else; called again, what was made before is revoked.
    pub async fn renew_credential(&self, renewal: &RenewCredential) -> Reply<RenewedCredential> {
        let plane = if self.has(Plane::Control) { Plane::Control } else { Plane::Data };
        self.post(plane, "/v1/credentials/renew".into()).json(renewal).answer().await
    }

    /// Lists credentials in the order of their identifiers.
    pub async fn list_credentials(&self, query: &ListCredentials) -> Reply<Page<Credential>> {
        self.get(Plane::Control, "/v1/credentials".into()).query(query).answer().await
    }

    /// Revokes a credential.
    pub async fn revoke_credential(&self, credential: CredentialId, why: &GiveReason) -> Reply<Credential> {
        self.change(Method::POST, format!("/v1/credentials/{credential}/revoke")).json(why).answer().await
    }
}

fn capacity_path(principal: &str, capacity: Capacity, rest: &str) -> String {
    format!("/v1/principals/{}/capacities/{}{rest}", segment(principal), segment(&capacity.to_string()))
}
