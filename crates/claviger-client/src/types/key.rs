//! Keys and key versions.

use claviger_core::Spec;
use claviger_crypto::WrappingAlgorithm;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{
    ActionWord, ApprovalIdText, ContextFieldText, DataClassWord, GeneratorWord, GrantIdText, KeyIdText,
    KeyNameText, KeyRingIdText, NameText, OriginWord, PrincipalIdText, ProtectionWord, PurposeWord,
    ReasonCodeWord, RotationWord, SpecWord, StateWord, WrappingKeyWord, WrappingWord,
};
use super::{Base64Bytes, Instant, Pairs, Reason, patch};

/// A key: what callers name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its identifier, never reused.
    pub id: KeyIdText,
    /// Its full name, `ring/key`, bound to it for ever.
    pub name: KeyNameText,
    /// Identifier of its ring.
    pub ring: KeyRingIdText,
    /// The one thing it is for.
    pub purpose: PurposeWord,
    /// Its algorithm and size.
    pub spec: SpecWord,
    /// Where its material lives and works.
    pub protection: ProtectionWord,
    /// What its data is.
    pub data_class: DataClassWord,
    /// What it is for, in its owners' words.
    #[schema(example = "card numbers of the shop")]
    pub description: String,
    /// Who answers for it.
    pub owner: PrincipalIdText,
    /// Free words of its owners.
    pub labels: Pairs,
    /// How often it rotates by policy; `null` is the ring's rule.
    #[schema(required)]
    pub rotation_period_seconds: Option<u64>,
    /// Fields that the encryption context must have of each use, beside those that its ring asks for.
    #[serde(default)]
    #[schema(required)]
    pub context_required: Vec<ContextFieldText>,
    /// The environment that it belongs to; `null` is that of its ring, or of the deployment.
    #[serde(default)]
    #[schema(required)]
    pub environment: Option<NameText>,
    /// The key's own state; the stricter of it and a version's applies.
    pub state: StateWord,
    /// Number of the version that protects.
    pub primary: u32,
    /// When it is destroyed at the earliest; from the moment that this is scheduled it is used for nothing. In a list, the
    /// end of the wait that was asked for; read alone, the later of that and of the wait that its ring asks for now.
    #[schema(required)]
    pub destroy_at: Option<Instant>,
    /// The approval that its destruction rests on; absent where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy_approval: Option<ApprovalIdText>,
    /// What keeps a scheduled destruction from being carried out: `quorum` when its ring asks for an approval that it does not have, or
    /// has no more. Schedule it again to ask for a new one. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy_blocked_by: Option<String>,
    /// What has become of the document of its policy: `as_put`, or `in_part` when rights that it gave have ended otherwise
    /// than by a later policy or their own time. Absent where none was put, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_policy: Option<String>,
    /// Why it is in its present state. Absent where nobody was asked, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When it was created.
    pub created_at: Instant,
    /// Names of what is here by identifier, by that identifier. Absent in lists of keys and principals.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// One generation of a key's material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyVersion {
    /// Its number, counted from 1.
    pub number: u32,
    /// Whether it is the one that protects new data.
    pub primary: bool,
    /// Its own state.
    pub state: StateWord,
    /// What key and version allow together.
    pub effective_state: StateWord,
    /// Where its material lives.
    pub protection: ProtectionWord,
    /// Made here or imported.
    pub origin: OriginWord,
    /// Whether it has its material: not while that is awaited, after it expired or was removed, or once it was destroyed.
    pub has_material: bool,
    /// When imported material expires; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material_expires_at: Option<Instant>,
    /// The generator that the material was drawn from.
    pub generator: GeneratorWord,
    /// The module that made it, with its version.
    #[schema(example = "AWS-LC 1.62.0")]
    pub module: String,
    /// Whether the module's self-tests had passed.
    pub module_health_ok: bool,
    /// Keyed digest, in hexadecimal, by which the same material is known again under any key of this deployment; absent for what never
    /// leaves its token and has no public half, and for what an older release made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What wraps its material at rest; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapping: Option<Wrapping>,
    /// How imported material was wrapped on its way here; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// `SubjectPublicKeyInfo` (DER) of an asymmetric version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Base64Bytes>,
    /// Uses on new data, counted ahead of them where the primitive has a limit; else zero.
    pub protect_uses: u64,
    /// How it was used, as the log has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<VersionUses>,
    /// How it came to follow the one before it; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<RotationWord>,
    /// When it was made.
    pub created_at: Instant,
    /// When it first became active.
    #[schema(required)]
    pub activated_at: Option<Instant>,
    /// When its state last changed.
    pub state_changed_at: Instant,
    /// Why it is in its own state. Absent where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// How a version was used: what came to its end, counted from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionUses {
    /// Uses that made something under it: encryption, signing, wrapping, data keys.
    pub protected: u64,
    /// Uses on what was made under it before: decryption, verification, unwrapping.
    pub processed: u64,
    /// Bytes of the inputs, each rounded up to a power of two: the log records sizes no finer.
    pub bytes: u64,
    /// Keys that were wrapped under it: data keys and private keys that were made, and keys that callers supplied.
    pub children: u64,
    /// When it was last used; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Instant>,
    /// The operation of that last use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation: Option<ActionWord>,
    /// Whether older entries of the log are still being counted, as after a crash: there may be more uses than are said.
    pub counting: bool,
}

/// What wraps material at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wrapping {
    /// The wrapping key: `ring_kek`, which the root wraps, or `token_root`.
    pub key: WrappingKeyWord,
    /// The algorithm.
    #[schema(example = "aes-256-gcm")]
    pub algorithm: String,
    /// SHA-256 of what is stored, in hexadecimal.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub digest: String,
}

/// How imported material was wrapped on its way here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transport {
    /// The wrapping algorithm.
    pub algorithm: WrappingWord,
    /// The kind of key that it was wrapped for.
    pub spec: SpecWord,
    /// SHA-256 of that key's `SubjectPublicKeyInfo`, in hexadecimal.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub key: String,
    /// Its security strength in bits.
    pub strength_bits: u16,
}

/// What to list of the versions of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListVersions {
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Creates a key with its first version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// Its ring, by identifier or name.
    #[schema(example = "orders")]
    pub ring: String,
    /// Its name within the ring.
    pub name: NameText,
    /// The one thing it is for.
    pub purpose: PurposeWord,
    /// Its algorithm and size.
    pub spec: SpecWord,
    /// Where its material shall live; the ring's rule unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<ProtectionWord>,
    /// What its data is; as its ring says unless said otherwise, or else `confidential`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<DataClassWord>,
    /// What it is for: up to 8192 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(example = "card numbers of the shop")]
    pub description: String,
    /// Who answers for it, by identifier or name; the caller unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Free words: up to 50 pairs.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub labels: Pairs,
    /// How often it rotates; the ring's rule unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_period_seconds: Option<u64>,
    /// Whether its material is made here or imported; made here unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginWord>,
    /// Fields that the encryption context must have of each use, beside those that its ring asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub context_required: Vec<ContextFieldText>,
    /// The environment that it belongs to, for ever; that of its ring unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<NameText>,
    /// Whether it is in use at once; yes unless said otherwise. One whose material is imported comes into use with it.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub activate: bool,
}

const fn yes() -> bool {
    true
}

/// Changes what is said about a key; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateKey {
    /// What its data is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<DataClassWord>,
    /// What it is for: up to 8192 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "card numbers of the shop")]
    pub description: Option<String>,
    /// Who answers for it, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Free words, all of them anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Pairs>,
    /// How often it rotates; `null` is the ring's rule.
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub rotation_period_seconds: Option<Option<u64>>,
    /// Fields that the encryption context must have of each use, all of them anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub context_required: Option<Vec<ContextFieldText>>,
    /// The environment that it belongs to, for ever. What has one keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<NameText>,
}

/// What goes with a step of the lifecycle. The body may be absent altogether where no reason is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeState {
    /// The one version that it is about; the whole key unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
    /// Why: 1 to 1024 bytes without control characters. Must be said but for `activate` and `resume`; where a responder suspends, a code is
    /// enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the key was seen in a repository")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// Takes a key out of use, and has it destroyed at the end of a waiting period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDestroy {
    /// How long to wait; as long as the ring says unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_seconds: Option<u64>,
    /// Why: 1 to 1024 bytes without control characters. Must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the data was deleted")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// Asks for what is needed to import material. The body may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskImport {
    /// How the material will be wrapped; `rsa-aes-key-wrap-sha256` unless said otherwise.
    #[serde(default = "AskImport::wrapping")]
    pub wrapping: WrappingWord,
    /// The key that it will be wrapped for: `rsa-2048`, `rsa-3072` or `rsa-4096`, which it is unless said otherwise.
    #[serde(default = "AskImport::wrapping_spec")]
    pub wrapping_spec: SpecWord,
}

impl AskImport {
    const fn wrapping() -> WrappingWord {
        super::Text(WrappingAlgorithm::RsaAesKeyWrapSha256)
    }

    const fn wrapping_spec() -> SpecWord {
        super::Text(Spec::Rsa4096)
    }
}

impl Default for AskImport {
    fn default() -> Self {
        Self { wrapping: Self::wrapping(), wrapping_spec: Self::wrapping_spec() }
    }
}

/// What is needed to import material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportParameters {
    /// The key that the material is for.
    pub key: KeyIdText,
    /// How it is to be wrapped.
    pub wrapping: WrappingWord,
    /// What kind of key it is to be wrapped for.
    pub wrapping_spec: SpecWord,
    /// That key: `SubjectPublicKeyInfo` (DER).
    pub public_key: Base64Bytes,
    /// Goes with the material.
    pub import_token: Base64Bytes,
    /// From then on neither is taken.
    pub expires_at: Instant,
}

/// Imports material: the first of a key, the same again after it was removed, or new material that waits for the key's rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportMaterial {
    /// As it came with the public key.
    pub import_token: Base64Bytes,
    /// The material, wrapped for that public key: the bytes of a symmetric key, PKCS #8 (DER) of a private one.
    pub wrapped_material: Base64Bytes,
    /// When it expires: it is removed then, and may be imported again. Never unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Instant>,
    /// Whether it is other material than the key had, and protects from the next rotation on. The first of a key need not say so.
    #[serde(default)]
    #[schema(default = false)]
    pub new_material: bool,
    /// The version that it must be the material of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
}

/// A key whose material was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedMaterial {
    /// The key.
    pub key: Key,
    /// The version that has the material.
    pub version: u32,
}

/// Removes imported material. The body may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveMaterial {
    /// Of this version; of the protecting one unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
    /// Why: 1 to 1024 bytes without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the material moves to another system")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// What to list of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListKeys {
    /// Only of this ring, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateWord>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Of which instant a key is explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainKey {
    /// As things stood at this instant, by the log's time; as they stand unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
}

/// Who can do what with a key, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanations {
    /// One line per principal, action and rule.
    pub items: Vec<Explanation>,
    /// Of which instant it is, and how the key stood then; absent when it is as things stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<KeyAsOf>,
}

/// How a key stood at an instant that is past, as the facts of the log say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyAsOf {
    /// The instant that was asked about.
    pub at: Instant,
    /// How many entries of the log lie before it.
    pub entries: u64,
    /// The instant of the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_entry_at: Option<Instant>,
    /// The key's state then.
    pub key_state: StateWord,
    /// When its destruction was to come, if one was scheduled: it was used for nothing then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy_at: Option<Instant>,
}

/// One principal may do one thing with a key, by one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Identifier of the principal.
    pub principal: PrincipalIdText,
    /// The principal's name.
    pub principal_name: NameText,
    /// May do what.
    pub action: ActionWord,
    /// By which rule, in words.
    #[schema(example = "grant")]
    pub rule: String,
    /// The grant, when the rule is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantIdText>,
    /// Under which conditions, in words; absent when it holds always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
}
