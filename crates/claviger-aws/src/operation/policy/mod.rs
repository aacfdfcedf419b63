//! Key policies: a subset of IAM's language that says what grants say, and is kept as grants beside the document as it was put.
//! What says more is refused, never passed over.
//!
//! A statement allows named principals of the account named actions, under conditions that grants know. The one statement
//! about the account itself, which every policy of AWS KMS has, says that rights are given elsewhere: here by the built-in policy.

mod action;
mod language;
mod words;

use std::collections::BTreeMap;

use claviger_core::grant::{Conditions, GrantOrigin};
use claviger_core::port::store::Page;
use claviger_service::operation::{KeyPolicy, NamedGrant, PutKeyPolicy, ReadKeyGrants, ReadKeyPolicy};
use claviger_service::{ErrorKind, KeyRef, Obstacle, ServiceError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) use language::read;
use words::{BUILT_IN, CONTEXT, PREFIX, malformed};

use crate::answer::{Answer, Answered};
use crate::error::AwsError;
use crate::realm::Realm;
use crate::session::Session;
use crate::wire::{Never, Violations, marker, page};

/// The one policy that a key has.
const NAME: &str = "default";
/// Longest document, in characters.
const LONGEST: usize = 131_072;

/// Holds a document against the service model.
pub(crate) fn check(text: &str, violations: &mut Violations) {
    violations.text("policy", text, 1..=LONGEST);
}

/// The document that says what grants say.
pub(crate) fn write(realm: &Realm, grants: &[NamedGrant]) -> Value {
    let account = json!({
        "Sid": BUILT_IN,
        "Effect": "Allow",
        "Principal": { "AWS": realm.root_arn() },
        "Action": "kms:*",
        "Resource": "*",
    });
    let mut statements = vec![account];
    let mut by_sid: BTreeMap<&str, Vec<&NamedGrant>> = BTreeMap::new();
    for named in grants {
        if let Some(sid) = sid(named) {
            by_sid.entry(sid).or_default().push(named);
        }
    }
    for (sid, grants) in by_sid {
        let Some(first) = grants.first() else { continue };
        let arn =
            |named: &&NamedGrant| realm.arn_of(&named.principal, named.grant.spelling.principal.as_deref());
        let mut arns: Vec<_> = grants.iter().map(arn).collect();
        arns.sort();
        let granted = &first.grant.operations;
        let mut actions: Vec<_> = action::known()
            .filter(|(_, action)| granted.contains(action))
            .map(|(name, _)| format!("kms:{name}"))
            .collect();
        actions.sort();
        let mut statement = json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": { "AWS": arns },
            "Action": actions,
            "Resource": "*",
        });
        let said = write_conditions(&first.grant.conditions);
        if let (false, Some(object)) = (said.is_empty(), statement.as_object_mut()) {
            object.insert("Condition".to_owned(), Value::Object(said));
        }
        statements.push(statement);
    }
    json!({ "Version": "2012-10-17", "Id": "claviger", "Statement": statements })
}

/// The `Sid` of the statement that a grant comes from, if it is honoured.
fn sid(named: &NamedGrant) -> Option<&str> {
    let gives = named.grant.origin == GrantOrigin::KeyPolicy && named.verdict.honoured().is_some();
    named.grant.name.as_deref().filter(|_| gives)?.strip_prefix(PREFIX)
}

fn write_conditions(conditions: &Conditions) -> Map<String, Value> {
    let mut said = Map::new();
    if !conditions.context_equals.is_empty() {
        let of = |(name, value): &(String, String)| (format!("{CONTEXT}{name}"), json!(value));
        said.insert(
            "StringEquals".to_owned(),
            Value::Object(conditions.context_equals.iter().map(of).collect()),
        );
    }
    if !conditions.source_networks.is_empty() {
        let networks: Vec<_> = conditions.source_networks.iter().map(ToString::to_string).collect();
        said.insert("IpAddress".to_owned(), json!({ "aws:SourceIp": networks }));
    }
    let until = conditions.until.and_then(|until| i64::try_from(until.as_micros()).ok());
    if let Some(until) = until.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok()) {
        said.insert("DateLessThan".to_owned(), json!({ "aws:CurrentTime": until.to_string() }));
    }
    said
}

/// What is wrong with the policy itself, where that is why a call failed.
pub(crate) fn fault(error: &ServiceError) -> Option<AwsError> {
    let nobody = error.kind() == ErrorKind::NotFound && error.obstacle() == Some(Obstacle::NoPrincipal);
    let failure = || malformed("Policy contains a statement with one or more invalid principals.");
    nobody.then(|| failure().recorded_at(error.entry()))
}

fn policy_name(violations: &mut Violations, name: Option<&str>) {
    if let Some(name) = name {
        violations.text("policyName", name, 1..=128);
        violations.pattern("policyName", name, "[\\w]+", |c| c.is_ascii_alphanumeric() || c == '_');
    }
}

fn only_default(name: Option<&str>) -> Result<(), AwsError> {
    match name {
        None | Some(NAME) => Ok(()),
        Some(_) => Err(AwsError::not_found("No such policy exists")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetInput {
    key_id: Option<String>,
    policy_name: Option<String>,
}

pub(crate) async fn get(session: &Session<'_>, input: GetInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    policy_name(&mut violations, input.policy_name.as_deref());
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    only_default(input.policy_name.as_deref())?;
    let done = session.perform(&wanted, ReadKeyPolicy { key: wanted.clone() }).await?;
    let KeyPolicy { text, grants } = &done.output;
    // As it was put while all that it gave stands; else what is left.
    let policy = text.clone().unwrap_or_else(|| write(session.realm(), grants).to_string());
    Ok(Answer::json(&json!({ "Policy": policy, "PolicyName": NAME }))?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutInput {
    key_id: Option<String>,
    policy_name: Option<String>,
    policy: Option<String>,
    #[expect(dead_code, reason = "no policy locks anybody out here; only its type is looked at")]
    bypass_policy_lockout_safety_check: Option<bool>,
}

pub(crate) async fn put(session: &Session<'_>, input: PutInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    policy_name(&mut violations, input.policy_name.as_deref());
    let text = violations.required("policy", input.policy);
    check(&text, &mut violations);
    violations.done()?;
    if input.policy_name.is_some_and(|name| name != NAME) {
        return Err(AwsError::validation("The only policy name that can be put is default."));
    }
    let wanted = session.realm().wanted_by_id(&key)?;
    // Gives the key the rights that the policy says, and takes those that it does not say any more.
    let key = if let KeyRef::Id(key) = &wanted { Some(*key) } else { None };
    let put = PutKeyPolicy { key: wanted.clone(), set: read(session.realm(), &text, key)? };
    let done = session.try_perform(put, false).await;
    let done = done.map_err(|error| fault(&error).unwrap_or_else(|| session.failure_of(&error, &wanted)))?;
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
    let key = violations.key_id(input.key_id);
    violations.limit(input.limit, 100);
    violations.marker(input.marker.as_deref());
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    // One page holds them all: no list ever gave a marker.
    marker::read::<Never>(input.marker.as_deref())?;
    let page_of = Page { after: None, limit: 1 };
    let read = ReadKeyGrants { key: wanted.clone(), principal: None, page: page_of };
    let done = session.perform(&wanted, read).await?;
    Ok(Answer::json(&page("PolicyNames", json!([NAME]), None))?.recorded(done.receipt))
}
