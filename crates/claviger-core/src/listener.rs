//! The listeners by which calls come in.

use crate::action::Surface;

/// A listener that serves calls. One address is one listener, whatever protocols are behind it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ListenerName {
    /// The API of AWS KMS, with the external key store proxy beside it.
    Aws,
    /// People, by REST.
    Control,
    /// Applications, by REST.
    Data,
}

crate::named! {
    /// What it is called in the configuration, in numbers and in the log.
    ListenerName, "the name of a listener" {
        Aws = "aws",
        Control = "control",
        Data = "data",
    }
}

impl ListenerName {
    /// Its number in the log, which keeps its meaning for ever.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Control => 1,
            Self::Data => 2,
            Self::Aws => 3,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|listener| listener.code() == code)
    }
}

impl From<Surface> for ListenerName {
    fn from(surface: Surface) -> Self {
        match surface {
            Surface::Control => Self::Control,
            Surface::Data => Self::Data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_read_back() {
        for listener in ListenerName::ALL {
            assert_eq!(ListenerName::from_code(listener.code()), Some(listener));
            assert_eq!(listener.name().parse::<ListenerName>(), Ok(listener));
        }
        assert_eq!((ListenerName::from_code(0), ListenerName::from_code(4)), (None, None));
    }
}
