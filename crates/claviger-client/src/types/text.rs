//! Words, names and identifiers in their text form.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use claviger_core::alert::AlertRule;
use claviger_core::approval::{Eligible, Outcome, Verdict};
use claviger_core::break_glass::BreakGlassVerdict;
use claviger_core::declaration::{BuildSort, DeclarationKind, DocumentSort, Plain, SigningMethod};
use claviger_core::grant::{GrantOrigin, Selector};
use claviger_core::key::{
    AssetRule, ContextField, DataClass, Generator, Origin, PlaintextDataKeys, Protection, RotatedKeys,
    Rotation, Separation, State, WrappingKey,
};
use claviger_core::lineage::How;
use claviger_core::object::Object;
use claviger_core::principal::{CredentialKind, PrincipalKind, Role, Status};
use claviger_core::reason::{ReasonCode, Unasked};
use claviger_core::review::{ReviewDecision, ReviewScope};
use claviger_core::{
    AccessKeyId, Action, AlertId, AliasName, AliasScope, ApprovalId, AssetId, BreakGlassId, Capacity,
    CredentialId, DeclarationId, GrantId, KeyId, KeyName, KeyRingId, Name, PrincipalId, Purpose, ReasonId,
    ReviewId, Spec,
};
use claviger_crypto::{SignatureAlgorithm, WrappingAlgorithm};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::alert::{AlertState, WhichAlerts};
use super::approval::{ApprovalState, WhichApprovals};
use super::break_glass::BreakGlassState;
use super::review::{ReviewState, WhichReviews};

/// A value that has one text form, which it is written as and parsed from.
///
/// What arrives is parsed at once: a `Text<State>` that exists is a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<T>(pub T);

/// A value with a text form, and with what the OpenAPI document says of it.
pub trait Textual: fmt::Display + FromStr<Err: fmt::Display> {
    /// Name of its schema.
    const SCHEMA: &'static str;

    /// Its schema.
    fn describe(object: ObjectBuilder) -> ObjectBuilder;
}

impl<T> Deref for Text<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Text<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Debug for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl<T: FromStr> FromStr for Text<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        text.parse().map(Self)
    }
}

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: Textual> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<T: Textual> de::Visitor<'_> for Visitor<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor(std::marker::PhantomData))
    }
}

impl<T: Textual> PartialSchema for Text<T> {
    fn schema() -> RefOr<Schema> {
        RefOr::T(Schema::Object(T::describe(ObjectBuilder::new().schema_type(Type::String)).build()))
    }
}

impl<T: Textual> ToSchema for Text<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(T::SCHEMA)
    }
}

macro_rules! words {
    ($(#[doc = $doc:literal] $alias:ident = $type:ident),+ $(,)?) => {$(
        #[doc = $doc]
        pub type $alias = Text<$type>;

        impl Textual for $type {
            const SCHEMA: &'static str = stringify!($type);

            fn describe(object: ObjectBuilder) -> ObjectBuilder {
                object.description(Some($doc.trim())).enum_values(Some($type::ALL.map(|word| word.name())))
            }
        }
    )+};
}

words! {
    /// An action, as in `encrypt`.
    ActionWord = Action,
    /// What raises an alert.
    AlertRuleWord = AlertRule,
    /// How an alert stands: `open` until somebody has looked at it, `triaged` until somebody has closed it, then `closed`.
    AlertStateWord = AlertState,
    /// The scope of an alias.
    AliasScopeWord = AliasScope,
    /// How an approval stands: `open` until enough have approved, `ready` from then on, or how it ended.
    ApprovalStateWord = ApprovalState,
    /// Whether uses of a ring's keys name a data asset.
    AssetRuleWord = AssetRule,
    /// How an emergency access stands: `open`, then `ended` until it is reviewed, then `reviewed`.
    BreakGlassStateWord = BreakGlassState,
    /// What a review of an emergency access found.
    BreakGlassVerdictWord = BreakGlassVerdict,
    /// What it is that may run.
    BuildSortWord = BuildSort,
    /// A kind of credential.
    CredentialKindWord = CredentialKind,
    /// A data class.
    DataClassWord = DataClass,
    /// A kind of declaration.
    DeclarationKindWord = DeclarationKind,
    /// A sort of document.
    DocumentSortWord = DocumentSort,
    /// Who may approve.
    EligibleWord = Eligible,
    /// A generator of material.
    GeneratorWord = Generator,
    /// By which way a grant was given.
    GrantOriginWord = GrantOrigin,
    /// In which way a grant ended.
    HowWord = How,
    /// An origin of material.
    OriginWord = Origin,
    /// How an approval ended.
    OutcomeWord = Outcome,
    /// A kind of principal.
    PrincipalKindWord = PrincipalKind,
    /// Whether data keys are handed out in clear.
    PlaintextDataKeysWord = PlaintextDataKeys,
    /// A protection level.
    ProtectionWord = Protection,
    /// A purpose.
    PurposeWord = Purpose,
    /// The code of a reason.
    ReasonCodeWord = ReasonCode,
    /// What is decided of an item of an access review.
    ReviewDecisionWord = ReviewDecision,
    /// Whose access is reviewed.
    ReviewScopeWord = ReviewScope,
    /// How an access review stands: `open` until it is closed, `overdue` once it should have been.
    ReviewStateWord = ReviewState,
    /// A role.
    RoleWord = Role,
    /// Which keys of a ring rotate by its policy.
    RotatedKeysWord = RotatedKeys,
    /// A way to rotate.
    RotationWord = Rotation,
    /// A rule of separation.
    SeparationWord = Separation,
    /// A signature algorithm.
    SignatureAlgorithmWord = SignatureAlgorithm,
    /// How a statement or a decision is signed.
    SigningMethodWord = SigningMethod,
    /// A key spec.
    SpecWord = Spec,
    /// Whether a principal, credential or grant is active or revoked.
    StatusWord = Status,
    /// A lifecycle state.
    StateWord = State,
    /// Why there is no reason.
    UnaskedWord = Unasked,
    /// What somebody decides.
    VerdictWord = Verdict,
    /// Which alerts a list has.
    WhichAlertsWord = WhichAlerts,
    /// Which approvals a list has.
    WhichApprovalsWord = WhichApprovals,
    /// Which access reviews a list has.
    WhichReviewsWord = WhichReviews,
    /// What wraps material at rest.
    WrappingKeyWord = WrappingKey,
    /// A way to wrap material for transport.
    WrappingWord = WrappingAlgorithm,
}

macro_rules! ids {
    ($(#[doc = $doc:literal] $alias:ident = $type:ident),+ $(,)?) => {$(
        #[doc = $doc]
        pub type $alias = Text<$type>;

        impl Textual for $type {
            const SCHEMA: &'static str = stringify!($type);

            fn describe(object: ObjectBuilder) -> ObjectBuilder {
                object
                    .description(Some($doc.trim()))
                    .format(Some(SchemaFormat::Custom("uuid".to_owned())))
                    .examples(["01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e"])
            }
        }
    )+};
}

ids! {
    /// Identifier of an alert.
    AlertIdText = AlertId,
    /// Identifier of an approval.
    ApprovalIdText = ApprovalId,
    /// Identifier of a data asset.
    AssetIdText = AssetId,
    /// Identifier of an emergency access.
    BreakGlassIdText = BreakGlassId,
    /// Identifier of a credential.
    CredentialIdText = CredentialId,
    /// Identifier of a declaration.
    DeclarationIdText = DeclarationId,
    /// Identifier of a grant.
    GrantIdText = GrantId,
    /// Identifier of a key.
    KeyIdText = KeyId,
    /// Identifier of a key ring.
    KeyRingIdText = KeyRingId,
    /// Identifier of a principal.
    PrincipalIdText = PrincipalId,
    /// Identifier of a reason.
    ReasonIdText = ReasonId,
    /// Identifier of an access review.
    ReviewIdText = ReviewId,
}

/// Identifier of an access key.
pub type AccessKeyIdText = Text<AccessKeyId>;

impl Textual for AccessKeyId {
    const SCHEMA: &'static str = "AccessKeyId";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some("Identifier of an access key."))
            .pattern(Some("^A[KS]IA[A-Z2-7]{16}$"))
            .examples(["AKIAEXAMPLEKEYIDAAAA"])
    }
}

/// The name of an alias.
pub type AliasNameText = Text<AliasName>;

/// What a person answers for.
pub type CapacityText = Text<Capacity>;

/// The name of a field that encryption contexts must have.
pub type ContextFieldText = Text<ContextField>;

/// A name.
pub type NameText = Text<Name>;

/// A key's full name, `ring/key`.
pub type KeyNameText = Text<KeyName>;

/// An object, by kind and identifier.
pub type ObjectText = Text<Object>;

/// Words of a declaration.
pub type PlainText = Text<Plain>;

/// A SHA-256 digest.
pub type Sha256Text = Text<Sha256>;

/// A SHA-256 digest, in lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

/// Text that is not a SHA-256 digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 digest: 64 lower-case hexadecimal digits are expected")]
pub struct NotADigest;

impl FromStr for Sha256 {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 64 || !text.bytes().all(is_digit) {
            return Err(NotADigest);
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| NotADigest)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotADigest)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An IP network, as in `10.0.0.0/8`.
pub type NetworkText = Text<ipnet::IpNet>;

impl Textual for AliasName {
    const SCHEMA: &'static str = "AliasName";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some("Name of an alias."))
            .pattern(Some("^(?!aws/)[a-zA-Z0-9/_-]{1,250}$"))
            .examples(["orders-current"])
    }
}

impl Textual for Capacity {
    const SCHEMA: &'static str = "Capacity";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some(
                "What a person answers for: `ciso`, `dpo`, `executive`, `privacy_officer`, `risk_owner`; `asset_owner:` and the identifier of a \
                 data asset, or `key_owner:` and that of a key.",
            ))
            .pattern(Some("^(ciso|dpo|executive|privacy_officer|risk_owner|(asset|key)_owner:[0-9a-f-]{36})$"))
            .examples(["dpo"])
    }
}

impl Textual for ContextField {
    const SCHEMA: &'static str = "ContextField";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some("Name of a field that encryption contexts must have."))
            .pattern(Some("^[a-zA-Z0-9._:/@+-]{1,128}$"))
            .examples(["tenant"])
    }
}

impl Textual for Object {
    const SCHEMA: &'static str = "Object";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some("An object: its kind, a space, its identifier."))
            .examples(["asset 01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e"])
    }
}

impl Textual for Plain {
    const SCHEMA: &'static str = "Plain";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some("Words of a declaration."))
            .pattern(Some("^[a-zA-Z0-9._:/+,()=^-]([a-zA-Z0-9 ._:/+,()=^-]{0,126}[a-zA-Z0-9._:/+,()=^-])?$"))
            .examples(["FIPS 140-3"])
    }
}

impl Textual for Sha256 {
    const SCHEMA: &'static str = "Sha256";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some("A SHA-256 digest, in lower-case hexadecimal."))
            .pattern(Some("^[0-9a-f]{64}$"))
            .examples(["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])
    }
}

impl Textual for Name {
    const SCHEMA: &'static str = "Name";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object.description(Some("A name.")).pattern(Some("^[a-z0-9][a-z0-9._-]{0,62}$")).examples(["orders"])
    }
}

impl Textual for KeyName {
    const SCHEMA: &'static str = "KeyName";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some("Full name of a key: its ring, `/`, and its name in it."))
            .pattern(Some("^[a-z0-9][a-z0-9._-]{0,62}/[a-z0-9][a-z0-9._-]{0,62}$"))
            .examples(["orders/main"])
    }
}

impl Textual for ipnet::IpNet {
    const SCHEMA: &'static str = "Network";

    fn describe(object: ObjectBuilder) -> ObjectBuilder {
        object
            .description(Some("An IPv4 or IPv6 network: address, `/`, length of the prefix."))
            .examples(["10.0.0.0/8"])
    }
}

/// What a grant covers, as `{"key": ID}` or `{"ring": ID}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Covered {
    /// One key.
    Key(KeyIdText),
    /// Every key of a ring, those to come included.
    Ring(KeyRingIdText),
}

impl From<Selector> for Covered {
    fn from(selector: Selector) -> Self {
        match selector {
            Selector::Key(id) => Self::Key(Text(id)),
            Selector::Ring(id) => Self::Ring(Text(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_parsed_or_not_at_all() {
        assert_eq!(serde_json::from_str::<StateWord>("\"pre_active\"").unwrap(), Text(State::PreActive));
        let refused = serde_json::from_str::<StateWord>("\"enabled\"").unwrap_err().to_string();
        assert!(refused.contains("`active`"), "{refused}");
        assert_eq!(serde_json::to_string(&Text(Spec::Aes256Gcm)).unwrap(), "\"aes-256-gcm\"");
    }

    #[test]
    fn digests_have_one_spelling() {
        let text = "0123456789abcdef".repeat(4);
        assert_eq!(text.parse::<Sha256>().unwrap().to_string(), text);
        for bad in [&text[1..], &text.to_uppercase(), &format!("{text}0"), &"g".repeat(64)] {
            assert_eq!(bad.parse::<Sha256>(), Err(NotADigest), "{bad}");
        }
    }

    #[test]
    fn schemas_list_every_word() {
        let schema = serde_json::to_value(RoleWord::schema()).unwrap();
        assert_eq!(schema["enum"].as_array().unwrap().len(), Role::ALL.len());
        assert_eq!(RoleWord::name(), "Role");
    }
}
