//! Declarations.

use claviger_client::types::declaration as wire;
use claviger_client::types::text::{PlainText, Sha256, Sha256Text};
use claviger_core::declaration::{
    Attestation, Build, Declared, Document, Parameter, Plain, PolicyFiles, Supply,
};
use claviger_core::port::store::DeclarationFilter;
use claviger_service::operation::{Attest, Captions, Declare, ReadableDeclaration};

use super::names_to_wire;
use super::reason::reason_to_wire;
use crate::error::Failure;

/// A declaration as callers see it.
#[must_use]
pub fn to_wire(declaration: &ReadableDeclaration, captions: &Captions) -> wire::Declaration {
    let ReadableDeclaration { row, declared } = declaration;
    wire::Declaration {
        id: row.id.into(),
        kind: row.kind.into(),
        subject: row.subject.clone().into(),
        declared: declared_to_wire(declared),
        text: row.text.clone(),
        declared_by: row.declared_by.into(),
        declared_at: row.declared_at.into(),
        withdrawn_by: row.withdrawal.map(|withdrawal| withdrawal.by.into()),
        withdrawn_at: row.withdrawal.map(|withdrawal| withdrawal.at.into()),
        reason: reason_to_wire(row.reason, captions),
        names: names_to_wire(declaration, captions),
        revision: row.revision,
    }
}

fn declared_to_wire(declared: &Declared) -> wire::Declared {
    match declared {
        Declared::Attestation(attestation) => wire::Declared::Attestation(attestation_to_wire(attestation)),
        Declared::Build(build) => wire::Declared::Build(wire::Build {
            sort: build.sort.into(),
            sha256: Sha256(build.digest).into(),
            effective_from: build.effective_from.into(),
        }),
        Declared::Device(supply) => wire::Declared::Device(supply_to_wire(supply)),
        Declared::Document(document) => wire::Declared::Document(wire::Document {
            sort: document.sort.into(),
            sha256: Sha256(document.digest).into(),
            reviewed_at: document.reviewed_at.into(),
            next_review_at: document.next_review_at.into(),
            covers: document.covers.iter().cloned().map(Into::into).collect(),
        }),
        Declared::Module(supply) => wire::Declared::Module(supply_to_wire(supply)),
        Declared::Parameter(parameter) => wire::Declared::Parameter(wire::Parameter {
            name: parameter.name.clone().into(),
            value: parameter.value.clone().into(),
            effective_from: parameter.effective_from.into(),
        }),
        Declared::PolicyFiles(files) => wire::Declared::PolicyFiles(wire::PolicyFiles {
            sha256: Sha256(files.digest).into(),
            differences: files.differences,
            compared_at: files.compared_at.into(),
        }),
        Declared::Supplier(supply) => wire::Declared::Supplier(supply_to_wire(supply)),
    }
}

fn attestation_to_wire(attestation: &Attestation) -> wire::Attestation {
    let claim = &attestation.claim;
    wire::Attestation {
        deployment: claim.deployment.clone().into(),
        statement: claim.statement.clone().into(),
        statement_sha256: Sha256(claim.statement_digest).into(),
        scope: claim.scope.iter().copied().map(Into::into).collect(),
        signed_at: claim.signed_at.into(),
        valid_until: claim.valid_until.into(),
        evidence: claim.evidence.iter().map(|digest| Sha256(*digest).into()).collect(),
        public_key: claim.public_key.clone().into(),
        credential: attestation.credential.into(),
        method: attestation.method.into(),
        signature: attestation.signature.clone().into(),
    }
}

fn supply_to_wire(supply: &Supply) -> wire::Supply {
    let words = |words: &Option<Plain>| words.clone().map(Into::into);
    wire::Supply {
        sort: supply.sort.clone().into(),
        standard: words(&supply.standard),
        certificate: words(&supply.certificate),
        level: words(&supply.level),
        status: words(&supply.status),
        status_checked_at: supply.status_checked_at.map(Into::into),
        support_ends_at: supply.support_ends_at.map(Into::into),
        responsible: supply.responsible.map(Into::into),
    }
}

/// What is to be declared.
///
/// # Errors
/// A [`Failure`] for a statement, which is signed instead.
pub fn declare_from_wire(wire: wire::Declare) -> Result<Declare, Failure> {
    let declared = match wire.declared {
        wire::Declared::Attestation(_) => {
            return Err(Failure::invalid("a statement is signed instead: `POST /v1/attestations`"));
        }
        wire::Declared::Build(build) => Declared::Build(Build {
            sort: build.sort.0,
            digest: build.sha256.0.0,
            effective_from: build.effective_from.0,
        }),
        wire::Declared::Device(supply) => Declared::Device(supply_from_wire(supply)),
        wire::Declared::Document(document) => Declared::Document(Document {
            sort: document.sort.0,
            digest: document.sha256.0.0,
            reviewed_at: document.reviewed_at.0,
            next_review_at: document.next_review_at.0,
            covers: document.covers.into_iter().map(|covered| covered.0).collect(),
        }),
        wire::Declared::Module(supply) => Declared::Module(supply_from_wire(supply)),
        wire::Declared::Parameter(parameter) => Declared::Parameter(Parameter {
            name: parameter.name.0,
            value: parameter.value.0,
            effective_from: parameter.effective_from.0,
        }),
        wire::Declared::PolicyFiles(files) => Declared::PolicyFiles(PolicyFiles {
            digest: files.sha256.0.0,
            differences: files.differences,
            compared_at: files.compared_at.0,
        }),
        wire::Declared::Supplier(supply) => Declared::Supplier(supply_from_wire(supply)),
    };
    Ok(Declare { declared, text: wire.text })
}

fn supply_from_wire(supply: wire::Supply) -> Supply {
    let words = |words: Option<PlainText>| words.map(|words| words.0);
    Supply {
        sort: supply.sort.0,
        standard: words(supply.standard),
        certificate: words(supply.certificate),
        level: words(supply.level),
        status: words(supply.status),
        status_checked_at: supply.status_checked_at.map(|at| at.0),
        support_ends_at: supply.support_ends_at.map(|at| at.0),
        responsible: supply.responsible.map(|id| id.0),
    }
}

/// What is to be signed.
#[must_use]
pub fn attest_from_wire(wire: wire::Attest) -> Attest {
    let digest = |digest: Sha256Text| digest.0.0;
    Attest {
        statement: wire.statement.0,
        statement_digest: digest(wire.statement_sha256),
        scope: wire.scope.into_iter().map(|object| object.0).collect(),
        signed_at: wire.signed_at.0,
        valid_until: wire.valid_until.0,
        evidence: wire.evidence.into_iter().map(digest).collect(),
        certificate: wire.certificate.as_ref().to_vec(),
        method: wire.method.0,
        signature: wire.signature.as_ref().to_vec(),
    }
}

/// Which declarations are to be listed.
#[must_use]
pub fn filter_from_wire(wire: &wire::ListDeclarations) -> DeclarationFilter {
    DeclarationFilter {
        kind: wire.kind.map(|kind| kind.0),
        subject: wire.subject.clone().map(|subject| subject.0),
    }
}
