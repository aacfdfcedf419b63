//! Declarations: what people declare and no machine can know.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{
    BuildSortWord, CredentialIdText, DeclarationIdText, DeclarationKindWord, DocumentSortWord, NameText,
    ObjectText, PlainText, PrincipalIdText, Sha256Text, SigningMethodWord,
};
use super::{Base64Bytes, Instant, Pairs, Reason};

/// A declaration. It is never changed; it can be withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Declaration {
    /// Its identifier.
    pub id: DeclarationIdText,
    /// What is declared.
    pub kind: DeclarationKindWord,
    /// What it is listed by: the parameter, the statement, the sort of the document or thing.
    pub subject: PlainText,
    /// What it says.
    pub declared: Declared,
    /// What is said of it in people's own words: a title, a name, why it is so. Absent of a statement, whose text the catalogue has.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Who declared or signed it.
    pub declared_by: PrincipalIdText,
    /// When.
    pub declared_at: Instant,
    /// Who withdrew it; absent where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_by: Option<PrincipalIdText>,
    /// When it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Instant>,
    /// Why it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Names of what is here by identifier, by that identifier. Absent in lists.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// What is declared, as `{"parameter": {...}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Declared {
    /// A statement that a person signed. It is made by a call of its own.
    Attestation(Attestation),
    /// A program or a configuration that may run. Others approve it.
    Build(Build),
    /// A device that keys are in, or that works with them.
    Device(Supply),
    /// A policy, a procedure, a plan or a risk record.
    Document(Document),
    /// A cryptographic module.
    Module(Supply),
    /// A parameter of the catalogue of controls.
    Parameter(Parameter),
    /// That what there is was held against files that were reviewed.
    PolicyFiles(PolicyFiles),
    /// A supplier who holds keys, or works with them.
    Supplier(Supply),
}

/// A program or a configuration that may run, by the digest that nodes say of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// What it is.
    pub sort: BuildSortWord,
    /// SHA-256 of its file.
    pub sha256: Sha256Text,
    /// From when on it may run, and not before it was declared.
    pub effective_from: Instant,
}

/// That what there is was held against files that were reviewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFiles {
    /// SHA-256 over the files, which are kept elsewhere.
    pub sha256: Sha256Text,
    /// In how many things they differ from what there is.
    pub differences: u32,
    /// When they were compared: within five minutes of the server's clock.
    pub compared_at: Instant,
}

/// A parameter of the catalogue of controls, as an organization sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name in the catalogue.
    pub name: PlainText,
    /// Its value.
    pub value: PlainText,
    /// From when on it is in force, and not before it was declared.
    pub effective_from: Instant,
}

/// A document, which is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What it is.
    pub sort: DocumentSortWord,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Text,
    /// When it was last reviewed.
    pub reviewed_at: Instant,
    /// When it is to be reviewed again.
    pub next_review_at: Instant,
    /// What it covers: controls, parameters, objects; up to 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub covers: Vec<PlainText>,
}

/// A supplier, a device or a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Supply {
    /// What it is, as in `hsm` or `hosting`.
    pub sort: PlainText,
    /// The standard that it was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<PlainText>,
    /// The certificate that says so, as it is numbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PlainText>,
    /// The level reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<PlainText>,
    /// The status of the certificate, as the list of its issuer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PlainText>,
    /// When that was looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_checked_at: Option<Instant>,
    /// When its maker ends support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_ends_at: Option<Instant>,
    /// The person who answers for it, by identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<PrincipalIdText>,
}

/// A statement that a person signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The deployment that it is about.
    pub deployment: NameText,
    /// The name of the statement in the catalogue.
    #[schema(example = "ATT-POLICY")]
    pub statement: PlainText,
    /// SHA-256 of its text.
    pub statement_sha256: Sha256Text,
    /// The objects that it is about; none for the whole deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<ObjectText>,
    /// When it was signed.
    pub signed_at: Instant,
    /// Until when it is good.
    pub valid_until: Instant,
    /// SHA-256 of each piece of evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Sha256Text>,
    /// The key that signed it: the `SubjectPublicKeyInfo` (DER) of the signer's certificate.
    pub public_key: Base64Bytes,
    /// The credential whose certificate has that key.
    pub credential: CredentialIdText,
    /// How it is signed.
    pub method: SigningMethodWord,
    /// The signature.
    pub signature: Base64Bytes,
}

/// Declares what no machine can know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Declare {
    /// What is declared. A statement is signed instead.
    pub declared: Declared,
    /// What it is called, or why it is so: 1 to 1024 bytes without control characters. The log has it sealed.
    #[schema(example = "PCI DSS 7.2.4, as decided in the review of March")]
    pub text: String,
}

/// Signs a statement, by the certificate that the call is made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attest {
    /// The name of the statement in the catalogue.
    #[schema(example = "ATT-POLICY")]
    pub statement: PlainText,
    /// SHA-256 of its text.
    pub statement_sha256: Sha256Text,
    /// The objects that it is about, each by kind and identifier; none for the whole deployment. Up to 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub scope: Vec<ObjectText>,
    /// When it was signed: within five minutes of the server's clock.
    pub signed_at: Instant,
    /// Until when it is good.
    pub valid_until: Instant,
    /// SHA-256 of each piece of evidence; up to 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub evidence: Vec<Sha256Text>,
    /// The certificate that the call is made with (DER). Nothing but its public key is kept.
    pub certificate: Base64Bytes,
    /// How it is signed.
    pub method: SigningMethodWord,
    /// The signature over the encoded statement, in which the deployment is named too.
    pub signature: Base64Bytes,
}

/// Which declarations to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListDeclarations {
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeclarationKindWord>,
    /// Only about this: a parameter, a statement, a sort of document or thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PlainText>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
