//! What HTTP needs to know of the protocol behind it: who asks, and how it is answered.
//!
//! A request comes in stages, and each needs less than the next: its head alone ([`Protocol::recall`]), the head and the store
//! ([`Protocol::look_up`]), the whole of it ([`Protocol::prove`]). Only a request whose caller is known is answered.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use bytes::Bytes;
use claviger_aws::Unread;
use claviger_core::{Action, PrincipalId};
use claviger_service::Presented;
use hyper::http::request::Parts;
use hyper::{Request, Response};

use super::Peer;

/// The body of a request that is answered.
#[derive(Debug)]
pub enum Payload {
    /// It is here as a whole.
    Whole(Bytes),
    /// It is read as the answer needs it.
    Coming(Body),
}

impl From<Payload> for Body {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Whole(bytes) => Self::from(bytes),
            Payload::Coming(body) => body,
        }
    }
}

/// An answer in the making.
pub type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// What a stage makes of a request: `Err` is the answer of one that goes no further.
pub type Staged<'a, T> = Pin<Box<dyn Future<Output = Result<T, Response<Body>>> + Send + 'a>>;

/// What the head of a request shows of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asking {
    /// Everyone may ask that. There is no caller, and no body.
    Anyone,
    /// The caller is known by the head alone.
    Known {
        /// Who it is.
        principal: PrincipalId,
        /// By what.
        presented: Presented,
    },
    /// The head names an access key that is in force. Whether it signed, shows when all of the request is there.
    Signed {
        /// Digest of the key's identifier.
        access_key: [u8; 32],
    },
    /// [`Protocol::look_up`] has to find out.
    Unknown,
}

/// A protocol over HTTP, as a listener sees it.
pub trait Protocol: Debug + Send + Sync + 'static {
    /// Which action is asked for, as far as a head shows; for the numbers only. An answer that has results of another use, or
    /// another number of them than one, says so by [`claviger_rest::Results`].
    fn action_of(&self, head: &Parts) -> Option<Action>;

    /// Write header names as `Content-Length` in HTTP/1? Some clients know them by no other spelling.
    fn title_case(&self) -> bool;

    /// Who asks, as far as head and memory show. Waits for nothing.
    fn recall(&self, peer: &Peer, head: &Parts) -> Asking;

    /// Who asks, where memory did not show it: [`Asking::Known`], [`Asking::Signed`], or the refusal.
    fn look_up<'a>(&'a self, peer: Peer, head: &'a Parts) -> Staged<'a, Asking>;

    /// Who signed a request that is all there, or the refusal.
    fn prove<'a>(
        &'a self,
        peer: Peer,
        head: &'a Parts,
        body: &'a [u8],
    ) -> Staged<'a, (PrincipalId, Presented)>;

    /// The answer to a request whose signature was never verified, because its body was not read.
    fn unread(&self, head: &Parts, why: Unread) -> Response<Body>;

    /// Answers a request of that caller.
    fn answer(&self, peer: Peer, presented: Presented, request: Request<Payload>) -> Answering;
}
