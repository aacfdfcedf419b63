//! What is said about a key: its description, and whatever other operations change of it.

use claviger_service::KeyRef;
use claviger_service::operation::{KeyPatch, UpdateKey};
use serde::Deserialize;

use crate::answer::{Answer, Answered};
use crate::session::Session;
use crate::wire::Violations;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateDescription {
    key_id: Option<String>,
    description: Option<String>,
}

pub(crate) async fn update_description(session: &Session<'_>, input: UpdateDescription) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let description = violations.required("description", input.description);
    violations.text("description", &description, 0..=8192);
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let patch = KeyPatch { description: Some(description), ..KeyPatch::default() };
    update(session, &wanted, patch).await
}

/// Changes what is said about a key.
pub(crate) async fn update(session: &Session<'_>, wanted: &KeyRef, patch: KeyPatch) -> Answered {
    let update = UpdateKey { key: wanted.clone(), patch, if_revision: None };
    let done = session.perform(wanted, update).await?;
    Ok(Answer::empty().recorded(done.receipt))
}
