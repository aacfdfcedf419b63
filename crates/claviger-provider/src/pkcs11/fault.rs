//! What went wrong in a call to the token, and what that means for the caller and for the connection.

use claviger_core::port::ProviderError;
use cryptoki::error::{Error, RvError};

/// Why work on the token failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The answer is known, and the token is not to blame.
    Answer(ProviderError),
    /// A call failed whose input came from a caller: bad input is the likely cause.
    OnInput(Error),
    /// A call failed whose input came from storage: bad storage is the likely cause.
    OnStored(Error),
    /// A call failed.
    Token(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        Self::Answer(error)
    }
}

/// What a return value says of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The input was refused; the connection is good.
    Input,
    /// The token or the session is gone.
    Lost,
    /// It may be either: ask the token for the root to find out.
    Unclear,
}

impl Fault {
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Answer(_) => Verdict::Input,
            Self::OnInput(error) | Self::OnStored(error) | Self::Token(error) => verdict(error),
        }
    }

    /// The error for the caller, once it is known that the token is still there.
    pub(super) fn answer(self) -> ProviderError {
        match self {
            Self::Answer(error) => error,
            Self::OnInput(_) => ProviderError::BadInput,
            Self::OnStored(_) => ProviderError::BadWrap,
            Self::Token(error) if verdict(&error) == Verdict::Input => {
                ProviderError::InvalidParameter("the token does not take this input")
            }
            Self::Token(_) => ProviderError::Unavailable("the token failed"),
        }
    }

    /// Does it say that an object is not there any more?
    pub(super) fn is_stale_object(&self) -> bool {
        matches!(
            self,
            Self::Token(Error::Pkcs11(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid, _))
                | Self::OnInput(Error::Pkcs11(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid, _))
        )
    }
}

fn verdict(error: &Error) -> Verdict {
    let Error::Pkcs11(code, _) = error else {
        return Verdict::Unclear;
    };
    match code {
        RvError::DataInvalid
        | RvError::DataLenRange
        | RvError::EncryptedDataInvalid
        | RvError::EncryptedDataLenRange
        | RvError::PublicKeyInvalid
        | RvError::SignatureInvalid
        | RvError::SignatureLenRange
        | RvError::WrappedKeyInvalid
        | RvError::WrappedKeyLenRange => Verdict::Input,
        RvError::CryptokiNotInitialized
        | RvError::DeviceError
        | RvError::DeviceRemoved
        | RvError::SessionClosed
        | RvError::SessionHandleInvalid
        | RvError::SlotIdInvalid
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::UserNotLoggedIn => Verdict::Lost,
        _ => Verdict::Unclear,
    }
}

/// Did the token refuse the PIN, so that asking again would bring it closer to its lock?
pub(super) fn refuses_pin(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinExpired
                | RvError::PinLocked
                | RvError::UserPinNotInitialized,
            _
        )
    )
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    fn token(code: RvError) -> Error {
        Error::Pkcs11(code, Function::Decrypt)
    }

    #[test]
    fn bad_tag_of_either_kind_of_token_is_bad_input() {
        // SoftHSM says the first, kryoptic the second.
        for code in [RvError::GeneralError, RvError::EncryptedDataInvalid] {
            assert_eq!(Fault::OnInput(token(code)).answer(), ProviderError::BadInput);
            assert_eq!(Fault::OnStored(token(code)).answer(), ProviderError::BadWrap);
        }
        assert_eq!(Fault::OnInput(token(RvError::GeneralError)).verdict(), Verdict::Unclear);
    }

    #[test]
    fn removed_token_is_lost_and_locked_pin_is_refused() {
        for code in [RvError::DeviceRemoved, RvError::SessionHandleInvalid, RvError::TokenNotPresent] {
            assert_eq!(Fault::Token(token(code)).verdict(), Verdict::Lost);
        }
        assert!(refuses_pin(&token(RvError::PinLocked)));
        assert!(!refuses_pin(&token(RvError::DeviceRemoved)));
    }
}
