//! Which rights there are, and what people confirm of them.

use axum::extract::Request;
use claviger_client::types::Page;
use claviger_client::types::rights::{ConfirmRights as WireConfirm, ListRights};
use claviger_core::object::RowCursor;
use claviger_service::operation::{ConfirmRights, ReadRights};
use http::Uri;

use super::Answered;
use super::audit::RowPlace;
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::error::Failure;
use crate::wire::rights::{review_to_wire, right_to_wire};

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: ListRights = body::query(&uri)?;
    let page = cursor::page::<RowPlace>(List::Rights, query.cursor.as_deref(), query.limit)?;
    let from = page.after.map_or_else(RowCursor::default, |place| place.0);
    let done = arrival.perform(ReadRights { from, limit: page.limit }).await?;
    let next = done.output.next.map(|next| cursor::encode(List::Rights, &RowPlace(next)));
    let items = done.output.rights.into_iter().map(right_to_wire).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn confirm(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireConfirm>(request, arrival.api().limits().body).await?;
    let mut digest = [0; 32];
    hex::decode_to_slice(&wire.digest, &mut digest)
        .map_err(|_| Failure::malformed("`digest` must be a SHA-256 digest: 64 hexadecimal digits"))?;
    let done = arrival.perform(ConfirmRights { digest }).await?;
    Ok(Answer::json(&review_to_wire(&done.output))?.recorded(&done.receipt))
}
