//! Grants on keys.

use claviger_core::grant::{Conditions, GrantOrigin, Selector, Spelling};
use claviger_core::port::store::Page;
use claviger_core::{Action, GrantId, Name};
use claviger_service::operation::{
    DelegateGrant, ListRetirableGrants, NamedGrant, ReadKeyGrants, RetireGrant, WithdrawDelegatedGrant,
};
use claviger_service::{KeyRef, Obstacle, PrincipalRef};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::names;
use crate::realm::Realm;
use crate::session::Session;
use crate::wire::{Pairs, Violations, grant_token, grant_tokens, marker, next_marker, page, seconds};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Constraints {
    encryption_context_subset: Option<Pairs>,
    encryption_context_equals: Option<Pairs>,
    source_arn: Option<String>,
}

impl Constraints {
    fn to_conditions(&self) -> Result<Conditions, AwsError> {
        if self.source_arn.is_some() {
            return Err(AwsError::unsupported(
                "SourceArn names what calls for a service of AWS; there are none here",
            ));
        }
        let pairs = |pairs: &Option<Pairs>| -> Result<Option<Vec<(String, String)>>, AwsError> {
            let Some(pairs) = pairs else { return Ok(None) };
            let context = pairs.to_context()?;
            Ok(Some(context.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
        };
        Ok(Conditions {
            context_equals: pairs(&self.encryption_context_subset)?.unwrap_or_default(),
            context_exactly: pairs(&self.encryption_context_equals)?,
            ..Conditions::default()
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateInput {
    key_id: Option<String>,
    grantee_principal: Option<String>,
    retiring_principal: Option<String>,
    operations: Option<Vec<String>>,
    constraints: Option<Constraints>,
    grant_tokens: Option<Vec<String>>,
    name: Option<String>,
    dry_run: Option<bool>,
    grantee_service_principal: Option<String>,
    retiring_service_principal: Option<String>,
}

/// The principal that an ARN means.
///
/// # Errors
/// `InvalidArnException` for an ARN of no principal of this account.
fn principal(realm: &Realm, arn: &str) -> Result<Name, AwsError> {
    realm.principal(arn).ok_or_else(|| AwsError::invalid_arn(arn))
}

pub(crate) async fn create(session: &Session<'_>, input: CreateInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let operations = violations.required("operations", input.operations);
    for operation in &operations {
        violations.word("operations", operation, names::GRANTED.map(|(name, _)| name));
    }
    if let Some(name) = &input.name {
        violations.text("name", name, 1..=256);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-');
        violations.pattern("name", name, "^[a-zA-Z0-9:/_-]+$", fits);
    }
    violations.principal("granteePrincipal", input.grantee_principal.as_deref());
    violations.principal("retiringPrincipal", input.retiring_principal.as_deref());
    violations.service_principal("granteeServicePrincipal", input.grantee_service_principal.as_deref());
    violations.service_principal("retiringServicePrincipal", input.retiring_service_principal.as_deref());
    if let Some(Constraints { source_arn: Some(arn), .. }) = &input.constraints {
        violations.text("constraints.sourceArn", arn, 20..=512);
    }
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    tokens?;
    if input.grantee_service_principal.is_some() || input.retiring_service_principal.is_some() {
        return Err(AwsError::unsupported("there are no services of AWS here to grant anything to"));
    }
    let realm = session.realm();
    let wanted = realm.wanted_by_id(&key)?;
    let grantee =
        input.grantee_principal.ok_or_else(|| AwsError::validation("GranteePrincipal is required."))?;
    let named = input
        .retiring_principal
        .as_ref()
        .map_or_else(|| grantee.clone(), |arn| format!("{grantee} or {arn}"));
    let arn = grantee;
    let grantee = principal(realm, &arn)?;
    let retiring = input.retiring_principal.as_deref().map(|arn| principal(realm, arn)).transpose()?;
    let spelling = Spelling {
        principal: realm.spelled(&grantee, &arn),
        retiring: retiring
            .as_ref()
            .zip(input.retiring_principal.as_deref())
            .and_then(|(name, arn)| realm.spelled(name, arn)),
    };
    let actions = actions(&operations)?;
    let conditions = input.constraints.unwrap_or_default().to_conditions()?;
    let what = DelegateGrant {
        key: wanted.clone(),
        principal: PrincipalRef::Name(grantee),
        operations: actions,
        conditions,
        name: input.name,
        retiring: retiring.map(PrincipalRef::Name),
        spelling,
    };
    let done = session.try_perform(what, input.dry_run == Some(true)).await.map_err(|error| {
        match error.obstacle() {
            Some(Obstacle::NoPrincipal) => AwsError::invalid_arn(&named).recorded_at(error.entry()),
            _ => session.failure_of(&error, &wanted),
        }
    })?;
    let grant = done.output.id;
    let answer = json!({ "GrantToken": grant_token::write(grant), "GrantId": grant.to_string() });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

/// What the words of a grant mean.
fn actions(operations: &[String]) -> Result<Vec<Action>, AwsError> {
    let named = |word: &String| names::GRANTED.into_iter().find(|(name, _)| name == word);
    let actions: Vec<_> = operations.iter().filter_map(named).map(|(_, action)| action).collect();
    if actions.iter().all(|action| *action == Action::RetireGrant) {
        return Err(AwsError::validation("a grant names at least one operation beside RetireGrant"));
    }
    Ok(actions)
}

/// A grant as lists show it; none if it is of another kind than AWS KMS has.
fn entry(realm: &Realm, named: &NamedGrant) -> Option<Value> {
    let grant = &named.grant;
    let Selector::Key(key) = grant.selector else { return None };
    let operations: Vec<_> = grant.operations.iter().filter_map(|action| names::granted(*action)).collect();
    let mut entry = json!({
        "KeyId": realm.key_arn(key),
        "GrantId": grant.id.to_string(),
        "CreationDate": seconds(grant.created_at),
        "GranteePrincipal": realm.arn_of(&named.principal, grant.spelling.principal.as_deref()),
        "IssuingAccount": realm.root_arn(),
        "Operations": operations,
    });
    let object = entry.as_object_mut()?;
    if let Some(name) = &grant.name {
        object.insert("Name".to_owned(), json!(name));
    }
    if let Some(retiring) = &named.retiring {
        let arn = realm.arn_of(retiring, grant.spelling.retiring.as_deref());
        object.insert("RetiringPrincipal".to_owned(), json!(arn));
    }
    let map = |pairs: &[(String, String)]| -> Value {
        pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
    };
    let mut constraints = serde_json::Map::new();
    if !grant.conditions.context_equals.is_empty() {
        constraints.insert("EncryptionContextSubset".to_owned(), map(&grant.conditions.context_equals));
    }
    if let Some(exactly) = &grant.conditions.context_exactly {
        constraints.insert("EncryptionContextEquals".to_owned(), map(exactly));
    }
    if !constraints.is_empty() {
        object.insert("Constraints".to_owned(), Value::Object(constraints));
    }
    Some(entry)
}

/// Is it a grant that this protocol lists: honoured, on one key, and not what a key policy gives?
fn is_listed(named: &NamedGrant) -> bool {
    matches!(named.grant.selector, Selector::Key(_))
        && named.grant.origin == GrantOrigin::Direct
        && named.verdict.honoured().is_some()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListInput {
    limit: Option<i64>,
    marker: Option<String>,
    key_id: Option<String>,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    grantee_service_principal: Option<String>,
}

pub(crate) async fn list(session: &Session<'_>, input: ListInput) -> Answered {
    let mut violations = Violations::default();
    let limit = violations.limit(input.limit, 50);
    violations.marker(input.marker.as_deref());
    let key = violations.key_id(input.key_id);
    if let Some(grant) = &input.grant_id {
        violations.text("grantId", grant, 1..=128);
    }
    violations.principal("granteePrincipal", input.grantee_principal.as_deref());
    violations.service_principal("granteeServicePrincipal", input.grantee_service_principal.as_deref());
    violations.done()?;
    let realm = session.realm();
    let wanted = realm.wanted_by_id(&key)?;
    if input.grantee_service_principal.is_some() {
        return Err(AwsError::unsupported("there are no services of AWS here to grant anything to"));
    }
    let only = input.grant_id.as_deref().map(grant_id).transpose()?;
    let principal = input.grantee_principal.as_deref().map(|arn| principal(realm, arn)).transpose()?;
    let mut after = marker::read::<GrantId>(input.marker.as_deref())?;
    let mut found = Vec::new();
    let most = usize::try_from(limit).unwrap_or(1000) + 1;
    // Grants that are not of this protocol are passed over: a page is filled from as many as it takes.
    loop {
        let read = ReadKeyGrants {
            key: wanted.clone(),
            principal: principal.clone().map(PrincipalRef::Name),
            page: Page { after, limit: 1000 },
        };
        let done = session.perform(&wanted, read).await?;
        after = done.output.last().map(|last| last.grant.id);
        let full = done.output.len() == 1000;
        found.extend(
            done.output
                .into_iter()
                .filter(|named| is_listed(named) && only.is_none_or(|only| named.grant.id == only)),
        );
        if found.len() >= most || !full {
            return grants(realm, found, limit).map(|answer| answer.recorded(done.receipt));
        }
    }
}

fn grants(realm: &Realm, mut found: Vec<NamedGrant>, limit: u32) -> Answered {
    let next = next_marker(&mut found, limit, |named| &named.grant.id);
    let grants: Vec<_> = found.iter().filter_map(|named| entry(realm, named)).collect();
    Answer::json(&page("Grants", json!(grants), next))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RetirableInput {
    limit: Option<i64>,
    marker: Option<String>,
    retiring_principal: Option<String>,
    retiring_service_principal: Option<String>,
}

pub(crate) async fn list_retirable(session: &Session<'_>, input: RetirableInput) -> Answered {
    let mut violations = Violations::default();
    let limit = violations.limit(input.limit, 50);
    violations.marker(input.marker.as_deref());
    violations.principal("retiringPrincipal", input.retiring_principal.as_deref());
    violations.service_principal("retiringServicePrincipal", input.retiring_service_principal.as_deref());
    violations.done()?;
    let realm = session.realm();
    if input.retiring_service_principal.is_some() {
        return Err(AwsError::unsupported("there are no services of AWS here to grant anything to"));
    }
    let arn =
        input.retiring_principal.ok_or_else(|| AwsError::validation("RetiringPrincipal is required."))?;
    let retiring = principal(realm, &arn)?;
    let me = session.read_self().await?.output;
    if me.name != retiring {
        let message = format!(
            "The caller is not authorized to perform: kms:ListRetirableGrants for {arn}: one may list one's own"
        );
        return Err(AwsError::new(code::ACCESS_DENIED, message));
    }
    let mut after = marker::read::<GrantId>(input.marker.as_deref())?;
    let mut found = Vec::new();
    let most = usize::try_from(limit).unwrap_or(1000) + 1;
    // Those that have ended are passed over: a page is filled from as many as it takes.
    loop {
        let read = ListRetirableGrants { page: Page { after, limit: 1000 } };
        let done = session.perform_at_large(read, "").await?;
        after = done.output.last().map(|last| last.grant.id);
        let full = done.output.len() == 1000;
        found.extend(done.output.into_iter().filter(|named| named.verdict.honoured().is_some()));
        if found.len() >= most || !full {
            return grants(realm, found, limit).map(|answer| answer.recorded(done.receipt));
        }
    }
}

/// # Errors
/// `InvalidGrantIdException` for what is no identifier of a grant.
fn grant_id(text: &str) -> Result<GrantId, AwsError> {
    text.parse()
        .map_err(|_| AwsError::new(code::INVALID_GRANT_ID, "the grant id is not one that a grant has"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RevokeInput {
    key_id: Option<String>,
    grant_id: Option<String>,
    dry_run: Option<bool>,
}

pub(crate) async fn revoke(session: &Session<'_>, input: RevokeInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let given = input.grant_id.is_some();
    let grant = violations.required("grantId", input.grant_id);
    if given {
        violations.text("grantId", &grant, 1..=128);
    }
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let grant = grant_id(&grant)?;
    let what = WithdrawDelegatedGrant { key: wanted.clone(), grant };
    let done = session.try_perform(what, input.dry_run == Some(true)).await.map_err(|error| {
        // Where the key was found, it is the grant that was not.
        let missing = error.key().map_or_else(|| session.realm().missing(&wanted), |_| grant_missing(grant));
        session.failure(&error, &missing)
    })?;
    Ok(Answer::empty().recorded(done.receipt))
}

fn grant_missing(grant: GrantId) -> String {
    format!("Grant ID {grant} not found")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RetireInput {
    grant_token: Option<String>,
    key_id: Option<String>,
    grant_id: Option<String>,
    dry_run: Option<bool>,
}

pub(crate) async fn retire(session: &Session<'_>, input: RetireInput) -> Answered {
    let mut violations = Violations::default();
    if let Some(token) = &input.grant_token {
        violations.text("grantToken", token, 1..=8192);
    }
    if let Some(key) = &input.key_id {
        violations.text("keyId", key, 1..=2048);
    }
    if let Some(grant) = &input.grant_id {
        violations.text("grantId", grant, 1..=128);
    }
    violations.done()?;
    let mut on = None;
    let grant = match (input.grant_token.as_deref(), input.key_id.as_deref(), input.grant_id.as_deref()) {
        (Some(token), None, None) => grant_token::read(token).ok_or_else(|| {
            AwsError::new(code::INVALID_GRANT_TOKEN, "the grant token is not one that a grant gave")
        })?,
        (None, Some(key), Some(grant)) => {
            if let KeyRef::Id(key) = session.realm().wanted_by_id(key)? {
                on = Some(key);
            }
            grant_id(grant)?
        }
        _ => {
            return Err(AwsError::validation(
                "You must specify either a grant token, or a combination of a key id and a grant id.",
            ));
        }
    };
    let done = session.try_perform(RetireGrant { grant, key: on }, input.dry_run == Some(true)).await;
    let done = done.map_err(|error| session.failure(&error, &grant_missing(grant)))?;
    Ok(Answer::empty().recorded(done.receipt))
}
