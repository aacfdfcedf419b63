//! What each route does: parse the request, one call down the road, answer.

pub(crate) mod access;
pub(crate) mod alert;
pub(crate) mod alias;
pub(crate) mod approval;
pub(crate) mod asset;
pub(crate) mod audit;
pub(crate) mod break_glass;
pub(crate) mod declaration;
pub(crate) mod governance;
pub(crate) mod identity;
pub(crate) mod key;
pub(crate) mod plan;
pub(crate) mod raw;
pub(crate) mod reason;
pub(crate) mod review;
pub(crate) mod rights;
pub(crate) mod ring;
pub(crate) mod system;
pub(crate) mod usage;

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::Api;
use crate::error::Failure;

/// What every handler gives.
pub(crate) type Answered = Result<Response, Failure>;

/// What a path names, percent-decoded.
pub(crate) struct In<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for In<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let read = Path::<T>::from_request_parts(parts, api).await;
        read.map(|Path(named)| Self(named)).map_err(|_| Failure::unreadable_path())
    }
}
