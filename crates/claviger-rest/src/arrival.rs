//! What is read of a request before its body: who, from where, and the caller's own words for the call.

use axum::extract::FromRequestParts;
use claviger_client::types::header;
use claviger_client::types::text::ReasonCodeWord;
use claviger_core::ApprovalId;
use claviger_core::reason::Reason;
use claviger_service::operation::{Call, Executed, Operation, Plan, Released, WeighedAct};
use claviger_service::{BatchTurn, ErrorKind, Presented};
use http::HeaderMap;
use http::header::IF_MATCH;
use http::request::Parts;

use crate::error::{Failure, to_wire};
use crate::plane::word;
use crate::wire::reason::reason_from_wire;
use crate::{Api, PeerIdentity};

/// Who asks, and with what. The plane puts it into every request that it routes.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) peer: PeerIdentity,
    pub(crate) presented: Presented,
}

/// A call in the making: its caller was found in the head of the request. Whether it may do what it asks, the road says.
#[derive(Clone, Debug)]
pub struct Arrival {
    api: Api,
    caller: Caller,
    request_id: Option<Box<str>>,
    idempotency_key: Option<Box<str>>,
    reason: Option<Reason>,
}

impl FromRequestParts<Api> for Arrival {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let caller = parts.extensions.remove::<Caller>().ok_or_else(|| {
            tracing::error!("the plane handed over a request without its caller");
            Failure::new(to_wire(ErrorKind::Internal), "")
        })?;
        Self::new(api, caller, &parts.headers)
    }
}

impl Arrival {
    /// Reads the caller's words for the call.
    ///
    /// # Errors
    /// A [`Failure`] for words of the caller's that are none.
    pub(crate) fn new(api: &Api, caller: Caller, headers: &HeaderMap) -> Result<Self, Failure> {
        Ok(Self {
            api: api.clone(),
            caller,
            request_id: text_of(headers, header::REQUEST_ID)?,
            idempotency_key: text_of(headers, header::IDEMPOTENCY_KEY)?,
            reason: None,
        })
    }

    /// The handlers' shared state.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// The same call, made for this reason.
    ///
    /// # Errors
    /// A [`Failure`] for a text that no reason has.
    pub(crate) fn because(self, text: Option<String>, code: Option<ReasonCodeWord>) -> Result<Self, Failure> {
        Ok(Self { reason: reason_from_wire(text, code)?, ..self })
    }

    /// Takes an operation down the road.
    pub(crate) fn perform<O: Operation>(
        self,
        operation: O,
    ) -> impl Future<Output = Result<Released<O::Output>, Failure>> + Send {
        let (api, call) = self.into_call(operation);
        async move { Ok(api.road().perform(call).await?) }
    }

    /// Does what others have approved, as who asked for it.
    pub(crate) fn execute(
        self,
        approval: ApprovalId,
    ) -> impl Future<Output = Result<Released<Executed>, Failure>> + Send {
        let (api, call) = self.into_call(approval);
        async move { Ok(api.road().execute(call).await?) }
    }

    /// Asks others to approve several acts at once, or does them once they have.
    pub(crate) fn ask_plan(
        self,
        plan: Plan,
    ) -> impl Future<Output = Result<Released<Executed>, Failure>> + Send {
        let (api, call) = self.into_call(plan);
        async move { Ok(api.road().ask_plan(call).await?) }
    }

    /// Asks how many others must approve each of several acts.
    pub(crate) fn check_plan(
        self,
        plan: Plan,
    ) -> impl Future<Output = Result<Released<Vec<WeighedAct>>, Failure>> + Send {
        let (api, call) = self.into_call(plan);
        async move { Ok(api.road().check_plan(call).await?) }
    }

    /// Waits for the turn of the caller's batch, which has so many bytes.
    ///
    /// # Errors
    /// A [`Failure`] when the caller has too much waiting.
    pub(crate) async fn batch_turn(&self, bytes: usize) -> Result<BatchTurn, Failure> {
        let (source, listener) = (self.caller.peer.source(), self.api.surface().into());
        Ok(self.api.road().batch_turn(&self.caller.presented, source, listener, bytes).await?)
    }

    /// Takes a batch down the road whose turn it is.
    pub(crate) fn perform_in_turn<O: Operation>(
        self,
        operation: O,
        turn: &BatchTurn,
    ) -> impl Future<Output = Result<Released<O::Output>, Failure>> + Send {
        let (api, call) = self.into_call(operation);
        async move { Ok(api.road().perform_in_turn(call, turn).await?) }
    }

    fn into_call<O>(self, operation: O) -> (Api, Call<O>) {
        let call = Call {
            presented: self.caller.presented,
            source: self.caller.peer.source(),
            listener: self.api.surface().into(),
            plane: self.api.surface().into(),
            dry_run: false,
            request_id: self.request_id,
            idempotency_key: self.idempotency_key,
            reason: self.reason,
            operation,
        };
        (self.api, call)
    }
}

fn text_of(headers: &HeaderMap, name: &'static str) -> Result<Option<Box<str>>, Failure> {
    Ok(word(headers, name)?.and_then(|value| value.to_str().ok().map(Box::from)))
}

/// The revision that `If-Match` names (RFC 9110, 13.1.1), as the `ETag` of a read gave it.
pub(crate) fn if_revision(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let wrong = || Failure::malformed("`if-match` must be the ETag of a read, once, or `*`");
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong());
    }
    if value.as_bytes() == b"*" {
        return Ok(None);
    }
    let text = value.to_str().map_err(|_| wrong())?;
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(wrong)?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    number.parse().map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_revision_has_one_spelling() {
        let of = |text: &'static str| {
            let headers: HeaderMap = [(IF_MATCH, HeaderValue::from_static(text))].into_iter().collect();
            if_revision(&headers).map_err(|failure| failure.problem().code)
        };
        assert_eq!(of("\"17\""), Ok(Some(17)));
        assert_eq!(of("*"), Ok(None));
        for bad in ["17", "W/\"17\"", "\"17\", \"18\"", "\"+17\"", "\"\"", "\"18446744073709551616\""] {
            assert_eq!(of(bad), Err("malformed-request"), "{bad}");
        }
    }
}
