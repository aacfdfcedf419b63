//! Uses of keys in JSON, one or a batch.

use axum::extract::Request;
use claviger_client::types::page::{Batch, BatchAnswer, BatchItem};
use claviger_client::types::usage as wire;
use claviger_core::Action;
use claviger_service::operation::usage::{
    KeyUse, Random, ReadPublicKey, ReencryptFrom, ReencryptInto, UseBatch, UseKey,
};
use claviger_service::{BatchTurn, ErrorKind, KeyRef, Released, ServiceError};
use http::Uri;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body::{self, Form};
use crate::error::{Failure, to_wire};
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
    let transit = arrival.clone().perform(UseKey::new(key, from)).await?.output;
    let into = ReencryptInto { transit, context: into, algorithm: None };
    answer_one::<wire::Reencrypt>(arrival.perform(UseKey::new(to, into)).await?)
}

/// Decryption under the key that the ciphertext names.
pub(crate) async fn decrypt_by_header(arrival: Arrival, request: Request) -> Answered {
    let (_, asked) = body::json::<wire::Decrypt>(request, arrival.api().limits().body).await?;
    answer_one::<wire::Decrypt>(arrival.perform(UseKey::by_header(asked.into_use()?)?).await?)
}

/// One use, read already.
async fn perform<Q: WireUse>(arrival: Arrival, key: KeyRef, asked: Q) -> Answered {
    let done = arrival.perform(UseKey::new(key, asked.into_use()?)).await?;
    answer_one::<Q>(done)
}

/// The answer to one use.
fn answer_one<Q: WireUse>(done: Released<<Q::Use as KeyUse>::Output>) -> Answered {
    Ok(written::<Q>(&Q::answer(done.output))?.recorded(&done.receipt))
}

fn written<Q: WireUse>(value: &impl Serialize) -> Result<Answer, Failure> {
    if Q::SECRET { Answer::secret_json(value) } else { Answer::json(value) }
}

/// Many uses of one key.
pub(crate) async fn in_batch<Q: WireUse + 'static>(
    arrival: Arrival,
    In(key): In<String>,
    request: Request,
) -> Answered {
    let key = parse(&key)?;
    let (turn, batch) = batch_in_turn(&arrival, request).await?;
    perform_batch::<Q>(arrival, &turn, key, batch).await
}

/// Bodies above this size, in bytes, are parsed and their answers written off the threads that serve requests.
const LONG: usize = 256 << 10;

/// Items, and how many bytes they came in.
struct Items<Q> {
    items: Vec<Q>,
    bytes: usize,
}

/// A batch, once it is its turn: what waits is bytes that nothing was made of.
async fn batch_in_turn<Q: DeserializeOwned + Send + 'static>(
    arrival: &Arrival,
    request: Request,
) -> Result<(BatchTurn, Items<Q>), Failure> {
    let (_, body) = body::json_unparsed(request, arrival.api().limits().batch_body).await?;
    let bytes = body.len();
    let turn = arrival.batch_turn(bytes).await?;
    let batch: Batch<Q> = off_thread(bytes, move || body::parse(&body)).await?;
    Ok((turn, Items { items: batch.items, bytes }))
}

/// Does work on so many bytes where it holds up nobody.
async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    if bytes <= LONG {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Failure::new(to_wire(ErrorKind::Internal), "")))
}

async fn perform_batch<Q: WireUse + 'static>(
    arrival: Arrival,
    turn: &BatchTurn,
    key: KeyRef,
    batch: Items<Q>,
) -> Answered {
    let items = batch.items.into_iter().map(Q::into_use).collect::<Result<_, _>>()?;
    let done = arrival.perform_in_turn(UseBatch { key, items }, turn).await?;
    let released = done.output.iter().filter(|result| result.is_ok()).count();
    let items = done.output.into_iter().map(|result| item(result.map(Q::answer))).collect();
    let answer = off_thread(batch.bytes, move || written::<Q>(&BatchAnswer { items })).await?;
    Ok(answer.results(Q::Use::ACTION, released).recorded(&done.receipt))
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
        return perform(arrival, key, ShownDataKey(asked)).await;
    }
    let done = arrival.perform(UseKey::new(key, SealedDataKey(asked).into_use()?)).await?;
    let answer = Answer::json(&SealedDataKey::answer(done.output))?;
    Ok(answer.results(Action::GenerateDataKeyWithoutPlaintext, 1).recorded(&done.receipt))
}

/// Many data keys, all in clear or none.
pub(crate) async fn data_key_batch(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let (turn, Items { items, bytes }) = batch_in_turn::<wire::GenerateDataKey>(&arrival, request).await?;
    let shown = items.iter().filter(|asked| asked.plaintext).count();
    if shown == items.len() {
        let items = items.into_iter().map(ShownDataKey).collect();
        return perform_batch(arrival, &turn, key, Items { items, bytes }).await;
    }
    if shown == 0 {
        let items = items.into_iter().map(SealedDataKey).collect();
        return perform_batch(arrival, &turn, key, Items { items, bytes }).await;
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
