//! Wire types from and to the core's own. What arrives is parsed here or refused here.

pub mod access;
pub mod alert;
pub mod alias;
pub mod approval;
pub mod asset;
pub mod audit;
pub mod break_glass;
pub mod declaration;
pub mod governance;
pub mod identity;
pub mod key;
pub mod plan;
pub mod reason;
pub mod review;
pub mod rights;
pub mod ring;
pub mod usage;

use std::time::Duration;

use claviger_client::types::Pairs;
use claviger_client::types::text::ContextFieldText;
use claviger_core::key::RequiredContext;
use claviger_crypto::envelope::Context;
use claviger_service::operation::{Captions, HasCaptions};

use crate::error::Failure;

pub(crate) fn seconds(span: Option<Duration>) -> Option<u64> {
    span.map(|span| span.as_secs())
}

pub(crate) fn span(seconds: Option<u64>) -> Option<Duration> {
    seconds.map(Duration::from_secs)
}

/// The names of what a thing has by identifier, by that identifier.
pub(crate) fn names_to_wire(thing: &impl HasCaptions, captions: &Captions) -> Pairs {
    captions.names(thing).map(|(one, name)| (one.id(), name.to_owned())).collect()
}

pub(crate) fn required_to_wire(required: &RequiredContext) -> Vec<ContextFieldText> {
    required.fields().iter().cloned().map(Into::into).collect()
}

pub(crate) fn required_from_wire(fields: Vec<ContextFieldText>) -> Result<RequiredContext, Failure> {
    let fields = fields.into_iter().map(|field| field.0);
    RequiredContext::new(fields).map_err(|error| Failure::invalid(error.to_string()))
}

/// The encryption context of these pairs.
///
/// # Errors
/// A [`Failure`] beyond the limits of contexts, or for an empty name.
pub fn context_from_wire(pairs: &Pairs) -> Result<Context, Failure> {
    Context::from_pairs(&pairs.0).map_err(|_| {
        Failure::invalid("a context is up to 64 pairs with names that are not empty, 8 KiB in all")
    })
}
