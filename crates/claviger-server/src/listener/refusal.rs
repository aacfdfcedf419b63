//! Answers that a listener gives by itself, before or instead of the road: what is asked is too large, there is too much of
//! it, or it took too long. They say nothing about any key.

use axum::body::Body;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

/// Why the listener answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The body is larger than `limits.body_bytes`.
    BodyTooLarge,
    /// The answer did not come within `limits.request_seconds`.
    Deadline,
    /// More requests, or connections, than the listener bears.
    Overloaded,
}

impl Refusal {
    const fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                r#"{"type":"urn:claviger:problem:too-large","title":"the request is too large","status":413,"code":"too-large"}"#,
            ),
            Self::Deadline => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"type":"urn:claviger:problem:unavailable","title":"no answer within the time limit; what was asked may have been done and recorded","status":503,"code":"unavailable"}"#,
            ),
            Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"type":"urn:claviger:problem:overloaded","title":"too many calls at once; try again in a moment","status":503,"code":"overloaded"}"#,
            ),
        }
    }

    /// The answer. `closing`: the connection ends with it.
    pub(super) fn answer(self, closing: bool) -> Response<Body> {
        let (status, problem) = self.parts();
        let mut response = Response::new(Body::from(problem));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if closing {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The answer for too much at once.
pub(crate) fn overloaded() -> Response<Body> {
    Refusal::Overloaded.answer(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_a_problem_that_says_its_own_status() {
        for refusal in [Refusal::BodyTooLarge, Refusal::Deadline, Refusal::Overloaded] {
            let (status, text) = refusal.parts();
            let problem: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(problem["status"], status.as_u16());
            assert_eq!(
                problem["type"],
                format!("urn:claviger:problem:{}", problem["code"].as_str().unwrap())
            );
        }
    }
}
