//! Uses of keys in JSON, one or a batch.

use axum::extract::Request;
use claviger_client::types::page::{Batch, BatchAnswer, BatchItem};
use claviger_client::types::usage as wire;
use claviger_service::operation::usage::{
    Random, ReadPublicKey, ReencryptFrom, ReencryptInto, Use, UseBatch,
};
use claviger_service::{KeyRef, Released, ServiceError};
use http::Uri;
use serde::Serialize;

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body::{self, Form};
use crate::error::Failure;
use crate::names::parse;
use crate::wire::context_from_wire;
use crate::wire::usage::{SealedDataKey, ShownDataKey, WireUse};

/// A use in JSON.
pub(crate) async fn in_json<Q: WireUse>(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let (_, asked) = body::json::<Q>(request, arrival.api().limits().body).await?;
    perform(arrival, key, asked).await
}

/// Re-encryption under the newest version, or under another key: then two uses, each decided and recorded for its own key.
pub(crate) async fn reencrypt(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let (_, asked) = body::json::<wire::Reencrypt>(request, arrival.api().limits().body).await?;
    let Some(to) = asked.to.as_deref() else { return perform(arrival, key, asked).await };
    let to: KeyRef = parse(to)?;
    let context = context_from_wire(&asked.context)?;
    let into = asked.to_context.as_ref().map_or_else(|| Ok(context.clone()), context_from_wire)?;
    let from = ReencryptFrom { ciphertext: asked.ciphertext.0, context, algorithm: None };
    let transit = arrival.clone().perform(Use::new(key, from)).await?.output;
    let into = ReencryptInto { transit, context: into, algorithm: None };
    answer_one::<wire::Reencrypt>(arrival.perform(Use::new(to, into)).await?)
}

/// Decryption under the key that the ciphertext names.
pub(crate) async fn decrypt_by_header(arrival: Arrival, request: Request) -> Answered {
    let (_, asked) = body::json::<wire::Decrypt>(request, arrival.api().limits().body).await?;
    answer_one::<wire::Decrypt>(arrival.perform(Use::by_header(asked.into_use()?)?).await?)
}

/// One use, read already.
async fn perform<Q: WireUse>(arrival: Arrival, key: KeyRef, asked: Q) -> Answered {
    let done = arrival.perform(Use::new(key, asked.into_use()?)).await?;
    answer_one::<Q>(done)
}

/// The answer to one use.
fn answer_one<Q: WireUse>(
    done: Released<<Q::Use as claviger_service::operation::usage::KeyUse>::Output>,
) -> Answered {
    Ok(written::<Q>(&Q::answer(done.output))?.recorded(&done.receipt))
}

fn written<Q: WireUse>(value: &impl Serialize) -> Result<Answer, Failure> {
    if Q::SECRET { Answer::secret_json(value) } else { Answer::json(value) }
}

/// Many uses of one key.
pub(crate) async fn in_batch<Q: WireUse>(
    arrival: Arrival,
    In(key): In<String>,
    request: Request,
) -> Answered {
    let key = parse(&key)?;
    let (_, batch) = body::json::<Batch<Q>>(request, arrival.api().limits().batch_body).await?;
    perform_batch(arrival, key, batch.items).await
}

async fn perform_batch<Q: WireUse>(arrival: Arrival, key: KeyRef, items: Vec<Q>) -> Answered {
    let items = items.into_iter().map(Q::into_use).collect::<Result<_, _>>()?;
    let done = arrival.perform(UseBatch { key, items }).await?;
    let items = done.output.into_iter().map(|result| item(result.map(Q::answer))).collect();
    Ok(written::<Q>(&BatchAnswer { items })?.recorded(&done.receipt))
}

fn item<T>(result: Result<T, ServiceError>) -> BatchItem<T> {
    match result {
        Ok(value) => BatchItem::Ok(value),
        Err(error) => BatchItem::Error(Failure::from(error).to_problem(None)),
    }
}

/// A data key, in clear or not.
pub(crate) async fn data_key(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let asked: wire::GenerateDataKey = match body::read(request, arrival.api().limits().body).await? {
        (_, Form::Absent, _) => wire::GenerateDataKey::default(),
        (_, Form::Json, bytes) => body::parse(&bytes)?,
        (_, Form::Octets, _) => return Err(body::only_json()),
    };
    if asked.plaintext {
        perform(arrival, key, ShownDataKey(asked)).await
    } else {
        perform(arrival, key, SealedDataKey(asked)).await
    }
}

/// Many data keys, all in clear or none.
pub(crate) async fn data_key_batch(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let (_, batch) =
        body::json::<Batch<wire::GenerateDataKey>>(request, arrival.api().limits().batch_body).await?;
    let shown = batch.items.iter().filter(|asked| asked.plaintext).count();
    if shown == batch.items.len() {
        return perform_batch(arrival, key, batch.items.into_iter().map(ShownDataKey).collect()).await;
    }
    if shown == 0 {
        return perform_batch(arrival, key, batch.items.into_iter().map(SealedDataKey).collect()).await;
    }
    Err(Failure::invalid(
        "`plaintext` must be the same in all items: each way is an operation, and a right, of its own",
    ))
}

/// A capsule: nothing goes in, so that the body may be absent.
pub(crate) async fn encapsulate(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let asked: wire::Encapsulate = body::json_if_any(request, arrival.api().limits().body).await?;
    perform(arrival, key, asked).await
}

pub(crate) async fn read_public_key(arrival: Arrival, In(key): In<String>, uri: Uri) -> Answered {
    let query: wire::ReadPublicKey = body::query(&uri)?;
    let done =
        arrival.perform(ReadPublicKey { key: parse(&key)?, version: query.version, in_use: false }).await?;
    let public = wire::PublicKey {
        public_key: done.output.spki.into(),
        spec: done.output.spec.into(),
        key: done.output.key.into(),
        version: done.output.version,
    };
    Ok(Answer::json(&public)?.recorded(&done.receipt))
}

pub(crate) async fn random(arrival: Arrival, request: Request) -> Answered {
    let (_, asked) = body::json::<wire::Random>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(Random { bytes: asked.bytes }).await?;
    Ok(Answer::secret_json(&wire::Drawn { bytes: done.output.into() })?.recorded(&done.receipt))
}
