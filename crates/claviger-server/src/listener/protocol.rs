//! What a listener needs to know of the protocol behind it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use claviger_core::Action;
use hyper::{Request, Response};

use super::Peer;

/// An answer in the making.
pub type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A protocol, as a listener sees it.
#[derive(Clone)]
pub struct Protocol {
    /// Answers a request of that peer.
    pub answer: Arc<dyn Fn(Peer, Request<Body>) -> Answering + Send + Sync>,
    /// Which action is asked for, as far as a request tells before it is read; for the numbers only.
    pub action_of: fn(&Request<Body>) -> Option<Action>,
    /// Write header names as `Content-Length` in HTTP/1? Some clients know them by no other spelling.
    pub title_case: bool,
}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Protocol(..)")
    }
}
