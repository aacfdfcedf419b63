//! Key rings.

use claviger_core::key::{AssetRule, PlaintextDataKeys};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{
    AssetRuleWord, ContextFieldText, DataClassWord, KeyRingIdText, NameText, PlaintextDataKeysWord,
    ProtectionWord, ReasonCodeWord, RotatedKeysWord, SeparationWord, Text,
};
use super::{Instant, Reason, patch};

/// A key ring: unit of delegation and of erasure, with the policy that its keys inherit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ring {
    /// Its identifier.
    pub id: KeyRingIdText,
    /// Its name, unique for ever.
    pub name: NameText,
    /// What its keys inherit.
    pub policy: RingPolicy,
    /// Why its policy was last changed. Absent where nobody was asked, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When it was created.
    pub created_at: Instant,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// The defaults and rules that a ring gives to its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RingPolicy {
    /// Protection of keys that do not ask for one.
    pub protection: ProtectionWord,
    /// How often keys rotate; `null` is never by policy.
    #[schema(required)]
    pub rotation_period_seconds: Option<u64>,
    /// Which keys rotate so: `symmetric`, or `all` where who holds a public key is given each new one.
    pub rotates: RotatedKeysWord,
    /// How long a version may protect (SP 800-57 part 1, 5.3.5); `null` is without end.
    #[schema(required)]
    pub protect_period_seconds: Option<u64>,
    /// How long a version may process after that; `null` is without end.
    #[schema(required)]
    pub process_period_seconds: Option<u64>,
    /// The least time between the wish to destroy a key and its destruction.
    pub destroy_waiting_period_seconds: u64,
    /// How many custodians must approve a sensitive act.
    pub quorum: u8,
    /// Whether one principal may both administer and use keys of this ring.
    pub separation: SeparationWord,
    /// Fields that the encryption context must have of each use of its keys that takes one; at most 16.
    #[serde(default)]
    #[schema(required)]
    pub context_required: Vec<ContextFieldText>,
    /// What the data of its keys is, unless a key says otherwise; `null` is `confidential`.
    #[serde(default)]
    #[schema(required)]
    pub data_class: Option<DataClassWord>,
    /// Whether its keys hand out data keys, and private keys of pairs, in clear: `allowed` or `refused`.
    #[serde(default = "allowed")]
    #[schema(required)]
    pub plaintext_data_keys: PlaintextDataKeysWord,
    /// The environment of keys that name none; `null` is that of the deployment.
    #[serde(default)]
    #[schema(required)]
    pub environment: Option<NameText>,
    /// Whether uses of its keys that take an encryption context must name a data asset, by its identifier, in the field
    /// `claviger:asset`: `optional` or `required`.
    #[serde(default = "optional")]
    #[schema(required)]
    pub assets: AssetRuleWord,
    /// Whether custodians must approve each grant of uses of its keys.
    #[serde(default)]
    #[schema(required)]
    pub grants_under_quorum: bool,
}

const fn allowed() -> PlaintextDataKeysWord {
    Text(PlaintextDataKeys::Allowed)
}

const fn optional() -> AssetRuleWord {
    Text(AssetRule::Optional)
}

/// Creates a ring. Its separation is strict; relaxing it is a call of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRing {
    /// Its name.
    pub name: NameText,
    /// Where its policy differs from the default.
    #[serde(default)]
    pub policy: RingPolicyPatch,
    /// Why: 1 to 1024 bytes without control characters. Must be said where data keys of restricted data are handed out in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// Changes a ring's policy; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRing {
    /// What changes.
    pub policy: RingPolicyPatch,
    /// Why: 1 to 1024 bytes without control characters. Must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the auditors asked for it")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// Members of a ring's policy: absent leaves as it is, `null` takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RingPolicyPatch {
    /// Protection of keys that do not ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<ProtectionWord>,
    /// How often keys rotate.
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub rotation_period_seconds: Option<Option<u64>>,
    /// Which keys rotate so: `symmetric` or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotates: Option<RotatedKeysWord>,
    /// How long a version may protect.
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub protect_period_seconds: Option<Option<u64>>,
    /// How long a version may process after that.
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub process_period_seconds: Option<Option<u64>>,
    /// The least time between the wish to destroy a key and its destruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy_waiting_period_seconds: Option<u64>,
    /// How many custodians must approve a sensitive act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u8>,
    /// Fields that the encryption context must have, all of them anew; none takes the rule away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub context_required: Option<Vec<ContextFieldText>>,
    /// What the data of its keys is, unless a key says otherwise.
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DataClassWord>)]
    pub data_class: Option<Option<DataClassWord>>,
    /// Whether its keys hand out data keys, and private keys of pairs, in clear: `allowed` or `refused`. A new ring for data of class
    /// `authentication`, `cardholder`, `ephi` or `personal_special` refuses unless another rule is given, with a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext_data_keys: Option<PlaintextDataKeysWord>,
    /// The environment of keys that name none. A ring that has keys keeps the one that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<NameText>,
    /// Whether uses of its keys must name a data asset: `optional` or `required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<AssetRuleWord>,
    /// Whether custodians must approve each grant of uses of its keys. They must in a new ring for data of class `authentication`,
    /// `cardholder`, `ephi` or `personal_special`, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants_under_quorum: Option<bool>,
}

/// Sets a ring's separation of duties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSeparation {
    /// The rule from now on.
    pub separation: SeparationWord,
    /// Why: 1 to 1024 bytes without control characters. Must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the trial is over")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// What to list of the rings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRings {
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_distinguishes_absent_from_null() {
        let patch: RingPolicyPatch = serde_json::from_str(r#"{"rotation_period_seconds":null}"#).unwrap();
        assert_eq!(patch.rotation_period_seconds, Some(None));
        assert_eq!(patch.protect_period_seconds, None);
        assert_eq!(serde_json::to_string(&patch).unwrap(), r#"{"rotation_period_seconds":null}"#);
        assert!(serde_json::from_str::<RingPolicyPatch>(r#"{"separation":"relaxed"}"#).is_err());
    }
}
