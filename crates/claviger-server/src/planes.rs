//! The planes as listeners see them: who asks, and who answers.

use std::sync::Arc;

use axum::body::Body;
use claviger_aws::xks::{self, XksPeer};
use claviger_aws::{AwsLimits, Kms, Unread, XksProxy};
use claviger_core::{Action, PrincipalId};
use claviger_rest::{PeerIdentity, Plane, RestLimits, control_plane, data_plane};
use claviger_service::{Presented, Road};
use hyper::http::request::Parts;
use hyper::{Request, Response};

use crate::config::{Config, Limits, XksClients};
use crate::listener::{Answering, Asking, ConnectionProtocol, Http, Payload, Peer, Protocol, Staged};

/// The plane of people.
pub(crate) fn control(road: &Road, config: &Config) -> Arc<dyn ConnectionProtocol> {
    rest(control_plane(road.clone(), rest_limits(&config.limits)))
}

/// The plane of applications.
pub(crate) fn data(road: &Road, config: &Config) -> Arc<dyn ConnectionProtocol> {
    rest(data_plane(road.clone(), rest_limits(&config.limits)))
}

fn rest(plane: Plane) -> Arc<dyn ConnectionProtocol> {
    Arc::new(Http::new(Arc::new(Rest { plane })))
}

/// The API of AWS KMS; beside it, the proxy that AWS KMS itself asks.
pub(crate) fn aws(road: &Road, config: &Config) -> Arc<dyn ConnectionProtocol> {
    let usual = AwsLimits::default();
    let limits = AwsLimits {
        body: usual.body.min(config.limits.body_bytes),
        headers: usual.headers.min(config.limits.header_bytes),
    };
    let (prefix, clients) = config.xks.clone().map(|xks| (xks.prefix, xks.clients)).unzip();
    let kms = Kms::new(road.clone(), config.aws.clone(), limits);
    let proxy = XksProxy::new(road.clone(), prefix, limits);
    Arc::new(Http::new(Arc::new(Aws { kms, proxy, clients })))
}

/// A plane of REST.
#[derive(Debug)]
struct Rest {
    plane: Plane,
}

impl Protocol for Rest {
    fn action_of(&self, head: &Parts) -> Option<Action> {
        self.plane.use_of(head)
    }

    fn title_case(&self) -> bool {
        false
    }

    fn recall(&self, peer: &Peer, head: &Parts) -> Asking {
        match self.plane.recall(&identity(peer), head) {
            claviger_rest::Asking::Anyone => Asking::Anyone,
            claviger_rest::Asking::Known { principal, presented } => Asking::Known { principal, presented },
            claviger_rest::Asking::Unknown(_) => Asking::Unknown,
        }
    }

    fn look_up<'a>(&'a self, peer: Peer, head: &'a Parts) -> Staged<'a, Asking> {
        Box::pin(async move {
            match self.plane.recall(&identity(&peer), head) {
                claviger_rest::Asking::Anyone => Ok(Asking::Anyone),
                claviger_rest::Asking::Known { principal, presented } => {
                    Ok(Asking::Known { principal, presented })
                }
                claviger_rest::Asking::Unknown(presented) => {
                    let principal = self.plane.look_up(head, &presented).await?;
                    Ok(Asking::Known { principal, presented })
                }
            }
        })
    }

    /// Never asked: heads of this protocol prove their callers.
    fn prove<'a>(&'a self, peer: Peer, head: &'a Parts, _: &'a [u8]) -> Staged<'a, (PrincipalId, Presented)> {
        Box::pin(async move {
            let presented = claviger_rest::credential::presented(&head.headers, &identity(&peer));
            Ok((self.plane.look_up(head, &presented).await?, presented))
        })
    }

    fn unread(&self, _: &Parts, _: Unread) -> Response<Body> {
        crate::listener::overloaded()
    }

    fn answer(&self, peer: Peer, presented: Presented, request: Request<Payload>) -> Answering {
        Box::pin(self.plane.clone().answer_known(identity(&peer), presented, request.map(Body::from)))
    }
}

/// The API of AWS KMS, and the proxy beside it.
#[derive(Debug)]
struct Aws {
    kms: Kms,
    proxy: XksProxy,
    clients: Option<XksClients>,
}

impl Aws {
    /// The other end as the proxy sees it, if the request is for the proxy.
    fn for_proxy(&self, peer: &Peer, head: &Parts) -> Option<XksPeer> {
        if !xks::path::is_for(head.uri.path()) {
            return None;
        }
        let common_name = peer.certificate.map(|certificate| certificate.common_name);
        let is_admitted = self.clients.as_ref().is_some_and(|clients| clients.admit(common_name));
        Some(XksPeer { source: peer.source(), is_admitted })
    }
}

impl Protocol for Aws {
    fn action_of(&self, head: &Parts) -> Option<Action> {
        claviger_aws::use_of(head)
    }

    fn title_case(&self) -> bool {
        true
    }

    fn recall(&self, peer: &Peer, head: &Parts) -> Asking {
        let access_key = match self.for_proxy(peer, head) {
            Some(peer) => self.proxy.recall(peer, head),
            None => self.kms.recall(head),
        };
        access_key.map_or(Asking::Unknown, |access_key| Asking::Signed { access_key })
    }

    fn look_up<'a>(&'a self, peer: Peer, head: &'a Parts) -> Staged<'a, Asking> {
        Box::pin(async move {
            let access_key = match self.for_proxy(&peer, head) {
                Some(peer) => self.proxy.look_up(peer, head).await?,
                None => self.kms.look_up(head).await?,
            };
            Ok(Asking::Signed { access_key })
        })
    }

    fn prove<'a>(
        &'a self,
        peer: Peer,
        head: &'a Parts,
        body: &'a [u8],
    ) -> Staged<'a, (PrincipalId, Presented)> {
        Box::pin(async move {
            match self.for_proxy(&peer, head) {
                Some(peer) => self.proxy.prove(peer, head, body).await,
                None => self.kms.prove(peer.source(), head, body).await,
            }
        })
    }

    fn unread(&self, head: &Parts, why: Unread) -> Response<Body> {
        if xks::path::is_for(head.uri.path()) { self.proxy.unread(why) } else { self.kms.unread(head, why) }
    }

    fn answer(&self, peer: Peer, presented: Presented, request: Request<Payload>) -> Answering {
        let (head, body) = request.into_parts();
        let for_proxy = self.for_proxy(&peer, &head);
        let (kms, proxy) = (self.kms.clone(), self.proxy.clone());
        Box::pin(async move {
            // The signature was verified over it: all of it is here.
            let Payload::Whole(body) = body else { return crate::listener::overloaded() };
            match for_proxy {
                Some(peer) => proxy.answer_proved(peer, presented, &head, &body).await,
                None => kms.answer_proved(peer.source(), presented, &head, &body).await,
            }
        })
    }
}

fn identity(peer: &Peer) -> PeerIdentity {
    PeerIdentity {
        certificate: peer.certificate.map(|certificate| certificate.digest),
        address: peer.address,
        tls: peer.tls,
    }
}

fn rest_limits(limits: &Limits) -> RestLimits {
    let usual = RestLimits::default();
    RestLimits {
        body: usual.body.min(limits.body_bytes),
        batch_body: usual.batch_body.min(limits.body_bytes),
        headers: usual.headers.min(limits.header_bytes),
    }
}
