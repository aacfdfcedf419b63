//! What has no meaning here, answered as the service model says for what is unsupported.

use serde::Deserialize;

use crate::answer::{Answer, Answered};
use crate::error::AwsError;
use crate::session::Session;
use crate::wire::{Never, Violations, marker};

/// Whatever an operation of custom key stores takes.
#[derive(Deserialize)]
pub(crate) struct Anything {}

/// Custom key stores connect AWS KMS to modules elsewhere. Here the module is configured with the deployment.
pub(crate) async fn custom_key_store(session: &Session<'_>, _input: Anything) -> Answered {
    Err(session.unsupported(
        "there are no custom key stores: the module that keeps keys is configured with the deployment",
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeStores {
    custom_key_store_id: Option<String>,
    custom_key_store_name: Option<String>,
    limit: Option<i64>,
    marker: Option<String>,
}

/// There are none, and tools that list them must go on.
pub(crate) async fn describe_custom_key_stores(session: &Session<'_>, input: DescribeStores) -> Answered {
    let mut violations = Violations::default();
    violations.limit(input.limit, 1000);
    violations.marker(input.marker.as_deref());
    for (member, value, longest) in [
        ("customKeyStoreId", &input.custom_key_store_id, 64),
        ("customKeyStoreName", &input.custom_key_store_name, 256),
    ] {
        if let Some(value) = value {
            violations.text(member, value, 1..=longest);
        }
    }
    violations.done()?;
    marker::read::<Never>(input.marker.as_deref())?;
    let done = session.read_self().await?;
    if input.custom_key_store_id.is_some() || input.custom_key_store_name.is_some() {
        return Err(AwsError::new("CustomKeyStoreNotFoundException", "there is no custom key store"));
    }
    let none = serde_json::json!({ "CustomKeyStores": [], "Truncated": false });
    Ok(Answer::json(&none)?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MultiRegion {
    key_id: Option<String>,
}

/// A deployment is one region; its nodes replicate below it.
pub(crate) async fn multi_region(session: &Session<'_>, input: MultiRegion) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    violations.done()?;
    session.realm().wanted_by_id(&key)?;
    Err(session.unsupported("there are no multi-Region keys: a deployment is one region"))
}
