//! Aliases of keys.

use axum::extract::Request;
use claviger_client::types::Page;
use claviger_client::types::alias::{
    CreateAlias as WireCreate, ListAliases as WireList, MoveAlias as WireMove,
};
use claviger_core::port::store::Page as ServicePage;
use claviger_core::{Alias, AliasName};
use claviger_service::operation::{
    AliasFilterRef, Captioned, Captions, CreateAlias, ListAliases, MoveAlias, ReadAlias, Released,
    RemoveAlias,
};
use http::{StatusCode, Uri};

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::names::{parse, parse_if_any};
use crate::wire::alias::to_wire;

pub(crate) async fn create(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireCreate>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(Captioned(CreateAlias { name: wire.name.0, key: parse(&wire.key)? })).await?;
    let (alias, captions) = &done.output;
    let answer = Answer::json(&to_wire(alias, captions))?.status(StatusCode::CREATED);
    Ok(answer.recorded(&done.receipt))
}

fn shown(done: Released<(Alias, Captions)>) -> Answered {
    let (alias, captions) = &done.output;
    Ok(Answer::json(&to_wire(alias, captions))?.recorded(&done.receipt))
}

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let filter = AliasFilterRef {
        key: parse_if_any(query.key.as_deref())?,
        ring: parse_if_any(query.ring.as_deref())?,
    };
    let page: ServicePage<AliasName> = cursor::page(List::Aliases, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let done = arrival.perform(Captioned(ListAliases { filter, page })).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::Aliases, limit, found, |alias| alias.name.clone());
    let items = found.iter().map(|alias| to_wire(alias, captions)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(alias): In<String>) -> Answered {
    shown(arrival.perform(Captioned(ReadAlias { name: parse(&alias)? })).await?)
}

pub(crate) async fn move_to(arrival: Arrival, In(alias): In<String>, request: Request) -> Answered {
    let name = parse(&alias)?;
    let (_, wire) = body::json::<WireMove>(request, arrival.api().limits().body).await?;
    shown(arrival.perform(Captioned(MoveAlias { name, key: parse(&wire.key)? })).await?)
}

pub(crate) async fn remove(arrival: Arrival, In(alias): In<String>, request: Request) -> Answered {
    let name = parse(&alias)?;
    body::none(request).await?;
    shown(arrival.perform(Captioned(RemoveAlias { name })).await?)
}
