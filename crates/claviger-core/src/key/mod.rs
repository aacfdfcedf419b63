//! Rings, keys, versions and their lives.

mod context;
pub mod lifecycle;
mod record;
mod ring;
mod version;

pub use context::{ContextField, NotAContextField, RequiredContext, TooManyContextFields};
pub use lifecycle::{Event, NoTransition, State};
pub use record::{Destruction, DestructionBlocked, Key, KeyRecord, Labels, NotALabel, PolicyDocument};
pub use ring::{AssetRule, KeyRing, PlaintextDataKeys, RingPolicy, RootWrap, RotatedKeys, Separation};
pub use version::{
    Generator, Imported, ImportedMaterial, KeyVersion, Origin, Processing, Protecting, Protection,
    Provenance, RefusedFor, Rotation, Transport, UseRefused, Wrap, WrappingKey,
};

/// What the data under a key is, which decides the regimes that bind it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DataClass {
    /// What people and programs prove who they are with: passwords, tokens, keys.
    Authentication,
    /// Payment card data (PCI DSS).
    Cardholder,
    /// Confidential by the owner's own rules.
    Confidential,
    /// Electronic protected health information (HIPAA).
    Ephi,
    /// For use inside the organization.
    Internal,
    /// Personal data (GDPR Art 4).
    Personal,
    /// Special categories of personal data (GDPR Art 9).
    PersonalSpecial,
    /// Made up for tests: nobody's data, to which no regime applies.
    Test,
}

impl DataClass {
    /// Is it restricted: account data, health records, special categories of personal data, authentication data?
    #[must_use]
    pub const fn is_restricted(self) -> bool {
        matches!(self, Self::Authentication | Self::Cardholder | Self::Ephi | Self::PersonalSpecial)
    }

    /// Is data of this class held less closely than that of another? Classes are held alike by kinds: what is restricted, what is
    /// confidential or personal, what is for use inside, what is nobody's.
    #[must_use]
    pub const fn is_below(self, other: Self) -> bool {
        self.closeness() < other.closeness()
    }

    const fn closeness(self) -> u8 {
        match self {
            Self::Test => 0,
            Self::Internal => 1,
            Self::Confidential | Self::Personal => 2,
            Self::Authentication | Self::Cardholder | Self::Ephi | Self::PersonalSpecial => 3,
        }
    }
}

crate::named! {
    /// Text that is not a data class.
    DataClass, "a data class" {
        Authentication = "authentication",
        Cardholder = "cardholder",
        Confidential = "confidential",
        Ephi = "ephi",
        Internal = "internal",
        Personal = "personal",
        PersonalSpecial = "personal_special",
        Test = "test",
    }
}
