//! The REST interface: two planes, one for people and one for applications, over the one road.
//!
//! | module | what it holds |
//! |---|---|
//! | [`route`] | the table of routes, from which the planes and the OpenAPI documents are made |
//! | [`operation`] | what each route does: parse the request, one call down the road, answer |
//! | [`wire`] | conversions between wire types ([`claviger_client::types`]) and the core's own |
//! | [`credential`], [`arrival`], [`names`], [`cursor`], [`body`] | what is read from a request |
//! | [`plane`] | what all requests and answers of a plane have in common |
//! | [`answer`], [`error`] | what is written to a response |
//! | [`decode`] | every decoder of foreign bytes, for fuzzing |
//!
//! What it keeps true:
//! * a route needs a credential unless the table says that it is open, and it says so of two;
//! * no request has its body read, its route judged or its words checked before its caller is known;
//! * no input panics, and none grows memory beyond [`RestLimits`];
//! * plaintext leaves in memory that is wiped.

pub mod answer;
pub mod arrival;
pub mod body;
pub mod credential;
pub mod cursor;
pub mod decode;
pub mod error;
mod limits;
pub mod names;
pub mod operation;
mod peer;
pub mod plane;
pub mod route;
pub mod wire;

use std::sync::Arc;

use claviger_core::action::Surface;
use claviger_service::Road;

pub use answer::Results;
pub use limits::RestLimits;
pub use peer::PeerIdentity;
pub use plane::{Asking, Plane};
pub use route::{RouteInfo, control_plane, control_routes, data_plane, data_routes};

/// What handlers share.
#[derive(Clone, Debug)]
pub struct Api(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    road: Road,
    limits: RestLimits,
    surface: Surface,
    openapi: bytes::Bytes,
}

impl Api {
    fn new(road: Road, limits: RestLimits, surface: Surface, openapi: bytes::Bytes) -> Self {
        Self(Arc::new(Shared { road, limits, surface, openapi }))
    }

    pub(crate) fn road(&self) -> &Road {
        &self.0.road
    }

    pub(crate) fn limits(&self) -> &RestLimits {
        &self.0.limits
    }

    pub(crate) fn surface(&self) -> Surface {
        self.0.surface
    }

    pub(crate) fn openapi(&self) -> bytes::Bytes {
        self.0.openapi.clone()
    }
}
