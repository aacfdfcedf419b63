//! Declarations: what a person declares and no machine can know.
//!
//! What is declared has a closed set of kinds. Its words are of a small alphabet and name things of an organization; what people say in
//! their own words, and may name people, is a text apart, which facts seal.
//!
//! What it keeps true:
//! * a declaration is never changed: another one is made, or it is withdrawn, once and with a reason;
//! * the body is bytes to this room and to stores. Its one encoding is that of the log, which whoever makes or reads a declaration holds
//!   it against.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::object::Object;
use crate::reason::Why;
use crate::time::Timestamp;
use crate::{CredentialId, DeclarationId, Name, PrincipalId};

/// What is declared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DeclarationKind {
    /// A statement that a person signed.
    Attestation,
    /// A program or a configuration that may run.
    Build,
    /// A device that keys are in, or that works with them.
    Device,
    /// A document: a policy, a procedure, a plan, a risk record.
    Document,
    /// A cryptographic module.
    Module,
    /// A parameter of the catalogue of controls.
    Parameter,
    /// That what there is was held against files that were reviewed.
    PolicyFiles,
    /// A supplier who holds keys, or works with them.
    Supplier,
}

crate::named! {
    /// Text that is not a kind of declaration.
    DeclarationKind, "a kind of declaration" {
        Attestation = "attestation",
        Build = "build",
        Device = "device",
        Document = "document",
        Module = "module",
        Parameter = "parameter",
        PolicyFiles = "policy_files",
        Supplier = "supplier",
    }
}

/// What it is that may run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum BuildSort {
    /// A program.
    Build,
    /// A configuration.
    Configuration,
}

crate::named! {
    /// Text that is not a sort of what may run.
    BuildSort, "a sort of what may run" {
        Build = "build",
        Configuration = "configuration",
    }
}

/// What a document is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DocumentSort {
    /// A plan, as for incidents.
    Plan,
    /// A policy.
    Policy,
    /// A procedure.
    Procedure,
    /// A risk record: an analysis, or a decision on a risk.
    RiskRecord,
}

crate::named! {
    /// Text that is not a sort of document.
    DocumentSort, "a sort of document" {
        Plan = "plan",
        Policy = "policy",
        Procedure = "procedure",
        RiskRecord = "risk_record",
    }
}

/// How an attestation is signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum SigningMethod {
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5, 6.4), signature in DER.
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384 (FIPS 186-5, 6.4), signature in DER.
    EcdsaP384Sha384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSASSA-PSS with SHA-256 (RFC 8017, 8.1), of 2048 bits at least.
    RsaPssSha256,
}

crate::named! {
    /// Text that is not a way to sign.
    SigningMethod, "a way to sign" {
        EcdsaP256Sha256 = "ecdsa-p256-sha256",
        EcdsaP384Sha384 = "ecdsa-p384-sha384",
        Ed25519 = "ed25519",
        RsaPssSha256 = "rsa-pss-sha256",
    }
}

/// A word, or a few, of a declaration: 1 to 128 letters and digits of ASCII, spaces, and `._:/+-,()=^`, neither the first nor the
/// last a space.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Plain(Box<str>);

/// Text that a word of a declaration cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "1 to 128 letters and digits, spaces and `._:/+-,()=^` are expected; what is said in other words belongs into the text"
)]
pub struct NotPlain;

impl Plain {
    /// The longest, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Plain {
    type Err = NotPlain;

    fn from_str(text: &str) -> Result<Self, NotPlain> {
        let valid = |b: u8| b.is_ascii_alphanumeric() || b" ._:/+-,()=^".contains(&b);
        let is_one = !text.is_empty() && text.len() <= Self::MAX_LEN && text.bytes().all(valid);
        if is_one && text.trim() == text { Ok(Self(text.into())) } else { Err(NotPlain) }
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({})", self.0)
    }
}

/// What is declared, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// A statement that a person signed.
    Attestation(Box<Attestation>),
    /// A program or a configuration that may run.
    Build(Build),
    /// A device.
    Device(Supply),
    /// A document.
    Document(Document),
    /// A cryptographic module.
    Module(Supply),
    /// A parameter.
    Parameter(Parameter),
    /// That what there is was held against files that were reviewed.
    PolicyFiles(PolicyFiles),
    /// A supplier.
    Supplier(Supply),
}

impl Declared {
    /// Most items of a list in it: what a document covers, what an attestation is about, its evidence.
    pub const MOST_ITEMS: usize = 64;

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> DeclarationKind {
        match self {
            Self::Attestation(_) => DeclarationKind::Attestation,
            Self::Build(_) => DeclarationKind::Build,
            Self::Device(_) => DeclarationKind::Device,
            Self::Document(_) => DeclarationKind::Document,
            Self::Module(_) => DeclarationKind::Module,
            Self::Parameter(_) => DeclarationKind::Parameter,
            Self::PolicyFiles(_) => DeclarationKind::PolicyFiles,
            Self::Supplier(_) => DeclarationKind::Supplier,
        }
    }

    /// What it is listed by: the parameter, the statement, the sort of the document or thing; of files of a policy their kind.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Attestation(attestation) => attestation.claim.statement.as_str(),
            Self::Build(build) => build.sort.name(),
            Self::Device(supply) | Self::Module(supply) | Self::Supplier(supply) => supply.sort.as_str(),
            Self::Document(document) => document.sort.name(),
            Self::Parameter(parameter) => parameter.name.as_str(),
            Self::PolicyFiles(_) => DeclarationKind::PolicyFiles.name(),
        }
    }

    /// Is it one that can be? Lists are bounded, and what lasts ends behind its begin.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Attestation(attestation) => attestation.is_sound(),
            Self::Document(document) => {
                document.covers.len() <= Self::MOST_ITEMS && document.reviewed_at < document.next_review_at
            }
            Self::Build(_)
            | Self::Device(_)
            | Self::Module(_)
            | Self::Parameter(_)
            | Self::PolicyFiles(_)
            | Self::Supplier(_) => true,
        }
    }
}

/// A parameter of the catalogue of controls, as an organization sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the catalogue.
    pub name: Plain,
    /// Its value.
    pub value: Plain,
    /// From when on it is in force, until another one of the name is.
    pub effective_from: Timestamp,
}

/// A program or a configuration that may run, as nodes report theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// What it is.
    pub sort: BuildSort,
    /// Its digest: SHA-256 of the program's file, or what nodes report of their configuration.
    pub digest: [u8; 32],
    /// From when on it may run, until this is withdrawn.
    pub effective_from: Timestamp,
}

/// That what there is was held against files that were reviewed. The files themselves are kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyFiles {
    /// SHA-256 over the files.
    pub digest: [u8; 32],
    /// In how many things they differ from what there is.
    pub differences: u32,
    /// When they were compared.
    pub compared_at: Timestamp,
}

/// A document. The document itself is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub sort: DocumentSort,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// When it was last reviewed.
    pub reviewed_at: Timestamp,
    /// When it is to be reviewed again.
    pub next_review_at: Timestamp,
    /// What it covers: controls, parameters, objects.
    pub covers: Vec<Plain>,
}

/// A supplier, a device or a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// What it is, as in `hsm` or `hosting`.
    pub sort: Plain,
    /// The standard that it was held against, as in `FIPS 140-3`.
    pub standard: Option<Plain>,
    /// The certificate that says so, as it is numbered.
    pub certificate: Option<Plain>,
    /// The level reached.
    pub level: Option<Plain>,
    /// The status of the certificate, as the list of its issuer has it.
    pub status: Option<Plain>,
    /// When that was looked up.
    pub status_checked_at: Option<Timestamp>,
    /// When its maker ends support.
    pub support_ends_at: Option<Timestamp>,
    /// The person who answers for it.
    pub responsible: Option<PrincipalId>,
}

/// What a person states, and signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The deployment that it is about.
    pub deployment: Name,
    /// The name of the statement in the catalogue, as in `ATT-POLICY`.
    pub statement: Plain,
    /// SHA-256 of the statement's text.
    pub statement_digest: [u8; 32],
    /// The objects that it is about; none for the whole deployment.
    pub scope: Vec<Object>,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// Until when it is good.
    pub valid_until: Timestamp,
    /// SHA-256 of each piece of evidence that it rests on.
    pub evidence: Vec<[u8; 32]>,
    /// The public key that it is signed by: the `SubjectPublicKeyInfo` of the signer's certificate, in DER.
    pub public_key: Vec<u8>,
}

/// A statement that a person signed. The person is who made the declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// What is stated.
    pub claim: Claim,
    /// The credential whose certificate has that key.
    pub credential: CredentialId,
    /// How it is signed.
    pub method: SigningMethod,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Attestation {
    /// The longest public key and the longest signature, in bytes: those of RSA with 8192 bits fit.
    pub const MAX_KEY: usize = 2048;
    /// By how much the clocks of a signer and of a server may differ.
    const SIGNED_WITHIN: Duration = Duration::from_secs(300);

    /// Was it signed about then? What was signed long before it was declared may have been withdrawn meanwhile.
    #[must_use]
    pub fn is_signed_about(&self, at: Timestamp) -> bool {
        let signed_at = self.claim.signed_at;
        at.since(signed_at).max(signed_at.since(at)) <= Self::SIGNED_WITHIN
    }

    fn is_sound(&self) -> bool {
        let claim = &self.claim;
        claim.scope.len() <= Declared::MOST_ITEMS
            && claim.evidence.len() <= Declared::MOST_ITEMS
            && claim.public_key.len() <= Self::MAX_KEY
            && self.signature.len() <= Self::MAX_KEY
            && claim.signed_at < claim.valid_until
    }
}

/// That a declaration was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Who did.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Its identifier.
    pub id: DeclarationId,
    /// What is declared.
    pub kind: DeclarationKind,
    /// What it is listed by.
    pub subject: Plain,
    /// What is declared: the one encoding of a [`Declared`].
    pub body: Vec<u8>,
    /// What is said of it in people's own words: a title, a name, why it is so. Facts seal it.
    pub text: String,
    /// Who declared it.
    pub declared_by: PrincipalId,
    /// When.
    pub declared_at: Timestamp,
    /// That it was withdrawn.
    pub withdrawal: Option<Withdrawal>,
    /// Why it was withdrawn.
    pub reason: Option<Why>,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Declaration {
    /// The longest body, in bytes.
    pub const MAX_BODY: usize = 16 * 1024;
    /// The longest text, in bytes.
    pub const MAX_TEXT: usize = 1024;
    /// How many one principal makes; those that are withdrawn count, since they stay.
    pub const MOST_OF_ONE: u64 = 4096;

    /// Can that be the text of a declaration? It is bounded, and has no control characters.
    #[must_use]
    pub fn is_text(text: &str) -> bool {
        text.len() <= Self::MAX_TEXT && !text.chars().any(char::is_control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row as _;

    #[test]
    fn words_are_of_a_small_alphabet() {
        for good in ["90", "FIPS 140-3", "oup_data_key_days", "2^32", "ring:7", "a", &"a".repeat(128)] {
            assert_eq!(good.parse::<Plain>().unwrap().as_str(), good);
        }
        for bad in ["", " a", "a ", "a\n", "ä", "a@b", "<a>", &"a".repeat(129)] {
            assert_eq!(bad.parse::<Plain>(), Err(NotPlain), "{bad}");
        }
    }

    #[test]
    fn what_may_run_is_listed_by_what_it_is_and_files_by_their_kind() {
        let at = Timestamp::from_micros(5);
        for sort in BuildSort::ALL {
            let build = Declared::Build(Build { sort, digest: [1; 32], effective_from: at });
            assert_eq!((build.kind(), build.subject()), (DeclarationKind::Build, sort.name()));
            assert!(build.is_sound() && build.subject().parse::<Plain>().is_ok());
        }
        let files = Declared::PolicyFiles(PolicyFiles { digest: [1; 32], differences: 3, compared_at: at });
        assert_eq!((files.kind().name(), files.subject()), ("policy_files", "policy_files"));
        assert!(files.is_sound() && files.subject().parse::<Plain>().is_ok());
    }

    #[test]
    fn what_ends_before_it_begins_is_not_sound() {
        let at = Timestamp::from_micros;
        let document = |next_review_at| {
            Declared::Document(Document {
                sort: DocumentSort::Policy,
                digest: [1; 32],
                reviewed_at: at(5),
                next_review_at,
                covers: Vec::new(),
            })
        };
        assert!(document(at(6)).is_sound());
        assert!(!document(at(5)).is_sound());
    }

    #[test]
    fn nothing_of_a_declaration_changes_but_that_it_is_withdrawn_once() {
        let (at, by) = (Timestamp::from_micros, PrincipalId::from_bytes([2; 16]));
        let made = Declaration {
            id: DeclarationId::from_bytes([1; 16]),
            kind: DeclarationKind::Parameter,
            subject: "period_days".parse().unwrap(),
            body: vec![7; 40],
            text: "as decided".to_owned(),
            declared_by: by,
            declared_at: at(5),
            withdrawal: None,
            reason: None,
            revision: 1,
        };
        let withdrawn = Declaration { withdrawal: Some(Withdrawal { by, at: at(9) }), ..made.clone() };
        assert!(withdrawn.follows(&made) && made.follows(&made) && withdrawn.follows(&withdrawn));
        let again = Declaration { withdrawal: Some(Withdrawal { by, at: at(10) }), ..made.clone() };
        assert!(!made.follows(&withdrawn) && !again.follows(&withdrawn));
        let edits: [fn(&mut Declaration); 5] = [
            |one| one.kind = DeclarationKind::Module,
            |one| one.subject = "other".parse().unwrap(),
            |one| one.body.push(0),
            |one| one.text.push('!'),
            |one| one.declared_at = Timestamp::from_micros(6),
        ];
        for edit in edits {
            let mut edited = withdrawn.clone();
            edit(&mut edited);
            assert!(!edited.follows(&made), "{edited:?}");
        }
    }

    #[test]
    fn texts_are_bounded_and_have_no_control_characters() {
        assert!(Declaration::is_text("") && Declaration::is_text("Richtlinie für Schlüssel"));
        assert!(!Declaration::is_text("a\nb") && !Declaration::is_text(&"a".repeat(1025)));
    }
}
