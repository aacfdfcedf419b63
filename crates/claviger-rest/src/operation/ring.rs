//! Key rings.

use axum::extract::Request;
use claviger_client::types::Page;
use claviger_client::types::ring::{
    CreateRing as WireCreate, ListRings as WireList, SetSeparation, UpdateRing as WireUpdate,
};
use claviger_core::key::KeyRing;
use claviger_service::operation::{
    Captioned, Captions, CreateRing, ListRings, ReadRing, Released, SetRingSeparation, UpdateRing,
};
use http::{StatusCode, Uri};

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::{Arrival, if_revision};
use crate::body;
use crate::cursor::{self, List};
use crate::names::parse;
use crate::wire::ring::{patch_from_wire, policy_from_wire, to_wire};

pub(crate) async fn create(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireCreate>(request, arrival.api().limits().body).await?;
    let policy = policy_from_wire(&wire.policy)?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    let done = arrival.perform(Captioned(CreateRing { name: wire.name.0, policy })).await?;
    let (ring, captions) = &done.output;
    let answer = Answer::json(&to_wire(ring, captions))?.status(StatusCode::CREATED);
    Ok(answer.revision(ring.revision).recorded(&done.receipt))
}

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let page = cursor::page(List::Rings, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let done = arrival.perform(ListRings { page }).await?;
    let next = cursor::next(List::Rings, limit, &done.output, |ring| ring.name.clone());
    let items = done.output.iter().map(|ring| to_wire(ring, &Captions::default())).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(ring): In<String>) -> Answered {
    let done = arrival.perform(Captioned(ReadRing { ring: parse(&ring)? })).await?;
    let (ring, captions) = &done.output;
    Ok(Answer::json(&to_wire(ring, captions))?.revision(ring.revision).recorded(&done.receipt))
}

pub(crate) async fn update(arrival: Arrival, In(ring): In<String>, request: Request) -> Answered {
    let ring = parse(&ring)?;
    let (headers, wire) = body::json::<WireUpdate>(request, arrival.api().limits().body).await?;
    let patch = patch_from_wire(&wire.policy)?;
    let operation = UpdateRing { ring, patch, if_revision: if_revision(&headers)? };
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    changed(arrival.perform(Captioned(operation)).await?)
}

pub(crate) async fn set_separation(arrival: Arrival, In(ring): In<String>, request: Request) -> Answered {
    let ring = parse(&ring)?;
    let (_, wire) = body::json::<SetSeparation>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    let operation = SetRingSeparation { ring, separation: wire.separation.0 };
    changed(arrival.perform(Captioned(operation)).await?)
}

fn changed(done: Released<(KeyRing, Captions)>) -> Answered {
    let (ring, captions) = &done.output;
    Ok(Answer::json(&to_wire(ring, captions))?.revision(ring.revision).recorded(&done.receipt))
}
