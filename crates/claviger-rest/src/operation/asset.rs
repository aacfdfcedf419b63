//! Data assets.

use axum::extract::Request;
use claviger_client::types::Page;
use claviger_client::types::asset::{CreateAsset as WireCreate, ListAssets as WireList};
use claviger_service::operation::{Captioned, Captions, ListAssets, ReadAsset};
use http::{StatusCode, Uri};

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::names::parse;
use crate::wire::asset::{create_from_wire, to_wire};

pub(crate) async fn create(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireCreate>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(Captioned(create_from_wire(wire)?)).await?;
    let (asset, captions) = &done.output;
    let answer = Answer::json(&to_wire(asset, captions))?.status(StatusCode::CREATED);
    Ok(answer.revision(asset.revision).recorded(&done.receipt))
}

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let page = cursor::page(List::Assets, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let done = arrival.perform(ListAssets { page }).await?;
    let next = cursor::next(List::Assets, limit, &done.output, |asset| asset.name.clone());
    let items = done.output.iter().map(|asset| to_wire(asset, &Captions::default())).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(asset): In<String>) -> Answered {
    let done = arrival.perform(Captioned(ReadAsset { asset: parse(&asset)? })).await?;
    let (asset, captions) = &done.output;
    Ok(Answer::json(&to_wire(asset, captions))?.revision(asset.revision).recorded(&done.receipt))
}
