//! The two planes as listeners see them: who answers, and which action a path asks for.

use std::sync::Arc;

use axum::body::Body;
use claviger_aws::xks::{self, XksPeer};
use claviger_aws::{AwsLimits, Kms, Realm, XksProxy};
use claviger_core::Action;
use claviger_core::action::Surface;
use claviger_rest::{PeerIdentity, Plane, RestLimits, control_plane, data_plane};
use claviger_service::Road;
use hyper::Request;

use crate::config::{Limits, Xks};
use crate::listener::{Answering, Peer, Protocol};

/// The plane of people.
pub(crate) fn control(road: Road, limits: &Limits) -> Protocol {
    protocol(control_plane(road, rest_limits(limits)), |_| None)
}

/// The plane of applications.
pub(crate) fn data(road: Road, limits: &Limits) -> Protocol {
    protocol(data_plane(road, rest_limits(limits)), use_of)
}

/// The API of AWS KMS; beside it, the proxy that AWS KMS itself asks.
pub(crate) fn aws(road: Road, realm: Realm, xks: Option<Xks>, limits: &Limits) -> Protocol {
    let usual = AwsLimits::default();
    let limits = AwsLimits {
        body: usual.body.min(limits.body_bytes),
        headers: usual.headers.min(limits.header_bytes),
    };
    let (prefix, clients) = xks.map(|xks| (xks.prefix, xks.clients)).unzip();
    let (kms, clients) = (Kms::new(road.clone(), realm, limits), Arc::new(clients));
    let proxy = XksProxy::new(road, prefix, limits);
    let answer = move |peer: Peer, request: Request<Body>| {
        if !xks::path::is_for(request.uri().path()) {
            let kms = kms.clone();
            return Box::pin(async move { kms.answer(peer.address, request).await }) as Answering;
        }
        let common_name = peer.certificate.map(|certificate| certificate.common_name);
        let is_admitted = clients.as_ref().as_ref().is_some_and(|clients| clients.admit(common_name));
        let (proxy, peer) = (proxy.clone(), XksPeer { address: peer.address, is_admitted });
        Box::pin(async move { proxy.answer(peer, request).await }) as Answering
    };
    Protocol { answer: Arc::new(answer), action_of: aws_use_of, title_case: true }
}

/// The use that a path of the proxy asks for; the API of AWS KMS names its operations in a header.
fn aws_use_of(request: &Request<Body>) -> Option<Action> {
    let path = request.uri().path();
    if !xks::path::is_for(path) {
        return claviger_aws::use_of(request.headers());
    }
    match path.rsplit_once('/')?.1 {
        "decrypt" => Some(Action::Decrypt),
        "encrypt" => Some(Action::Encrypt),
        _ => None,
    }
}

fn protocol(plane: Plane, action_of: fn(&Request<Body>) -> Option<Action>) -> Protocol {
    let plane = Arc::new(plane);
    let answer = move |peer: Peer, request| {
        let (plane, peer) = (Arc::clone(&plane), identity(&peer));
        Box::pin(async move { plane.answer(peer, request).await }) as Answering
    };
    Protocol { answer: Arc::new(answer), action_of, title_case: false }
}

fn identity(peer: &Peer) -> PeerIdentity {
    PeerIdentity {
        certificate: peer.certificate.map(|certificate| certificate.digest),
        address: peer.address,
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

/// The use that a path of the data plane asks for: its last word, without `batch`. Whatever is no use counts as none, so
/// that no word of a caller becomes a label.
fn use_of(request: &Request<Body>) -> Option<Action> {
    use_of_path(request.uri().path())
}

fn use_of_path(path: &str) -> Option<Action> {
    let path = path.strip_suffix("/batch").unwrap_or(path);
    let word = path.rsplit('/').next()?;
    let action = match word {
        "datakey" => Some(Action::GenerateDataKey),
        "verify-mac" => Some(Action::VerifyMac),
        "public-key" => Some(Action::ReadPublicKey),
        word => word.parse().ok(),
    };
    action.filter(|action: &Action| action.surface() == Surface::Data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_data_plane_that_is_a_use_is_counted_as_one() {
        for route in claviger_rest::data_routes() {
            let path = route.path.replace("{key}", "orders%2Fmain");
            let is_use = route.path.starts_with("/v1/keys/")
                || ["/v1/decrypt", "/v1/random"].contains(&route.path.trim_end_matches("/batch"));
            assert_eq!(use_of_path(&path).is_some(), is_use, "{}", route.path);
        }
    }

    #[test]
    fn words_of_callers_are_no_labels() {
        for path in ["/v1/keys/create_key", "/v1/secret-name", "/", "/v1/keys/a%2Fb/explode"] {
            assert_eq!(use_of_path(path), None, "{path}");
        }
        assert_eq!(use_of_path("/v1/keys/a%2Fb/sign/batch"), Some(Action::Sign));
    }

    #[test]
    fn uses_by_the_proxy_are_counted_as_uses() {
        for (path, use_of) in [
            ("/a/kms/xks/v1/keys/b/encrypt", Some(Action::Encrypt)),
            ("/a/kms/xks/v1/keys/b/decrypt", Some(Action::Decrypt)),
            ("/a/kms/xks/v1/keys/b/metadata", None),
            ("/a/kms/xks/v1/health", None),
            ("/encrypt", None),
            ("/", None),
        ] {
            let request = Request::post(path).body(Body::empty()).unwrap();
            assert_eq!(aws_use_of(&request), use_of, "{path}");
        }
    }
}
