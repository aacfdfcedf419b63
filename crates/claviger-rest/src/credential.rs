//! Finds the credential of a request: a bearer token (RFC 6750, 2.1) or a code to enrol with, which is presented in the same way, or
//! the certificate of the TLS handshake.

use claviger_service::Presented;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::PeerIdentity;

/// What the request shows of who it is from.
///
/// A token is shown on purpose with each request, a certificate belongs to the connection: the token goes first. What is
/// neither token nor code counts as nothing shown, certificate or not, so that nobody acts under another name than they meant to.
#[must_use]
pub fn presented(headers: &HeaderMap, peer: &PeerIdentity) -> Presented {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => peer.certificate.map_or(Presented::None, |digest| Presented::Certificate { digest }),
        (Some(value), None) => value.to_str().ok().and_then(bearer).unwrap_or(Presented::None),
        (Some(_), Some(_)) => Presented::None,
    }
}

fn bearer(value: &str) -> Option<Presented> {
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Presented::bearer(token).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn peer(certificate: Option<[u8; 32]>) -> PeerIdentity {
        PeerIdentity { certificate, address: ([127, 0, 0, 1], 1).into(), tls: None }
    }

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_certificate_counts_when_no_token_was_meant() {
        let shown = presented(&headers(&[]), &peer(Some([7; 32])));
        assert_eq!(shown, Presented::Certificate { digest: [7; 32] });
        assert_eq!(presented(&headers(&[]), &peer(None)), Presented::None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test shows the code that it is given")]
    fn a_code_is_presented_as_a_token_is_and_is_none() {
        let id = claviger_core::CredentialId::from_bytes([1; 16]);
        let (code, digest) = claviger_service::EnrolmentCode::generate(id).unwrap();
        let text = format!("bearer {}", std::str::from_utf8(code.into_text().expose()).unwrap());
        let headers: HeaderMap = [(AUTHORIZATION, text.parse().unwrap())].into_iter().collect();
        assert_eq!(presented(&headers, &peer(Some([7; 32]))), Presented::EnrolmentCode { digest });
    }

    #[test]
    fn what_is_not_a_token_is_unauthenticated_even_with_a_certificate() {
        for bad in ["Bearer", "Bearer ", "Basic dTpw", "Bearer nonsense", "Bearer  x", ""] {
            assert_eq!(presented(&headers(&[bad]), &peer(Some([7; 32]))), Presented::None, "{bad}");
        }
        assert_eq!(presented(&headers(&["Bearer a", "Bearer b"]), &peer(Some([7; 32]))), Presented::None);
    }
}
