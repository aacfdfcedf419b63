//! Random bytes.

use claviger_service::operation::usage::Random;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Answered};
use crate::error::AwsError;
use crate::session::Session;
use crate::wire::{Violations, no_recipient};

/// Most bytes at once.
const MOST_BYTES: u32 = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    number_of_bytes: Option<i64>,
    custom_key_store_id: Option<String>,
    recipient: Option<Value>,
}

pub(crate) async fn generate(session: &Session<'_>, input: Input) -> Answered {
    let mut violations = Violations::default();
    let number =
        input.number_of_bytes.map(|number| violations.number("numberOfBytes", number, 1..=MOST_BYTES));
    if let Some(store) = &input.custom_key_store_id {
        violations.text("customKeyStoreId", store, 1..=64);
    }
    violations.done()?;
    let bytes = number.ok_or_else(|| AwsError::validation("NumberOfBytes is required."))?;
    no_recipient(input.recipient.as_ref())?;
    if input.custom_key_store_id.is_some() {
        return Err(AwsError::unsupported("there are no custom key stores"));
    }
    let done = session.perform_at_large(Random { bytes }, "").await?;
    Ok(Answer::with_secret(&json!({}), "Plaintext", &done.output)?.recorded(done.receipt))
}
