//! Why something is done: the options that say it, how it is shown, and `claviger reason …`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use claviger_client::types::{GiveReason, Reason};
use claviger_core::ReasonId;
use claviger_core::reason::{ReasonCode, ReasonText, Unasked};

use crate::failure::Failure;
use crate::input::consent::Consent;
use crate::output::record;
use crate::session::Session;

/// Why: one of both at least.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
pub struct WhyArgs {
    /// Why; it is kept with what is done, sealed under a key of its own
    #[arg(long, value_name = "TEXT", value_parser = parse_text)]
    reason: Option<String>,
    /// Why, in one word; enough where a responder suspends or revokes
    #[arg(long, value_name = "CODE", value_parser = codes())]
    reason_code: Option<ReasonCode>,
}

/// Why, for who likes to say it.
#[derive(Debug, Clone, Args)]
pub struct MaybeWhyArgs {
    /// Why; it is kept with what is done, sealed under a key of its own
    #[arg(long, value_name = "TEXT", value_parser = parse_text)]
    reason: Option<String>,
}

impl From<WhyArgs> for GiveReason {
    fn from(why: WhyArgs) -> Self {
        Self { reason: why.reason, reason_code: why.reason_code.map(Into::into) }
    }
}

impl From<MaybeWhyArgs> for GiveReason {
    fn from(why: MaybeWhyArgs) -> Self {
        Self { reason: why.reason, reason_code: None }
    }
}

#[cfg(test)]
impl From<&str> for WhyArgs {
    fn from(text: &str) -> Self {
        Self { reason: Some(text.to_owned()), reason_code: None }
    }
}

fn parse_text(text: &str) -> Result<String, String> {
    text.parse::<ReasonText>().map(|text| text.as_str().to_owned()).map_err(|error| error.to_string())
}

fn codes() -> impl TypedValueParser<Value = ReasonCode> {
    PossibleValuesParser::new(ReasonCode::ALL.map(ReasonCode::name)).try_map(|word| word.parse())
}

/// A reason in one line; empty where there is none.
pub(super) fn reported(reason: Option<&Reason>) -> String {
    let Some(reason) = reason else { return String::new() };
    match reason.unasked.as_deref() {
        Some(Unasked::System) => return "none: done by the system".to_owned(),
        Some(Unasked::Protocol) => return "none: the protocol has no place for one".to_owned(),
        None => {}
    }
    let code = reason.code.as_ref().map(ToString::to_string);
    let text = match (&reason.text, &reason.erased_at, &code) {
        (Some(text), ..) => Some(text.clone()),
        (None, Some(at), _) => Some(format!("(erased at {at})")),
        (None, None, Some(_)) => None,
        (None, None, None) => Some("(its text does not open: run `claviger audit verify`)".to_owned()),
    };
    [code, text].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// The identifier of a reason, to erase it by.
pub(super) fn id_of(reason: Option<&Reason>) -> String {
    reason.and_then(|reason| reason.id.as_ref()).map(ToString::to_string).unwrap_or_default()
}

/// What can be done about reasons.
#[derive(Debug, Clone, Subcommand)]
pub enum ReasonCommand {
    /// Erase the text of a reason, as when it names somebody who asks for that
    ///
    /// The text goes for good, here and from what is disclosed of the log; its code stays, and so does who gave it, when and for
    /// what. The log verifies as before. Nobody erases a reason that they gave themselves. The identifier stands in `key show`,
    /// `grant show` and, with `-o json`, `audit search`.
    ///
    /// Example: claviger reason erase 0d5e... --reason-code erasure_request --reason "request 4711"
    Erase(EraseArgs),
}

/// Which reason, and why.
#[derive(Debug, Clone, Args)]
pub struct EraseArgs {
    /// Reason, by id
    id: ReasonId,
    #[command(flatten)]
    why: WhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl ReasonCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::Erase(EraseArgs { id, why, yes }) = self;
        let question = format!("the text of reason {id} is erased for good; nobody can bring it back.");
        Consent::of(yes).require(&question, &id.to_string())?;
        let erased = session.client()?.erase_reason(id, &why.into()).await?.value;
        session.format.print(&erased, |erased| {
            record(&[("reason id", id_of(Some(erased))), ("reason", reported(Some(erased)))])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_shown_in_one_line() {
        let given = Reason {
            code: Some(ReasonCode::Misuse.into()),
            text: Some("seen twice".to_owned()),
            ..Reason::default()
        };
        assert_eq!(reported(Some(&given)), "misuse: seen twice");
        assert_eq!(reported(Some(&Reason { text: None, ..given.clone() })), "misuse");
        let erased_at = Some(claviger_core::Timestamp::from_micros(1_000_000).into());
        assert_eq!(
            reported(Some(&Reason { text: None, erased_at, ..given })),
            "misuse: (erased at 1970-01-01T00:00:01Z)"
        );
        let system = Reason { unasked: Some(Unasked::System.into()), ..Reason::default() };
        assert_eq!(reported(Some(&system)), "none: done by the system");
        assert!(reported(Some(&Reason::default())).contains("audit verify"));
        assert_eq!(reported(None), "");
    }

    #[test]
    fn texts_are_judged_before_anything_is_sent() {
        assert!(parse_text("").is_err() && parse_text("two\nlines").is_err());
    }
}
