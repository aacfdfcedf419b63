//! What a signed request must be, and what refuses it.

mod defects;
mod properties;
mod suite;

use std::sync::Arc;

use claviger_access::authn::access_key::{Audience, digest_of};
use claviger_access::{AuthnError, Presented, SignatureRefused, SignedRequest, SigningSecret, authenticate};
use claviger_core::access_key::AccessKey;
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Status};
use claviger_core::{AccessKeyId, CredentialId, PrincipalId, Timestamp};
use claviger_crypto::SecretBytes;
use http::Request;

use super::{SigV4Error, read};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const ANY_TIME: Timestamp = Timestamp::from_micros(0);

/// Signed for that service, wherever.
fn audience(service: &'static str) -> Audience {
    Audience { service, region: None }
}

/// Reads a request that is HTTP/1.1 on the wire: lines that end with `\n`.
fn request_of(text: &str) -> Option<Request<Vec<u8>>> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, rest) = lines.next()?.split_once(' ')?;
    let mut builder = Request::builder().method(method).uri(rest.strip_suffix(" HTTP/1.1").unwrap_or(rest));
    for line in lines {
        let (name, value) = line.split_once(':')?;
        builder = builder.header(name, value.trim_matches(' '));
    }
    builder.body(body.as_bytes().to_vec()).ok()
}

fn read_request(request: Request<Vec<u8>>, service: &'static str) -> Result<SignedRequest, SigV4Error> {
    let (parts, body) = request.into_parts();
    read(&parts, &body, &audience(service))
}

/// What authentication says of a signed request, `now` being the instant of the call.
fn proves(
    signed: SignedRequest,
    secret: &str,
    session: Option<[u8; 32]>,
    now: Timestamp,
) -> Result<(), SignatureRefused> {
    let principal = Arc::new(Principal {
        revision: 1,
        ..Principal::new(
            PrincipalId::from_bytes([1; 16]),
            "app".parse().unwrap(),
            PrincipalKind::Workload,
            ANY_TIME,
        )
    });
    let access_key =
        AccessKey { id: AccessKeyId::random(false).unwrap(), sealed_secret: vec![], session_digest: session };
    let credential = Arc::new(Credential {
        id: CredentialId::from_bytes([2; 16]),
        principal: principal.id,
        kind: CredentialKind::AccessKey,
        digest: signed.access_key,
        access_key: Some(access_key),
        label: "test".parse().unwrap(),
        status: Status::Active,
        created_by: None,
        renews: None,
        awaits_confirmation: false,
        created_at: ANY_TIME,
        expires_at: Timestamp::from_micros(u64::MAX),
        reason: None,
        revision: 1,
    });
    let secret = SigningSecret::new(&SecretBytes::copied_from(secret.as_bytes()));
    let presented = Presented::signed(signed);
    match authenticate(&presented, Some(&credential), Some(&secret), Some(&principal), None, now) {
        Ok(_) => Ok(()),
        Err(AuthnError::Signature(id, refused)) => {
            assert_eq!(id, credential.id);
            Err(refused)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_access_key_is_looked_up_by_its_identifier() {
    let text = "GET / HTTP/1.1\nHost: a\nX-Amz-Date: 20150830T123600Z\nAuthorization: AWS4-HMAC-SHA256 \
                Credential=AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date, \
                Signature=0000000000000000000000000000000000000000000000000000000000000000";
    let signed = read_request(request_of(text).unwrap(), "kms").unwrap();
    assert_eq!(signed.access_key, digest_of("AKIDEXAMPLE"));
    assert_eq!(signed.scope.to_string(), "20150830/us-east-1/kms/aws4_request");
    assert_eq!((signed.presigned_for, signed.session), (None, None));
    let now = signed.signed_at;
    assert_eq!(proves(signed, SECRET, None, now), Err(SignatureRefused::Mismatch));
}
