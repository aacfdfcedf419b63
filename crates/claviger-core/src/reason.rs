//! Why people act: a code of a closed list, a text, or both.
//!
//! What it keeps true: a text is bounded and has no control characters, and no `Debug` form shows it. It may name people: it
//! is kept under a key of its own, which can be erased alone.

use std::fmt;
use std::str::FromStr;

use crate::action::Action;
use crate::id::{PrincipalId, ReasonId};
use crate::time::Timestamp;

/// What a reason comes to, in one word. After the reasons for which certificates are revoked (RFC 5280, 5.3.1) and keys
/// (SP 800-57 part 1 rev. 5, 8.3.5). The numbers are for ever: facts have them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u16)]
pub enum ReasonCode {
    /// It is known to be in other hands (`keyCompromise`).
    CompromiseConfirmed = 1,
    /// It may be in other hands (`keyCompromise`).
    CompromiseSuspected = 2,
    /// A credential was lost.
    CredentialLost = 3,
    /// Somebody left (`affiliationChanged`).
    PersonLeft = 4,
    /// Somebody's duties changed (`affiliationChanged`).
    DutiesChanged = 5,
    /// Another one has taken its place (`superseded`).
    Superseded = 6,
    /// It is needed no more (`cessationOfOperation`).
    CessationOfOperation = 7,
    /// The right to it was taken away (`privilegeWithdrawn`).
    PrivilegeWithdrawn = 8,
    /// It was used against the rules.
    Misuse = 9,
    /// For the time of work on a system (`certificateHold`).
    Maintenance = 10,
    /// Until something is known (`certificateHold`).
    Precaution = 11,
    /// Somebody asked for data about themselves to be erased (GDPR Art 17).
    ErasureRequest = 12,
}

crate::named! {
    /// Text that is not the code of a reason.
    ReasonCode, "the code of a reason" {
        CompromiseConfirmed = "compromise_confirmed",
        CompromiseSuspected = "compromise_suspected",
        CredentialLost = "credential_lost",
        PersonLeft = "person_left",
        DutiesChanged = "duties_changed",
        Superseded = "superseded",
        CessationOfOperation = "cessation_of_operation",
        PrivilegeWithdrawn = "privilege_withdrawn",
        Misuse = "misuse",
        Maintenance = "maintenance",
        Precaution = "precaution",
        ErasureRequest = "erasure_request",
    }
}

impl ReasonCode {
    /// Its number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The one with that number.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

/// Not a text that a reason can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the text of a reason has 1 to {} bytes, is not blank, and has no control characters",
    ReasonText::MAX
)]
pub struct NotAReason;

/// The text of a reason: 1 to [`ReasonText::MAX`] bytes, not blank, without control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReasonText(String);

impl ReasonText {
    /// Longest text, in bytes.
    pub const MAX: usize = 1024;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReasonText {
    type Err = NotAReason;

    fn from_str(text: &str) -> Result<Self, NotAReason> {
        let valid = text.len() <= Self::MAX && !text.trim().is_empty() && !text.chars().any(char::is_control);
        if valid { Ok(Self(text.to_owned())) } else { Err(NotAReason) }
    }
}

impl fmt::Debug for ReasonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReasonText({} bytes)", self.0.len())
    }
}

/// Why somebody asks for something: a code, a text, or both; never neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    code: Option<ReasonCode>,
    text: Option<ReasonText>,
}

impl Reason {
    /// A reason of these; `None` of neither.
    #[must_use]
    pub fn new(code: Option<ReasonCode>, text: Option<ReasonText>) -> Option<Self> {
        if code.is_none() && text.is_none() { None } else { Some(Self { code, text }) }
    }

    /// The code, if it has one.
    #[must_use]
    pub const fn code(&self) -> Option<ReasonCode> {
        self.code
    }

    /// The text, if it has one.
    #[must_use]
    pub const fn text(&self) -> Option<&ReasonText> {
        self.text.as_ref()
    }
}

impl From<ReasonCode> for Reason {
    fn from(code: ReasonCode) -> Self {
        Self { code: Some(code), text: None }
    }
}

impl From<ReasonText> for Reason {
    fn from(text: ReasonText) -> Self {
        Self { code: None, text: Some(text) }
    }
}

/// Why there is no reason where one belongs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Unasked {
    /// It was done by the system itself, as by a job.
    System,
    /// It was asked for in a protocol that has no place for a reason.
    Protocol,
}

crate::named! {
    /// Text that does not say why there is no reason.
    Unasked, "why there is no reason" {
        System = "system",
        Protocol = "protocol",
    }
}

/// Why a row is as it is, as it stands in the row: by a reason that was given, or without one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Why {
    /// The reason has a row of its own.
    Given(ReasonId),
    /// Nobody was asked for one.
    Unasked(Unasked),
}

impl Why {
    /// The reason, if one was given.
    #[must_use]
    pub const fn given(self) -> Option<ReasonId> {
        match self {
            Self::Given(id) => Some(id),
            Self::Unasked(_) => None,
        }
    }

    /// As bytes: the identifier, or one byte that says why there is none.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Given(id) => id.as_bytes().to_vec(),
            Self::Unasked(Unasked::System) => vec![1],
            Self::Unasked(Unasked::Protocol) => vec![2],
        }
    }

    /// What [`Self::to_bytes`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [1] => Some(Self::Unasked(Unasked::System)),
            [2] => Some(Self::Unasked(Unasked::Protocol)),
            id => Some(Self::Given(ReasonId::from_bytes(id.try_into().ok()?))),
        }
    }
}

/// The text of a reason at rest.
#[derive(Clone, PartialEq, Eq)]
pub enum TextAtRest {
    /// There is none, or it was erased.
    None,
    /// Sealed under the reason's own key.
    Sealed(Vec<u8>),
    /// As an older release kept it; the first start of this one seals it.
    Clear(String),
}

impl fmt::Debug for TextAtRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Sealed(_) => "Sealed(..)",
            Self::Clear(_) => "Clear(..)",
        })
    }
}

/// A reason as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonRecord {
    /// Its identifier.
    pub id: ReasonId,
    /// For what it was given.
    pub action: Action,
    /// Its code, which stays when the text is erased.
    pub code: Option<ReasonCode>,
    /// Its text.
    pub text: TextAtRest,
    /// Who gave it.
    pub given_by: PrincipalId,
    /// When it was given.
    pub given_at: Timestamp,
    /// That its text was erased.
    pub erasure: Option<Erasure>,
    /// Counts the writes of this row.
    pub revision: u64,
}

/// A reason with the sealed key of its text, as long as there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReason {
    /// The reason.
    pub record: ReasonRecord,
    /// The key, sealed.
    pub key: Option<Vec<u8>>,
    /// Is its row as a server wrote it?
    pub holds: bool,
}

/// That something was erased: the text of a reason, or who a principal was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The principal that ordered it.
    pub by: PrincipalId,
    /// When it was erased.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_of_one_line() {
        for good in ["x", "found on a mailing list", &"ü".repeat(ReasonText::MAX / 2)] {
            assert_eq!(good.parse::<ReasonText>().unwrap().as_str(), good);
        }
        for bad in ["", "  ", "two\nlines", "\u{7f}", "\u{9b}31m", &"x".repeat(ReasonText::MAX + 1)] {
            assert_eq!(bad.parse::<ReasonText>(), Err(NotAReason), "{bad:?}");
        }
    }

    #[test]
    fn no_debug_form_shows_a_text() {
        let text = "mallory did it";
        let reason = Reason::from(text.parse::<ReasonText>().unwrap());
        let kept = TextAtRest::Clear(text.to_owned());
        assert!(!format!("{reason:?} {kept:?}").contains("mallory"));
    }

    #[test]
    fn codes_and_causes_read_back() {
        for code in ReasonCode::ALL {
            assert_eq!(ReasonCode::from_code(code.code()), Some(code));
        }
        assert_eq!(ReasonCode::from_code(0), None);
        let given = Why::Given(ReasonId::from_bytes([1; 16]));
        for why in [given, Why::Unasked(Unasked::System), Why::Unasked(Unasked::Protocol)] {
            assert_eq!(Why::from_bytes(&why.to_bytes()), Some(why));
        }
        for bad in [&[][..], &[0], &[3], &[1; 15], &[1; 17]] {
            assert_eq!(Why::from_bytes(bad), None);
        }
    }
}
