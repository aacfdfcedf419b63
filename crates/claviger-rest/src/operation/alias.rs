//! Aliases of keys.

use axum::extract::Request;
use claviger_client::types::Page;
use claviger_client::types::alias::{
    CreateAlias as WireCreate, ListAliases as WireList, MoveAlias as WireMove,
};
use claviger_core::AliasName;
use claviger_core::port::store::Page as ServicePage;
use claviger_service::operation::{
    AliasFilterRef, CreateAlias, ListAliases, MoveAlias, ReadAlias, RemoveAlias,
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
    let done = arrival.perform(CreateAlias { name: wire.name.0, key: parse(&wire.key)? }).await?;
    let answer = Answer::json(&to_wire(&done.output))?.status(StatusCode::CREATED);
    Ok(answer.recorded(&done.receipt))
}

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let filter = AliasFilterRef {
        key: parse_if_any(query.key.as_deref())?,
        ring: parse_if_any(query.ring.as_deref())?,
    };
    let page: ServicePage<AliasName> = cursor::page(List::Aliases, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let done = arrival.perform(ListAliases { filter, page }).await?;
    let next = cursor::next(List::Aliases, limit, &done.output, |alias| alias.name.clone());
    let items = done.output.iter().map(to_wire).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(alias): In<String>) -> Answered {
    let done = arrival.perform(ReadAlias { name: parse(&alias)? }).await?;
    Ok(Answer::json(&to_wire(&done.output))?.recorded(&done.receipt))
}

pub(crate) async fn move_to(arrival: Arrival, In(alias): In<String>, request: Request) -> Answered {
    let name = parse(&alias)?;
    let (_, wire) = body::json::<WireMove>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(MoveAlias { name, key: parse(&wire.key)? }).await?;
    Ok(Answer::json(&to_wire(&done.output))?.recorded(&done.receipt))
}

pub(crate) async fn remove(arrival: Arrival, In(alias): In<String>, request: Request) -> Answered {
    let name = parse(&alias)?;
    body::none(request).await?;
    let done = arrival.perform(RemoveAlias { name }).await?;
    Ok(Answer::json(&to_wire(&done.output))?.recorded(&done.receipt))
}
