//! Declarations: what people declare and no machine can know.
//!
//! What it keeps true: a statement is kept only with a signature of the very credential that the call is made with, over all that is
//! stated and for this deployment; a declaration is never changed, and whoever withdraws one says why; nobody fills the store with them,
//! nor the memory of those who evaluate.

use std::time::Duration;

use claviger_access::authn::certificate::fingerprint;
use claviger_audit::declaration::{decode, encode, is_signed, public_key_of};
use claviger_core::approval::SeenRow;
use claviger_core::change::Change;
use claviger_core::declaration::{
    Attestation, Build, Claim, Declared, NotPlain, Plain, PolicyFiles, SigningMethod, Supply, Withdrawal,
};
use claviger_core::object::Object;
use claviger_core::port::store::{DeclarationFilter, Page};
use claviger_core::principal::{Credential, CredentialKind, PrincipalKind, Status};
use claviger_core::sensitive::Quorum;
use claviger_core::{Action, Declaration, DeclarationId, Timestamp};

use super::sensitive::nobody;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// How far back a comparison of files may lie when it is declared, and by how much clocks may differ.
const COMPARED_WITHIN: Duration = Duration::from_secs(300);

/// A declaration, with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadableDeclaration {
    /// The row.
    pub row: Declaration,
    /// What its body says.
    pub declared: Declared,
}

impl ReadableDeclaration {
    fn read(row: Declaration) -> Result<Self, ServiceError> {
        let declared = decode(&row.body).map_err(|error| {
            ServiceError::new(ErrorKind::Internal, "a declaration does not read").caused_by(error)
        })?;
        Ok(Self { row, declared })
    }
}

/// Declares what no machine can know. What is signed is for [`Attest`].
#[derive(Debug)]
pub struct Declare {
    /// What is declared.
    pub declared: Declared,
    /// What is said of it: a title, a name, why it is so.
    pub text: String,
}

impl Declare {
    /// Refuses what cannot be declared.
    async fn check(&self, view: &View<'_>) -> Result<(), ServiceError> {
        if let Declared::Attestation(_) = self.declared {
            return Err(ServiceError::invalid("a statement is signed, and not declared: `attest`"));
        }
        if !self.declared.is_sound() {
            return Err(ServiceError::invalid(
                "lists have at most 64 items, and a document is reviewed again after it was reviewed",
            ));
        }
        if self.text.trim().is_empty() || !Declaration::is_text(&self.text) {
            return Err(ServiceError::invalid(
                "say what it is called, or why it is so: 1 to 1024 bytes, without control characters",
            ));
        }
        match &self.declared {
            Declared::Device(supply) | Declared::Module(supply) | Declared::Supplier(supply) => {
                check_responsible(supply, view).await
            }
            Declared::Build(build) => check_build(build),
            Declared::PolicyFiles(files) => check_policy_files(files, view),
            Declared::Attestation(_) | Declared::Document(_) | Declared::Parameter(_) => Ok(()),
        }
    }
}

/// A node that cannot read its program says zeros: whoever approved them would approve every such one.
fn check_build(build: &Build) -> Result<(), ServiceError> {
    if build.digest == [0; 32] {
        let message = "that digest is what a node says that cannot read its own program; it names none";
        return Err(ServiceError::invalid(message));
    }
    Ok(())
}

/// What was compared long ago may have changed meanwhile.
fn check_policy_files(files: &PolicyFiles, view: &View<'_>) -> Result<(), ServiceError> {
    let (now, at) = (view.now, files.compared_at);
    if now.since(at).max(at.since(now)) > COMPARED_WITHIN {
        let message = "the files were not compared just now; set the clock, and compare them again";
        return Err(ServiceError::invalid(message));
    }
    Ok(())
}

async fn check_responsible(supply: &Supply, view: &View<'_>) -> Result<(), ServiceError> {
    let Some(responsible) = supply.responsible else { return Ok(()) };
    let person = view.state.principal(&PrincipalRef::Id(responsible)).await?;
    if person.kind == PrincipalKind::Human && person.status == Status::Active {
        Ok(())
    } else {
        Err(ServiceError::invalid("who answers for it is an active person"))
    }
}

impl Operation for Declare {
    type Output = ReadableDeclaration;

    fn action(&self) -> Action {
        Action::Declare
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableDeclaration>, ServiceError> {
        self.check(view).await?;
        let asked = Governed::Declare { declared: self.declared.clone(), text: self.text.clone() };
        let staged = make(asked, self.declared.clone(), self.text.clone(), view).await?;
        // What the same call made before is only read.
        if staged.asked().is_none() {
            return Ok(staged);
        }
        Ok(staged.under(quorum(&self.declared, [], view).await?))
    }
}

/// How many others must approve what is about that: a parameter decides what the controls find, and what may run decides all.
async fn quorum(
    declared: &Declared,
    rows: impl IntoIterator<Item = SeenRow> + Send,
    view: &View<'_>,
) -> Result<Quorum, ServiceError> {
    match declared {
        Declared::Build(_) | Declared::Parameter(_) => view.by_deployment(rows).await,
        Declared::Attestation(_)
        | Declared::Device(_)
        | Declared::Document(_)
        | Declared::Module(_)
        | Declared::PolicyFiles(_)
        | Declared::Supplier(_) => Ok(nobody()),
    }
}

/// Signs a statement, as oneself.
#[derive(Debug)]
pub struct Attest {
    /// The name of the statement.
    pub statement: Plain,
    /// SHA-256 of its text.
    pub statement_digest: [u8; 32],
    /// The objects that it is about; none for the whole deployment.
    pub scope: Vec<Object>,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// Until when it is good.
    pub valid_until: Timestamp,
    /// SHA-256 of each piece of evidence.
    pub evidence: Vec<[u8; 32]>,
    /// The certificate by which the call is made (DER).
    pub certificate: Vec<u8>,
    /// How it is signed.
    pub method: SigningMethod,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Attest {
    /// What is attested, if it is signed by the key of the credential of the call.
    fn attestation(&self, view: &View<'_>) -> Result<Attestation, ServiceError> {
        let credential = self.credential(view)?;
        let public_key = public_key_of(&self.certificate)
            .ok_or_else(|| ServiceError::invalid("the certificate does not read"))?;
        let claim = Claim {
            deployment: view.system.deployment.clone(),
            statement: self.statement.clone(),
            statement_digest: self.statement_digest,
            scope: self.scope.clone(),
            signed_at: self.signed_at,
            valid_until: self.valid_until,
            evidence: self.evidence.clone(),
            public_key: public_key.to_vec(),
        };
        let (id, method, signature) = (credential.id, self.method, self.signature.clone());
        let attestation = Attestation { claim, credential: id, method, signature };
        if !attestation.is_signed_about(view.now) {
            return Err(ServiceError::invalid("it was not signed just now; set the clock, and sign again"));
        }
        if self.valid_until <= self.signed_at.max(view.now) {
            return Err(ServiceError::invalid("it would be good for no time"));
        }
        if !Declared::Attestation(Box::new(attestation.clone())).is_sound() {
            return Err(ServiceError::invalid("lists have at most 64 items, and a key at most 2048 bytes"));
        }
        if !is_signed(&attestation) {
            let message =
                "the signature does not hold: it is of another key, another text or another deployment";
            return Err(ServiceError::invalid(message));
        }
        Ok(attestation)
    }

    /// The credential of the call, if it is the certificate that is shown.
    fn credential<'v>(&self, view: &'v View<'_>) -> Result<&'v Credential, ServiceError> {
        let credential = view.caller.credential().ok_or_else(ServiceError::not_found)?;
        if credential.kind != CredentialKind::Certificate {
            let message =
                "a statement is signed by the certificate that the call is made with; a token signs nothing";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        if fingerprint(&self.certificate) != credential.digest {
            let message = "the certificate is not the one that the call is made with";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        Ok(credential)
    }
}

impl Operation for Attest {
    type Output = ReadableDeclaration;

    fn action(&self) -> Action {
        Action::Attest
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableDeclaration>, ServiceError> {
        let declared = Declared::Attestation(Box::new(self.attestation(view)?));
        let asked = Governed::Attest { attestation: declared.clone() };
        make(asked, declared, String::new(), view).await
    }
}

/// Stages the declaration that is asked for, unless the same call made it before.
async fn make(
    asked: Governed,
    declared: Declared,
    text: String,
    view: &View<'_>,
) -> Result<Staged<ReadableDeclaration>, ServiceError> {
    if let Some(made) = view.made_before(&asked).await? {
        let declaration = find(DeclarationId::from_bytes(made), view).await?;
        return Ok(Staged::reading(declaration, view.detail()));
    }
    let by = view.caller.principal().id;
    if view.store().count_declarations(by).await? >= Declaration::MOST_OF_ONE {
        let message = format!(
            "one principal makes at most {} declarations, and those that are withdrawn count; somebody else declares more",
            Declaration::MOST_OF_ONE
        );
        return Err(ServiceError::new(ErrorKind::LimitExceeded, message));
    }
    let subject = declared.subject().parse().map_err(|error: NotPlain| {
        ServiceError::new(ErrorKind::Internal, "a declaration has no subject").caused_by(error)
    })?;
    let row = Declaration {
        id: DeclarationId::random()?,
        kind: declared.kind(),
        subject,
        body: encode(&declared),
        text,
        declared_by: by,
        declared_at: view.now,
        withdrawal: None,
        reason: None,
        revision: 0,
    };
    if row.body.len() > Declaration::MAX_BODY {
        return Err(ServiceError::new(ErrorKind::TooLarge, "what is declared is longer than 16 KiB"));
    }
    let mut changes = vec![Change::PutDeclaration(row.clone())];
    changes.extend(view.remember_making(&asked, *row.id.as_bytes()));
    let detail = detail(&row, view);
    let output = ReadableDeclaration { row: Declaration { revision: 1, ..row }, declared };
    Ok(Staged::changing(asked, output, changes, detail))
}

/// Withdraws a declaration. It stays, and is in force no more.
#[derive(Debug)]
pub struct WithdrawDeclaration {
    /// The declaration to withdraw.
    pub declaration: DeclarationId,
}

impl Operation for WithdrawDeclaration {
    type Output = ReadableDeclaration;

    fn action(&self) -> Action {
        Action::WithdrawDeclaration
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableDeclaration>, ServiceError> {
        let ReadableDeclaration { row, declared } = find(self.declaration, view).await?;
        let detail = detail(&row, view);
        if row.withdrawal.is_some() {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(ReadableDeclaration { row, declared }, detail));
        }
        let withdrawal = Some(Withdrawal { by: view.caller.principal().id, at: view.now });
        let withdrawn = Declaration { withdrawal, reason: view.why, ..row };
        let asked = Governed::WithdrawDeclaration { declaration: withdrawn.id, reason: view.reason() };
        let changes = vec![Change::PutDeclaration(withdrawn.clone())];
        let seen = SeenRow { object: Object::Declaration(withdrawn.id), revision: withdrawn.revision };
        let quorum = quorum(&declared, [seen], view).await?;
        let row = Declaration { revision: withdrawn.revision + 1, ..withdrawn };
        Ok(Staged::changing(asked, ReadableDeclaration { row, declared }, changes, detail).under(quorum))
    }
}

/// Reads a declaration.
#[derive(Debug)]
pub struct ReadDeclaration {
    /// The declaration to read.
    pub declaration: DeclarationId,
}

impl Operation for ReadDeclaration {
    type Output = ReadableDeclaration;

    fn action(&self) -> Action {
        Action::ReadDeclaration
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableDeclaration>, ServiceError> {
        let declaration = find(self.declaration, view).await?;
        let detail = detail(&declaration.row, view);
        Ok(Staged::reading(declaration, detail))
    }
}

/// Lists declarations in the order of their identifiers.
#[derive(Debug)]
pub struct ListDeclarations {
    /// Which ones.
    pub filter: DeclarationFilter,
    /// The page of the list.
    pub page: Page<DeclarationId>,
}

impl Operation for ListDeclarations {
    type Output = Vec<ReadableDeclaration>;

    fn action(&self) -> Action {
        Action::ReadDeclaration
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<ReadableDeclaration>>, ServiceError> {
        view.enter(Class::Listing).await?;
        let rows = view.store().list_declarations(self.filter.clone(), self.page.clone()).await?;
        let read = rows.into_iter().map(ReadableDeclaration::read).collect::<Result<_, _>>()?;
        Ok(Staged::reading(read, view.detail()))
    }
}

async fn find(id: DeclarationId, view: &View<'_>) -> Result<ReadableDeclaration, ServiceError> {
    let row = view.store().find_declaration(id).await?.ok_or_else(ServiceError::not_found)?;
    ReadableDeclaration::read(row)
}

fn detail(row: &Declaration, view: &View<'_>) -> EntryDetail {
    EntryDetail { reference: reference(&[row.id.as_bytes()]), ..view.detail() }
}
