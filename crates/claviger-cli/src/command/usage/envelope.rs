//! The service's part of a file envelope: one call makes the data key, one opens it.

use claviger_client::Client;
use claviger_client::types::usage::{Decrypt, GenerateDataKey, Opened};
use claviger_client::{Answer, types};
use claviger_crypto::envelope::stream::DATA_KEY_LEN;

use crate::failure::Failure;
use crate::file::envelope::{DataKey, Sealed};
use crate::input::pair::Bound;

/// A data key of `key`, bound to the context.
///
/// # Errors
/// When the service refuses.
pub(crate) async fn make_data_key(
    client: &Client,
    key: &str,
    bound: &Bound,
) -> Result<Answer<(DataKey, types::usage::DataKey)>, Failure> {
    let bytes = u32::try_from(DATA_KEY_LEN).unwrap_or(32);
    let request = GenerateDataKey { bytes, context: bound.pairs.clone(), plaintext: true };
    let mut answer = client.generate_data_key(key, &request).await?;
    let clear = answer
        .value
        .plaintext
        .take()
        .ok_or_else(|| Failure::failed("the service gave no data key in clear"))?;
    let wrapped = answer.value.ciphertext.as_ref().to_vec();
    Ok(answer.map(|made| (DataKey { clear: clear.into_inner(), wrapped }, made)))
}

/// The data key of an envelope, opened with the key that it names, or with `key`.
///
/// # Errors
/// When the service refuses, or the context is not the one that the envelope was sealed with.
pub(crate) async fn open_data_key(
    client: &Client,
    key: Option<&str>,
    sealed: &Sealed,
    bound: &Bound,
) -> Result<Answer<Opened>, Failure> {
    if !sealed.was_sealed_with(&bound.context) {
        return Err(Failure::failed("the file was sealed with another context")
            .advise("name every pair exactly as when it was sealed: `--context NAME=VALUE`"));
    }
    let wrapped = sealed.wrapped_data_key().to_vec();
    let request = Decrypt { ciphertext: wrapped.into(), context: bound.pairs.clone() };
    Ok(match key {
        Some(key) => client.decrypt(key, &request).await?,
        None => client.decrypt_by_header(&request).await?,
    })
}
