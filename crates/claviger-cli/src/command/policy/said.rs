//! What policy says, by names: as files have it, and as a deployment is.
//!
//! What it keeps true:
//! * a field that is absent is not said: it is left as it is, and is held against nothing;
//! * a value has one form here, in which it is compared and written: sets are in order, spans in seconds and more, words those of the deployment;
//! * nothing here has an identifier, and nothing is a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Write as _};
use std::str::FromStr;
use std::time::Duration;

use claviger_client::types::text::{
    ActionWord, AssetRuleWord, ContextFieldText, DataClassWord, KeyNameText, NameText, NetworkText,
    OriginWord, PlainText, PlaintextDataKeysWord, PrincipalKindWord, ProtectionWord, PurposeWord, RoleWord,
    RotatedKeysWord, SeparationWord, SpecWord,
};
use claviger_client::types::{Instant, Pairs};
use claviger_core::key::DataClass;
use claviger_core::{KeyName, Name};
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::input::when::parse_span;
use crate::output::units;

/// All that files say.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) governance: Option<Spanned<Governance>>,
    #[serde(default)]
    pub(super) ring: Vec<Ring>,
    #[serde(default)]
    pub(super) principal: Vec<Principal>,
    #[serde(default)]
    pub(super) asset: Vec<Asset>,
    #[serde(default)]
    pub(super) key: Vec<Key>,
    #[serde(default)]
    pub(super) grant: Vec<Grant>,
    #[serde(default)]
    pub(super) parameter: Vec<Parameter>,
}

/// The rules of the deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Governance {
    pub(super) quorum: Option<u8>,
    pub(super) approval_lifetime: Option<Span>,
    pub(super) human_grant_lifetime: Option<Period>,
    pub(super) break_glass_lifetime: Option<Span>,
    pub(super) compromise_burst: Option<u16>,
}

/// A ring.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ring {
    pub(super) name: Spanned<NameText>,
    pub(super) protection: Option<ProtectionWord>,
    pub(super) rotation_period: Option<Period>,
    pub(super) rotates: Option<RotatedKeysWord>,
    pub(super) destroy_waiting_period: Option<Span>,
    pub(super) quorum: Option<u8>,
    pub(super) separation: Option<SeparationWord>,
    pub(super) context_required: Option<Vec<ContextFieldText>>,
    pub(super) data_class: Option<Class>,
    pub(super) plaintext_data_keys: Option<PlaintextDataKeysWord>,
    pub(super) environment: Option<NameText>,
    pub(super) assets: Option<AssetRuleWord>,
    pub(super) grants_under_quorum: Option<bool>,
}

/// A principal, with what it holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Principal {
    pub(super) name: Spanned<NameText>,
    pub(super) kind: PrincipalKindWord,
    /// The ring that its keys land in.
    pub(super) home: Option<NameText>,
    pub(super) environment: Option<NameText>,
    pub(super) same_person_as: Option<NameText>,
    pub(super) roles: Option<Vec<RoleWord>>,
    pub(super) capacities: Option<Vec<NamedCapacity>>,
}

/// A data asset.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asset {
    pub(super) name: Spanned<NameText>,
    pub(super) class: DataClassWord,
    pub(super) owner: Option<NameText>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// Its full name.
    pub(super) name: Spanned<KeyNameText>,
    pub(super) purpose: PurposeWord,
    pub(super) spec: SpecWord,
    pub(super) protection: Option<ProtectionWord>,
    /// Of a new one: is its material made there, or imported? What is there does not say.
    pub(super) origin: Option<OriginWord>,
    pub(super) data_class: Option<DataClassWord>,
    pub(super) description: Option<String>,
    pub(super) owner: Option<NameText>,
    pub(super) rotation_period: Option<OwnPeriod>,
    pub(super) context_required: Option<Vec<ContextFieldText>>,
    pub(super) environment: Option<NameText>,
    pub(super) labels: Option<Pairs>,
}

/// A grant. It has no name of its own that must be: all of it says which it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub(super) principal: Spanned<NameText>,
    pub(super) key: Option<KeyNameText>,
    pub(super) ring: Option<NameText>,
    pub(super) operations: Vec<ActionWord>,
    pub(super) source_networks: Option<Vec<NetworkText>>,
    pub(super) until: Option<Instant>,
    pub(super) name: Option<String>,
    pub(super) retiring: Option<NameText>,
    pub(super) context_equals: Option<Pairs>,
    pub(super) context_exactly: Option<Pairs>,
}

/// A parameter of the catalogue of controls.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameter {
    pub(super) name: Spanned<PlainText>,
    pub(super) value: PlainText,
    /// Where that comes from.
    pub(super) basis: String,
}

/// What a deployment is by now, as somebody would have said it: nobody wrote it down anywhere.
pub(super) fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// Text forms of what has one, as files have it.
macro_rules! in_text {
    ($type:ty) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// A span, as in `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl Span {
    pub(super) const fn of_seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_span(text).map(Self)
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&units::span(self.0))
    }
}

in_text!(Span);

/// Something, or a word for nothing.
macro_rules! or_word {
    ($(#[doc = $doc:literal] $name:ident($of:ty) = $word:literal;)+) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) struct $name(pub(super) Option<$of>);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                if text == $word {
                    return Ok(Self(None));
                }
                let said = text.parse::<$of>().map(|said| Self(Some(said)));
                said.map_err(|error| format!("{error}; or `{}`", $word))
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match &self.0 {
                    None => f.write_str($word),
                    Some(said) => said.fmt(f),
                }
            }
        }

        in_text!($name);
    )+};
}

or_word! {
    /// The class of data, or none.
    Class(DataClass) = "none";
    /// A period of a key's own, or that of its ring.
    OwnPeriod(Span) = "ring";
    /// A period, or none.
    Period(Span) = "never";
}

/// What a person answers for, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NamedCapacity {
    /// For a data asset.
    AssetOwner(Name),
    /// For a key.
    KeyOwner(KeyName),
    /// For something of which there is one.
    Word(&'static str),
}

/// Capacities that are of nothing in particular.
pub(super) const WORDS: [&str; 5] = ["ciso", "dpo", "executive", "privacy_officer", "risk_owner"];

impl FromStr for NamedCapacity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("asset_owner", name)) => {
                name.parse::<Name>().map(Self::AssetOwner).map_err(|error| format!("`{name}` is {error}"))
            }
            Some(("key_owner", name)) => {
                name.parse::<KeyName>().map(Self::KeyOwner).map_err(|error| format!("`{name}` is {error}"))
            }
            _ => WORDS.into_iter().find(|word| *word == text).map(Self::Word).ok_or_else(|| {
                let words = WORDS.join("`, `");
                format!("not a capacity: `{words}`, `asset_owner:NAME` or `key_owner:RING/NAME` is expected")
            }),
        }
    }
}

impl Display for NamedCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AssetOwner(name) => write!(f, "asset_owner:{name}"),
            Self::KeyOwner(name) => write!(f, "key_owner:{name}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

in_text!(NamedCapacity);

/// A value, in the one form in which it is compared and written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(u64),
    /// Names with values, in the order of the names.
    Pairs(BTreeMap<String, String>),
    /// Words in their order, each once.
    Set(BTreeSet<String>),
    /// A word, or many.
    Text(String),
}

impl Value {
    /// As a file of TOML has it.
    pub(super) fn to_toml(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Pairs(pairs) => {
                let pairs = pairs.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)));
                let pairs = pairs.collect::<Vec<_>>().join(", ");
                if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {pairs} }}") }
            }
            Self::Set(words) => {
                format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
            }
            Self::Text(text) => quoted(text),
        }
    }
}

/// As people are shown it.
impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Pairs(pairs) => {
                let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
                f.write_str(&none(pairs.collect::<Vec<_>>().join(", ")))
            }
            Self::Set(words) => f.write_str(&none(Vec::from_iter(words.iter().cloned()).join(", "))),
            Self::Text(text) => f.write_str(&none(text.clone())),
        }
    }
}

/// A basic string of TOML, on one line whatever is in it.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for sign in text.chars() {
        match sign {
            '"' | '\\' => out.extend(['\\', sign]),
            sign if sign.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(sign));
            }
            sign => out.push(sign),
        }
    }
    out.push('"');
    out
}

/// A field with its value; nothing where it is not said.
pub(super) type Field = (&'static str, Option<Value>);

fn text<T: Display>(said: Option<&T>) -> Option<Value> {
    said.map(|said| Value::Text(said.to_string()))
}

fn number(said: Option<impl Into<u64>>) -> Option<Value> {
    said.map(|said| Value::Number(said.into()))
}

fn set<T: Display>(said: Option<&Vec<T>>) -> Option<Value> {
    said.map(|said| Value::Set(said.iter().map(ToString::to_string).collect()))
}

fn pairs(said: Option<&Pairs>) -> Option<Value> {
    said.map(|said| Value::Pairs(said.0.clone()))
}

impl Governance {
    /// Its fields, in the order in which they are written.
    pub(super) fn fields(&self) -> Vec<Field> {
        vec![
            ("quorum", number(self.quorum)),
            ("approval_lifetime", text(self.approval_lifetime.as_ref())),
            ("human_grant_lifetime", text(self.human_grant_lifetime.as_ref())),
            ("break_glass_lifetime", text(self.break_glass_lifetime.as_ref())),
            ("compromise_burst", number(self.compromise_burst)),
        ]
    }
}

impl Ring {
    /// A ring of which nothing is said.
    pub(super) fn named(name: Name) -> Self {
        Self {
            name: unwritten(name.into()),
            protection: None,
            rotation_period: None,
            rotates: None,
            destroy_waiting_period: None,
            quorum: None,
            separation: None,
            context_required: None,
            data_class: None,
            plaintext_data_keys: None,
            environment: None,
            assets: None,
            grants_under_quorum: None,
        }
    }

    /// Its fields behind its name, in the order in which they are written.
    pub(super) fn fields(&self) -> Vec<Field> {
        vec![
            ("protection", text(self.protection.as_ref())),
            ("rotation_period", text(self.rotation_period.as_ref())),
            ("rotates", text(self.rotates.as_ref())),
            ("destroy_waiting_period", text(self.destroy_waiting_period.as_ref())),
            ("quorum", number(self.quorum)),
            ("separation", text(self.separation.as_ref())),
            ("context_required", set(self.context_required.as_ref())),
            ("data_class", text(self.data_class.as_ref())),
            ("plaintext_data_keys", text(self.plaintext_data_keys.as_ref())),
            ("environment", text(self.environment.as_ref())),
            ("assets", text(self.assets.as_ref())),
            ("grants_under_quorum", self.grants_under_quorum.map(Value::Flag)),
        ]
    }
}

impl Principal {
    /// Its fields behind its name, but for what it holds.
    pub(super) fn fields(&self) -> Vec<Field> {
        vec![
            ("kind", text(Some(&self.kind))),
            ("home", text(self.home.as_ref())),
            ("environment", text(self.environment.as_ref())),
            ("same_person_as", text(self.same_person_as.as_ref())),
        ]
    }

    /// What it holds.
    pub(super) fn held(&self) -> Vec<Field> {
        vec![("roles", set(self.roles.as_ref())), ("capacities", set(self.capacities.as_ref()))]
    }
}

impl Asset {
    /// Its fields behind its name.
    pub(super) fn fields(&self) -> Vec<Field> {
        vec![("class", text(Some(&self.class))), ("owner", text(self.owner.as_ref()))]
    }
}

impl Key {
    /// Its fields behind its name, but for where its material comes from.
    pub(super) fn fields(&self) -> Vec<Field> {
        vec![
            ("purpose", text(Some(&self.purpose))),
            ("spec", text(Some(&self.spec))),
            ("protection", text(self.protection.as_ref())),
            ("data_class", text(self.data_class.as_ref())),
            ("description", text(self.description.as_ref())),
            ("owner", text(self.owner.as_ref())),
            ("rotation_period", text(self.rotation_period.as_ref())),
            ("context_required", set(self.context_required.as_ref())),
            ("environment", text(self.environment.as_ref())),
            ("labels", pairs(self.labels.as_ref())),
        ]
    }
}

impl Grant {
    /// All of it, in the order in which it is written.
    pub(super) fn fields(&self) -> Vec<Field> {
        vec![
            ("principal", text(Some(self.principal.get_ref()))),
            ("key", text(self.key.as_ref())),
            ("ring", text(self.ring.as_ref())),
            ("operations", set(Some(&self.operations))),
            ("source_networks", set(self.source_networks.as_ref())),
            ("until", text(self.until.as_ref())),
            ("name", text(self.name.as_ref())),
            ("retiring", text(self.retiring.as_ref())),
            ("context_equals", pairs(self.context_equals.as_ref())),
            ("context_exactly", pairs(self.context_exactly.as_ref())),
        ]
    }

    /// What it is known again by: all that it says, where a condition that asks for nothing is none.
    pub(super) fn identity(&self) -> Vec<Field> {
        let nothing = |(name, value): &Field| match value {
            Some(Value::Pairs(pairs)) => pairs.is_empty() && *name == "context_equals",
            Some(Value::Set(words)) => words.is_empty(),
            Some(_) | None => false,
        };
        let fields = self.fields().into_iter();
        fields.map(|field| if nothing(&field) { (field.0, None) } else { field }).collect()
    }

    /// The key or ring that it covers, in words.
    pub(super) fn on(&self) -> String {
        match (&self.key, &self.ring) {
            (Some(key), _) => format!("key {key}"),
            (None, Some(ring)) => format!("ring {ring}"),
            (None, None) => "nothing".to_owned(),
        }
    }

    /// What it is called: whose it is, on what, and for what.
    pub(super) fn called(&self) -> String {
        let uses: BTreeSet<_> = self.operations.iter().map(ToString::to_string).collect();
        let uses = Vec::from_iter(uses).join(",");
        format!("{} on {}: {uses}", self.principal.get_ref(), self.on())
    }
}

impl Parameter {
    /// Its fields behind its name.
    pub(super) fn fields(&self) -> Vec<Field> {
        vec![("value", text(Some(&self.value))), ("basis", text(Some(&self.basis)))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_words_read_back_as_they_are_written() {
        for text in ["90d", "1d12h1m1s", "45s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        assert_eq!("never".parse::<Period>(), Ok(Period(None)));
        assert_eq!("ring".parse::<OwnPeriod>(), Ok(OwnPeriod(None)));
        assert_eq!("none".parse::<Class>(), Ok(Class(None)));
        assert_eq!("cardholder".parse::<Class>().unwrap().to_string(), "cardholder");
        assert!("sometimes".parse::<Period>().unwrap_err().contains("`never`"));
        assert!("2y".parse::<Span>().is_err() && "secret".parse::<Class>().is_err());
    }

    #[test]
    fn capacities_are_said_by_names() {
        for text in ["dpo", "asset_owner:cards", "key_owner:orders/pan"] {
            assert_eq!(text.parse::<NamedCapacity>().unwrap().to_string(), text);
        }
        for bad in ["", "king", "asset_owner", "asset_owner:Cards", "key_owner:orders", "dpo:x"] {
            assert!(bad.parse::<NamedCapacity>().is_err(), "{bad}");
        }
        // Every capacity that there is can be said.
        for word in WORDS {
            assert_eq!(word.parse::<claviger_core::Capacity>().unwrap().word(), word);
        }
    }

    #[test]
    fn a_value_is_on_one_line_whatever_is_in_it() {
        let odd = "a \"b\" \\ \n\t\u{0}\u{7f}\u{85} ü";
        let written = Value::Text(odd.to_owned()).to_toml();
        assert!(!written.chars().any(char::is_control), "{written}");
        let read: toml::Table = format!("x = {written}").parse().unwrap();
        assert_eq!(read["x"].as_str(), Some(odd));
        let labels = Value::Pairs([(odd.to_owned(), odd.to_owned()), ("b".to_owned(), String::new())].into());
        let read: toml::Table = format!("x = {}", labels.to_toml()).parse().unwrap();
        assert_eq!(read["x"][odd].as_str(), Some(odd));
        assert_eq!(Value::Pairs(BTreeMap::new()).to_toml(), "{}");
        assert_eq!(Value::Set(["b", "a"].map(str::to_owned).into()).to_toml(), r#"["a", "b"]"#);
    }
}
