//! Keys and their lives.

use std::borrow::Borrow;
use std::time::Duration;

use axum::extract::Request;
use claviger_client::types::key::{
    AskImport, ChangeState, CreateKey as WireCreate, ExplainKey as WireExplain, ImportMaterial as WireImport,
    ImportParameters, ImportedMaterial, Key as WireKey, ListKeys as WireList, ListVersions as WireVersions,
    RemoveMaterial, ScheduleDestroy as WireDestroy, UpdateKey as WireUpdate,
};
use claviger_client::types::{GiveReason, Page};
use claviger_core::KeyName;
use claviger_core::key::{Event, KeyRecord};
use claviger_core::port::store::Page as ServicePage;
use claviger_service::operation::{
    CancelDestroy, Captioned, Captions, ChangeKeyState, ExplainKey, ImportMaterial, KeyFilterRef, ListKeys,
    ListVersions, ReadImportParameters, ReadKey, Released, RemoveImportedMaterial, RotateKey,
    ScheduleDestroy, UpdateKey, WithPolicyStatus,
};
use http::{StatusCode, Uri};

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::{Arrival, if_revision};
use crate::body;
use crate::cursor::{self, List};
use crate::names::{parse, parse_if_any};
use crate::wire::key::{
    create_from_wire, patch_from_wire, record_to_wire, rights_to_wire, to_wire, versions_to_wire,
};

pub(crate) async fn create(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireCreate>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(Captioned(create_from_wire(wire)?)).await?;
    let (record, captions) = &done.output;
    let answer = Answer::json(&record_to_wire(record, captions))?.status(StatusCode::CREATED);
    Ok(answer.revision(record.key.revision).recorded(&done.receipt))
}

/// The answer that shows a key, with the reason of its state.
fn record<R: Borrow<KeyRecord>>(done: Released<(R, Captions)>) -> Answered {
    let (record, captions) = &done.output;
    let answer = Answer::json(&record_to_wire(record.borrow(), captions))?;
    Ok(answer.revision(record.borrow().key.revision).recorded(&done.receipt))
}

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let filter =
        KeyFilterRef { ring: parse_if_any(query.ring.as_deref())?, state: query.state.map(|word| word.0) };
    let page: ServicePage<KeyName> = cursor::page(List::Keys, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let done = arrival.perform(ListKeys { filter, page }).await?;
    let next = cursor::next(List::Keys, limit, &done.output, |(name, _)| name.clone());
    let items = done.output.into_iter().map(|(name, key)| to_wire(name, &key)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(key): In<String>) -> Answered {
    let read = WithPolicyStatus(ReadKey { key: parse(&key)? });
    let done = arrival.perform(Captioned(read)).await?;
    let ((record, policy), captions) = &done.output;
    let wire = WireKey {
        key_policy: policy.map(|status| status.name().to_owned()),
        ..record_to_wire(record, captions)
    };
    Ok(Answer::json(&wire)?.revision(record.key.revision).recorded(&done.receipt))
}

pub(crate) async fn list_versions(arrival: Arrival, In(key): In<String>, uri: Uri) -> Answered {
    let query: WireVersions = body::query(&uri)?;
    let page = cursor::page(List::Versions, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let done = arrival.perform(Captioned(ListVersions { key: parse(&key)?, page })).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::Versions, limit, &found.versions, |version| version.id.number);
    let items = versions_to_wire(found, captions);
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn update(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let (headers, wire) = body::json::<WireUpdate>(request, arrival.api().limits().body).await?;
    let operation = UpdateKey { key, patch: patch_from_wire(wire)?, if_revision: if_revision(&headers)? };
    record(arrival.perform(Captioned(operation)).await?)
}

pub(crate) async fn rotate(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    body::none(request).await?;
    record(arrival.perform(Captioned(RotateKey { key })).await?)
}

pub(crate) async fn explain(arrival: Arrival, In(key): In<String>, uri: Uri) -> Answered {
    let query: WireExplain = body::query(&uri)?;
    let done = arrival.perform(ExplainKey { key: parse(&key)?, at: query.at.map(|at| at.0) }).await?;
    Ok(Answer::json(&rights_to_wire(&done.output))?.recorded(&done.receipt))
}

pub(crate) async fn schedule_destroy(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let wire: WireDestroy = body::json_if_any(request, arrival.api().limits().body).await?;
    let operation = ScheduleDestroy { key, waiting: wire.waiting_seconds.map(Duration::from_secs) };
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    record(arrival.perform(Captioned(operation)).await?)
}

pub(crate) async fn cancel_destroy(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    record(arrival.perform(Captioned(CancelDestroy { key })).await?)
}

pub(crate) async fn read_import_parameters(
    arrival: Arrival,
    In(key): In<String>,
    request: Request,
) -> Answered {
    let key = parse(&key)?;
    let wish: AskImport = body::json_if_any(request, arrival.api().limits().body).await?;
    let operation =
        ReadImportParameters { key, wrapping: wish.wrapping.0, wrapping_spec: wish.wrapping_spec.0 };
    let done = arrival.perform(operation).await?;
    let parameters = ImportParameters {
        key: done.output.key.into(),
        wrapping: wish.wrapping,
        wrapping_spec: wish.wrapping_spec,
        public_key: done.output.public_key.into(),
        import_token: done.output.token.into(),
        expires_at: done.output.expires_at.into(),
    };
    Ok(Answer::json(&parameters)?.recorded(&done.receipt))
}

pub(crate) async fn import_material(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let (_, wire) = body::json::<WireImport>(request, arrival.api().limits().body).await?;
    let operation = ImportMaterial {
        key,
        token: wire.import_token.0,
        material: wire.wrapped_material.0,
        expires_at: wire.expires_at.map(|at| at.0),
        new_material: wire.new_material,
        version: wire.version,
    };
    let done = arrival.perform(Captioned(operation)).await?;
    let (imported, captions) = &done.output;
    let wire =
        ImportedMaterial { key: record_to_wire(&imported.record, captions), version: imported.version };
    Ok(Answer::json(&wire)?.revision(imported.record.key.revision).recorded(&done.receipt))
}

pub(crate) async fn remove_material(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let key = parse(&key)?;
    let wire: RemoveMaterial = body::json_if_any(request, arrival.api().limits().body).await?;
    let operation = RemoveImportedMaterial { key, version: wire.version, only_if_expired: false };
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    record(arrival.perform(Captioned(operation)).await?)
}

async fn change(event: Event, arrival: Arrival, key: String, request: Request) -> Answered {
    let key = parse(&key)?;
    let wire: ChangeState = body::json_if_any(request, arrival.api().limits().body).await?;
    let operation = ChangeKeyState::new(key, wire.version, event)?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    record(arrival.perform(Captioned(operation)).await?)
}

macro_rules! events {
    ($($name:ident = $event:ident),+ $(,)?) => {$(
        pub(crate) async fn $name(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
            change(Event::$event, arrival, key, request).await
        }
    )+};
}

events! {
    activate = Activate,
    suspend = Suspend,
    resume = Resume,
    deactivate = Deactivate,
    compromise = Compromise,
}
