//! The life of keys.

use std::time::Duration;

use claviger_core::key::{DataClass, Event, Labels, Origin, Protection, RequiredContext, State};
use claviger_core::port::store::Page;
use claviger_core::{Action, KeyName, Purpose, Spec};
use claviger_service::operation::{
    CancelDestroy, ChangeKeyState, CreateKey, DescribeKey, ListGrantedKeys, ReadLastUse, ScheduleDestroy,
};
use claviger_service::{ErrorKind, KeyRef, RingRef};
use serde::Deserialize;
use serde_json::json;

use super::metadata::{metadata, state};
use super::{policy, tag};
use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::names;
use crate::session::Session;
use crate::wire::{Violations, grant_tokens, marker, next_marker, page, seconds};

const DAY: u64 = 86_400;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    policy: Option<String>,
    description: Option<String>,
    key_usage: Option<String>,
    customer_master_key_spec: Option<String>,
    key_spec: Option<String>,
    origin: Option<String>,
    custom_key_store_id: Option<String>,
    tags: Option<Vec<tag::Tag>>,
    multi_region: Option<bool>,
    xks_key_id: Option<String>,
    #[expect(dead_code, reason = "no policy locks anybody out here; only its type is looked at")]
    bypass_policy_lockout_safety_check: Option<bool>,
}

pub(crate) async fn create(session: &Session<'_>, input: Create) -> Answered {
    let specs = names::SPECS.iter().map(|row| row.name);
    let mut violations = Violations::default();
    for (member, value) in
        [("keySpec", &input.key_spec), ("customerMasterKeySpec", &input.customer_master_key_spec)]
    {
        if let Some(value) = value {
            violations.word(member, value, specs.clone());
        }
    }
    if let Some(usage) = &input.key_usage {
        violations.word("keyUsage", usage, names::USAGES);
    }
    if let Some(origin) = &input.origin {
        let words = ["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"];
        violations.word("origin", origin, words);
    }
    if let Some(description) = &input.description {
        violations.text("description", description, 0..=8192);
    }
    if let Some(store) = &input.custom_key_store_id {
        violations.text("customKeyStoreId", store, 1..=64);
    }
    if let Some(key) = &input.xks_key_id {
        violations.text("xksKeyId", key, 1..=128);
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        violations.pattern("xksKeyId", key, "^[a-zA-Z0-9-_.]+$", fits);
    }
    let tags = input.tags.unwrap_or_default();
    tag::check(&tags, &mut violations);
    if let Some(policy) = &input.policy {
        policy::check(policy, &mut violations);
    }
    violations.done()?;
    if input.multi_region == Some(true) {
        return Err(AwsError::unsupported("there are no multi-Region keys: a deployment is one region"));
    }
    let origin = match input.origin.as_deref() {
        None | Some("AWS_KMS") => Origin::Generated,
        Some("EXTERNAL") => Origin::Imported,
        Some(_) => return Err(AwsError::unsupported("there are no custom key stores")),
    };
    if input.custom_key_store_id.is_some() || input.xks_key_id.is_some() {
        return Err(AwsError::unsupported("there are no custom key stores"));
    }
    let spec = match (input.key_spec.as_deref(), input.customer_master_key_spec.as_deref()) {
        (Some(_), Some(_)) => {
            return Err(AwsError::validation(
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
            ));
        }
        (Some(spec), None) | (None, Some(spec)) => spec,
        (None, None) => "SYMMETRIC_DEFAULT",
    };
    let (spec, purpose) = kind(spec, input.key_usage.as_deref())?;
    let labels = tag::labels(&tags)?;
    let rights = input.policy.as_deref().map(|text| policy::read(session.realm(), text, None)).transpose()?;
    let create = CreateKey {
        ring: ring(session, &labels).await?,
        name: None,
        purpose,
        spec,
        protection: protection(&labels)?,
        data_class: data_class(&labels)?,
        owner: None,
        labels,
        description: input.description.unwrap_or_default(),
        rotation_period: None,
        context_required: RequiredContext::default(),
        environment: None,
        origin,
        activate: origin == Origin::Generated,
        rights,
    };
    let missing = "the ring that the key should land in is not there, or you may not create keys in it";
    let done = session.try_perform(create, false).await;
    let done =
        done.map_err(|error| policy::fault(&error).unwrap_or_else(|| session.failure(&error, missing)))?;
    let metadata = metadata(session.realm(), &done.output, session.now())?;
    Ok(Answer::json(&json!({ "KeyMetadata": metadata }))?.recorded(done.receipt))
}

/// Spec and purpose that `KeySpec` and `KeyUsage` mean together.
fn kind(name: &str, usage: Option<&str>) -> Result<(Spec, Purpose), AwsError> {
    let unknown = || AwsError::validation(format!("{name} is no key spec"));
    let row = names::SPECS.iter().find(|row| row.name == name).ok_or_else(unknown)?;
    let usage = match (usage, row.usages) {
        (Some(usage), usages) if usages.contains(&usage) => usage,
        (Some(usage), _) => {
            return Err(AwsError::validation(format!(
                "KeyUsage {usage} is not compatible with KeySpec {name}"
            )));
        }
        (None, ["ENCRYPT_DECRYPT"]) => "ENCRYPT_DECRYPT",
        // AWS KMS takes ENCRYPT_DECRYPT for what is not said, which only symmetric keys have for their only use.
        (None, _) => {
            return Err(AwsError::validation(
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            ));
        }
    };
    let spec = row.spec.ok_or_else(|| AwsError::unsupported(format!("no module here has keys of {name}")))?;
    Ok((spec, names::purpose(usage).ok_or_else(unknown)?))
}

/// Where a new key lands: where its tag says, or at home.
async fn ring(session: &Session<'_>, labels: &Labels) -> Result<RingRef, AwsError> {
    if let Some(ring) = tag::value(labels, names::TAG_RING) {
        let ring = ring.parse::<RingRef>();
        return ring
            .map_err(|_| AwsError::new(code::TAG, format!("the tag {} names no ring", names::TAG_RING)));
    }
    let me = session.read_self().await?;
    me.output.home.map(RingRef::Id).ok_or_else(|| {
        AwsError::validation(format!(
            "this principal has no home ring: the tag {} must say in which ring the key is created",
            names::TAG_RING
        ))
    })
}

fn protection(labels: &Labels) -> Result<Option<Protection>, AwsError> {
    let of = |value: &str| {
        names::protection(value).ok_or_else(|| {
            AwsError::new(code::TAG, format!("the tag {} is hsm or software", names::TAG_PROTECTION))
        })
    };
    tag::value(labels, names::TAG_PROTECTION).map(of).transpose()
}

fn data_class(labels: &Labels) -> Result<Option<DataClass>, AwsError> {
    let of = |value: &str| {
        value.parse().map_err(|_| {
            let words: Vec<_> = DataClass::ALL.iter().map(|class| class.name()).collect();
            let message = format!("the tag {} is one of {}", names::TAG_DATA_CLASS, words.join(", "));
            AwsError::new(code::TAG, message)
        })
    };
    tag::value(labels, names::TAG_DATA_CLASS).map(of).transpose()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    key_id: Option<String>,
    grant_tokens: Option<Vec<String>>,
}

pub(crate) async fn describe(session: &Session<'_>, input: Describe) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    let wanted = session.realm().wanted(&key)?;
    tokens?;
    let done = session.perform(&wanted, DescribeKey { key: wanted.clone() }).await?;
    let metadata = metadata(session.realm(), &done.output, session.now())?;
    Ok(Answer::json(&json!({ "KeyMetadata": metadata }))?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct List {
    limit: Option<i64>,
    marker: Option<String>,
    resource_owners: Option<Vec<String>>,
}

pub(crate) async fn list(session: &Session<'_>, input: List) -> Answered {
    let mut violations = Violations::default();
    let limit = violations.limit(input.limit, 100);
    violations.marker(input.marker.as_deref());
    for owner in input.resource_owners.iter().flatten() {
        violations.word("resourceOwners", owner, ["SELF", "OTHER_ACCOUNTS_VIA_RAM"]);
    }
    violations.done()?;
    let after = marker::read::<KeyName>(input.marker.as_deref())?;
    let done =
        session.perform_at_large(ListGrantedKeys { page: Page { after, limit: limit + 1 } }, "").await?;
    let own = input.resource_owners.is_none_or(|owners| owners.iter().any(|owner| owner == "SELF"));
    let mut keys = if own { done.output } else { Vec::new() };
    let next = next_marker(&mut keys, limit, |(name, _)| name);
    let keys: Vec<_> = keys
        .into_iter()
        .map(|(_, id)| json!({ "KeyId": id.to_string(), "KeyArn": session.realm().key_arn(id) }))
        .collect();
    Ok(Answer::json(&page("Keys", json!(keys), next))?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OfKey {
    key_id: Option<String>,
}

impl OfKey {
    /// The key, where no alias is taken.
    pub(crate) fn wanted(self, session: &Session<'_>) -> Result<KeyRef, AwsError> {
        session.realm().wanted_by_id(&self.named()?)
    }

    /// The key, by an alias too.
    pub(crate) fn wanted_by_any_name(self, session: &Session<'_>) -> Result<KeyRef, AwsError> {
        session.realm().wanted(&self.named()?)
    }

    fn named(self) -> Result<String, AwsError> {
        let mut violations = Violations::default();
        let key = violations.key_id(self.key_id);
        violations.done()?;
        Ok(key)
    }
}

pub(crate) async fn enable(session: &Session<'_>, input: OfKey) -> Answered {
    let wanted = input.wanted(session)?;
    change_state(session, &wanted, Event::Resume, State::Active).await
}

pub(crate) async fn disable(session: &Session<'_>, input: OfKey) -> Answered {
    let wanted = input.wanted(session)?;
    change_state(session, &wanted, Event::Suspend, State::Suspended).await
}

/// Moves a key to a state; one that is there already is left alone.
async fn change_state(session: &Session<'_>, wanted: &KeyRef, event: Event, end: State) -> Answered {
    let change = ChangeKeyState::new(wanted.clone(), None, event)
        .map_err(|error| session.failure_of(&error, wanted))?;
    let error = match session.try_perform(change, false).await {
        Ok(done) => return Ok(Answer::empty().recorded(done.receipt)),
        Err(error) if error.kind() == ErrorKind::WrongState => error,
        Err(error) => return Err(session.failure_of(&error, wanted)),
    };
    let done = session.perform(wanted, DescribeKey { key: wanted.clone() }).await?;
    let arn = session.realm().key_arn(done.output.key.id);
    let is = |words: &str| AwsError::new(code::INVALID_STATE, format!("{arn} is {words}."));
    match state(&done.output, session.now()) {
        "PendingDeletion" => Err(is("pending deletion")),
        "PendingImport" => Err(is("pending import")),
        _ if done.output.key.state == end => Ok(Answer::empty().recorded(done.receipt)),
        _ => Err(session.failure_of(&error, wanted)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ScheduleDeletion {
    key_id: Option<String>,
    pending_window_in_days: Option<i64>,
}

pub(crate) async fn schedule_deletion(session: &Session<'_>, input: ScheduleDeletion) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    // The model says 1 to 365, the service takes 7 to 30.
    let days = input
        .pending_window_in_days
        .map_or(30, |days| violations.number("pendingWindowInDays", days, 7..=30));
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let waiting = Some(Duration::from_secs(u64::from(days) * DAY));
    let schedule = ScheduleDestroy { key: wanted.clone(), waiting };
    let done = session.perform(&wanted, schedule).await?;
    let record = &done.output;
    let answer = json!({
        "KeyId": session.realm().key_arn(record.key.id),
        "DeletionDate": record.destroy_at().map(seconds),
        "KeyState": state(record, session.now()),
        "PendingWindowInDays": days,
    });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

pub(crate) async fn cancel_deletion(session: &Session<'_>, input: OfKey) -> Answered {
    let wanted = input.wanted(session)?;
    let done = session.try_perform(CancelDestroy { key: wanted.clone() }, false).await;
    let done = done.map_err(|error| match (error.kind(), error.obstacle(), error.key()) {
        (ErrorKind::WrongState, None, Some(key)) => {
            let message = format!("{} is not pending deletion.", session.realm().key_arn(key));
            AwsError::new(code::INVALID_STATE, message).recorded_at(error.entry())
        }
        _ => session.failure_of(&error, &wanted),
    })?;
    let arn = session.realm().key_arn(done.output.key.id);
    Ok(Answer::json(&json!({ "KeyId": arn }))?.recorded(done.receipt))
}

pub(crate) async fn last_usage(session: &Session<'_>, input: OfKey) -> Answered {
    let wanted = input.wanted_by_any_name(session)?;
    let record = session.perform(&wanted, DescribeKey { key: wanted.clone() }).await?.output;
    let done = session.perform(&wanted, ReadLastUse { key: wanted.clone() }).await?;
    let created_at = record.key.created_at;
    // While what an earlier process left is still being counted, all is known from the start of this one on.
    let since = done.output.since.map_or(created_at, |since| since.max(created_at));
    let mut answer = json!({
        "KeyId": session.realm().key_arn(record.key.id),
        "TrackingStartDate": seconds(since),
        "KeyCreationDate": seconds(created_at),
    });
    if let (Some(last), Some(object)) = (&done.output.used, answer.as_object_mut()) {
        let last = json!({
            "Operation": used(Action::from_code(last.op.code())),
            "Timestamp": seconds(last.at),
            // The trail is the log of this deployment, and an event its entry.
            "CloudTrailEventId": last.index.to_string(),
        });
        object.insert("KeyLastUsage".to_owned(), last);
    }
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

/// The word for a use in `KeyLastUsage`.
fn used(action: Option<Action>) -> &'static str {
    match action.and_then(names::granted) {
        Some("ReEncryptFrom" | "ReEncryptTo") => "ReEncrypt",
        Some(word) => word,
        // Wrapping is encryption to AWS KMS.
        None if action == Some(Action::Unwrap) => "Decrypt",
        None => "Encrypt",
    }
}
