//! Aliases.

use std::sync::Arc;

use claviger_core::Purpose;
use claviger_core::alias::{Alias, AliasName};
use claviger_core::key::{Key, KeyRecord};
use claviger_core::port::store::Page;
use claviger_service::KeyRef;
use claviger_service::operation::{CreateAlias, DescribeKey, ListGrantedAliases, MoveAlias, RemoveAlias};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::realm::Realm;
use crate::session::Session;
use crate::wire::{Violations, marker, next_marker, page, seconds};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    alias_name: Option<String>,
    target_key_id: Option<String>,
}

/// `AliasName`, checked against the model.
fn alias_name(violations: &mut Violations, value: Option<String>) -> String {
    let given = value.is_some();
    let name = violations.required("aliasName", value);
    if given {
        violations.text("aliasName", &name, 1..=256);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-');
        violations.pattern("aliasName", &name, "^[a-zA-Z0-9:/_-]+$", fits);
    }
    name
}

/// The alias of that name.
///
/// # Errors
/// `ValidationException` and `InvalidAliasNameException` for what cannot be one.
fn alias(name: &str) -> Result<AliasName, AwsError> {
    let Some(rest) = name.strip_prefix("alias/") else {
        return Err(AwsError::validation(
            "Alias must start with the prefix \"alias/\". Please see \
             https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ));
    };
    // The model's pattern has the colon, which the service does not take.
    if rest.contains(':') {
        return Err(AwsError::validation(format!("{name} contains invalid characters for an alias")));
    }
    rest.parse().map_err(|error: claviger_core::alias::NotAnAlias| {
        AwsError::new(code::INVALID_ALIAS, error.to_string())
    })
}

impl Input {
    fn read(self, realm: &Realm) -> Result<(AliasName, KeyRef), AwsError> {
        let mut violations = Violations::default();
        let name = alias_name(&mut violations, self.alias_name);
        let key = violations.key_id_at("targetKeyId", self.target_key_id);
        violations.done()?;
        if key.starts_with("alias/") || key.contains(":alias/") {
            return Err(AwsError::validation("Aliases must refer to keys. Not aliases"));
        }
        Ok((alias(&name)?, realm.wanted_by_id(&key)?))
    }
}

pub(crate) async fn create(session: &Session<'_>, input: Input) -> Answered {
    let (name, wanted) = input.read(session.realm())?;
    let arn = session.realm().alias_arn(&name);
    let done = session.perform(&wanted, CreateAlias { name, key: wanted.clone() }).await;
    let done = done.map_err(|error| match error.code() {
        code::ALREADY_EXISTS => {
            AwsError::new(code::ALREADY_EXISTS, format!("An alias with the name {arn} already exists"))
        }
        // The one limit there is: how many aliases a key has.
        code::VALIDATION => error.saying(code::LIMIT_EXCEEDED, "the key has as many aliases as it may"),
        _ => error,
    })?;
    Ok(Answer::empty().recorded(done.receipt))
}

pub(crate) async fn update(session: &Session<'_>, input: Input) -> Answered {
    let (name, wanted) = input.read(session.realm())?;
    let old = KeyRef::Alias(name.clone());
    let (from, into) = (describe(session, &old).await?, describe(session, &wanted).await?);
    if kind(&from.key) != kind(&into.key) {
        return Err(AwsError::validation(
            "an alias moves between keys of one kind and usage: an application that names it expects no other",
        ));
    }
    let done = session.perform(&old, MoveAlias { name, key: wanted }).await?;
    Ok(Answer::empty().recorded(done.receipt))
}

async fn describe(session: &Session<'_>, wanted: &KeyRef) -> Result<Arc<KeyRecord>, AwsError> {
    Ok(session.perform(wanted, DescribeKey { key: wanted.clone() }).await?.output)
}

/// What an alias must not change in a move.
const fn kind(key: &Key) -> (Purpose, bool) {
    (key.purpose, key.spec.is_asymmetric())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteInput {
    alias_name: Option<String>,
}

pub(crate) async fn delete(session: &Session<'_>, input: DeleteInput) -> Answered {
    let mut violations = Violations::default();
    let name = alias_name(&mut violations, input.alias_name);
    violations.done()?;
    let name = alias(&name)?;
    let done = session.perform(&KeyRef::Alias(name.clone()), RemoveAlias { name }).await?;
    Ok(Answer::empty().recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListInput {
    key_id: Option<String>,
    limit: Option<i64>,
    marker: Option<String>,
}

pub(crate) async fn list(session: &Session<'_>, input: ListInput) -> Answered {
    let mut violations = Violations::default();
    let limit = violations.limit(input.limit, 50);
    violations.marker(input.marker.as_deref());
    if let Some(key) = &input.key_id {
        violations.text("keyId", key, 1..=2048);
    }
    violations.done()?;
    let after = marker::read::<AliasName>(input.marker.as_deref())?;
    let page_of = Page { after, limit: limit + 1 };
    let key = input.key_id.as_deref().map(|key| session.realm().wanted_by_id(key)).transpose()?;
    let list = ListGrantedAliases { key: key.clone(), page: page_of };
    let missing = || key.as_ref().map(|key| session.realm().missing(key)).unwrap_or_default();
    let done = session.try_perform(list, false).await.map_err(|error| session.failure(&error, &missing()))?;
    let mut aliases = done.output;
    let next = next_marker(&mut aliases, limit, |alias| &alias.name);
    let aliases: Vec<_> = aliases.iter().map(|alias| entry(session.realm(), alias)).collect();
    Ok(Answer::json(&page("Aliases", json!(aliases), next))?.recorded(done.receipt))
}

fn entry(realm: &Realm, alias: &Alias) -> Value {
    json!({
        "AliasName": format!("alias/{}", alias.name),
        "AliasArn": realm.alias_arn(&alias.name),
        "TargetKeyId": alias.key.to_string(),
        "CreationDate": seconds(alias.created_at),
        "LastUpdatedDate": seconds(alias.updated_at),
    })
}
