//! The one operation of AWS STS that tools ask before anything else: who am I. It speaks the older query protocol: a form in,
//! XML out.

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::answer::{Answer, escaped};
use crate::error::{AwsError, code};
use crate::request::content_type;
use crate::session::Session;

/// Is the request one for STS? Its body is a form, which those of AWS KMS never are.
pub(crate) fn is_for(headers: &HeaderMap) -> bool {
    content_type(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

pub(crate) const NAME: &str = "GetCallerIdentity";

/// The operation that a form names.
///
/// # Errors
/// `UnknownOperationException` for any other than the one there is.
pub(crate) fn named(form: &[u8]) -> Result<(), AwsError> {
    let unknown = || {
        AwsError::new(
            code::UNKNOWN_OPERATION,
            "of AWS STS, GetCallerIdentity is answered here and nothing else",
        )
    };
    let form = std::str::from_utf8(form).map_err(|_| unknown())?;
    let mut actions = form.split('&').filter_map(|pair| pair.strip_prefix("Action="));
    let (Some(action), None) = (actions.next(), actions.next()) else { return Err(unknown()) };
    let is_it = percent_decode_str(action).decode_utf8().is_ok_and(|action| action == NAME);
    if is_it { Ok(()) } else { Err(unknown()) }
}

pub(crate) async fn get_caller_identity(session: &Session<'_>) -> Result<Answer, AwsError> {
    let done = session.read_self().await?;
    let principal = &done.output;
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
        escaped(&session.realm().user_arn(&principal.name)),
        principal.id,
        session.realm().account,
        session.request_id(),
    );
    Ok(Answer::xml(body).recorded(done.receipt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_operation_is_known() {
        named(b"Action=GetCallerIdentity&Version=2011-06-15").unwrap();
        named(b"Version=2011-06-15&Action=Get%43allerIdentity").unwrap();
        for bad in [&b""[..], b"Action=", b"Action=AssumeRole", b"Action=GetCallerIdentity&Action=x", b"\xff"]
        {
            assert!(named(bad).is_err());
        }
    }
}
