//! What a listener needs to know of the protocol behind it.

use axum::Router;
use claviger_core::Action;
use hyper::http::Extensions;
use hyper::{Method, Uri};

use super::Peer;

/// A protocol, as a listener sees it.
#[derive(Clone)]
pub struct Protocol {
    /// Answers requests.
    pub router: Router,
    /// Puts the other end into a request, in the form that the router looks for.
    pub introduce: fn(&Peer, &mut Extensions),
    /// Which action is asked for, as far as method and path tell; for the numbers only.
    pub action_of: fn(&Method, &Uri) -> Option<Action>,
}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Protocol(..)")
    }
}
