//! Tags: the labels of keys.

use claviger_core::key::Labels;
use claviger_service::KeyRef;
use claviger_service::operation::{DescribeKey, KeyPatch, LabelPatch};
use serde::Deserialize;
use serde_json::json;

use super::update::update;
use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::names;
use crate::session::Session;
use crate::wire::{Violations, marker, next_marker, page};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    tag_key: Option<String>,
    tag_value: Option<String>,
}

/// Most tags of a key.
const MOST: usize = 50;

/// Holds tags against the service model.
pub(crate) fn check(tags: &[Tag], violations: &mut Violations) {
    for (at, tag) in (1..).zip(tags) {
        let member = |name: &str| format!("tags.{at}.member.{name}");
        match &tag.tag_key {
            Some(key) => violations.text(&member("tagKey"), key, 1..=128),
            None => drop(violations.required::<String>(&member("tagKey"), None)),
        }
        match &tag.tag_value {
            Some(value) => violations.text(&member("tagValue"), value, 0..=256),
            None => drop(violations.required::<String>(&member("tagValue"), None)),
        }
    }
}

/// Tags as labels.
///
/// # Errors
/// `TagException` for what AWS reserves, for a key that comes twice, and beyond the limits.
pub(crate) fn labels(tags: &[Tag]) -> Result<Labels, AwsError> {
    let pairs = tags.iter().map(|tag| (key_of(tag), tag.tag_value.clone().unwrap_or_default()));
    of_pairs(pairs.collect())
}

fn key_of(tag: &Tag) -> String {
    tag.tag_key.clone().unwrap_or_default()
}

fn is_reserved(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with("aws:")
}

fn reserved() -> AwsError {
    AwsError::new(code::TAG, "Tags beginning with aws: are reserved")
}

fn of_pairs(pairs: Vec<(String, String)>) -> Result<Labels, AwsError> {
    let wrong = |message: String| AwsError::new(code::TAG, message);
    if pairs.iter().any(|(key, _)| is_reserved(key)) {
        return Err(reserved());
    }
    let mut keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() != pairs.len() {
        return Err(wrong("Duplicate tag keys".to_owned()));
    }
    if pairs.len() > MOST {
        return Err(too_many());
    }
    Labels::new(pairs).map_err(|error| wrong(error.to_string()))
}

fn too_many() -> AwsError {
    AwsError::new(code::TAG, "Too many tags")
}

/// Changes labels of a key, whatever the others are by then.
async fn change(session: &Session<'_>, wanted: &KeyRef, labels: LabelPatch) -> Answered {
    update(session, wanted, KeyPatch { labels: Some(labels), ..KeyPatch::default() }).await
}

/// The value of a label.
pub(crate) fn value<'a>(labels: &'a Labels, name: &str) -> Option<&'a str> {
    labels.pairs().iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Tags that say where, how and for what a key is created. They stay as they were then: changed, they would describe another
/// key than it is.
fn is_fixed(key: &str) -> bool {
    [names::TAG_DATA_CLASS, names::TAG_PROTECTION, names::TAG_RING].contains(&key)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagInput {
    key_id: Option<String>,
    tags: Option<Vec<Tag>>,
}

pub(crate) async fn tag(session: &Session<'_>, input: TagInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let tags = violations.required("tags", input.tags);
    check(&tags, &mut violations);
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let added = labels(&tags)?;
    let described = session.perform(&wanted, DescribeKey { key: wanted.clone() }).await?.output;
    let known = &described.key.labels;
    for (key, new) in added.pairs() {
        if is_fixed(key) && value(known, key) != Some(new) {
            return Err(AwsError::new(
                code::TAG,
                format!("the tag {key} says how the key was created, and stays"),
            ));
        }
    }
    let others = known.pairs().iter().filter(|(key, _)| value(&added, key).is_none()).count();
    if others + added.pairs().len() > MOST {
        return Err(too_many());
    }
    let patch = LabelPatch::Some { set: added, remove: Vec::new() };
    change(session, &wanted, patch).await.map_err(|error| match error.code() {
        // All else was checked: others were added meanwhile.
        code::VALIDATION => too_many(),
        _ => error,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagInput {
    key_id: Option<String>,
    tag_keys: Option<Vec<String>>,
}

pub(crate) async fn untag(session: &Session<'_>, input: UntagInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let keys = violations.required("tagKeys", input.tag_keys);
    for (at, key) in (1..).zip(&keys) {
        violations.text(&format!("tagKeys.{at}.member"), key, 1..=128);
    }
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    if keys.iter().any(|key| is_reserved(key)) {
        return Err(reserved());
    }
    if let Some(fixed) = keys.iter().find(|key| is_fixed(key)) {
        return Err(AwsError::new(
            code::TAG,
            format!("the tag {fixed} says how the key was created, and stays"),
        ));
    }
    change(session, &wanted, LabelPatch::Some { set: Labels::default(), remove: keys }).await
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
    let limit = violations.limit(input.limit, 50);
    violations.marker(input.marker.as_deref());
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let after = marker::read::<String>(input.marker.as_deref())?;
    let done = session.perform(&wanted, DescribeKey { key: wanted.clone() }).await?;
    let behind = |key: &str| after.as_deref().is_none_or(|after| key > after);
    let most = usize::try_from(limit).unwrap_or(MOST) + 1;
    let pairs = done.output.key.labels.pairs().iter();
    let mut tags: Vec<_> = pairs.filter(|(key, _)| behind(key)).take(most).cloned().collect();
    let next = next_marker(&mut tags, limit, |(key, _)| key);
    let tags: Vec<_> =
        tags.into_iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value })).collect();
    Ok(Answer::json(&page("Tags", json!(tags), next))?.recorded(done.receipt))
}
