//! Closed sets of words: one list gives the text form, its parser and the enumeration.

/// Text that is none of a set's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {what}: one of {words} is expected")]
pub struct NotAWord {
    /// What was expected, with its article.
    pub what: &'static str,
    /// The words there are.
    pub words: &'static str,
}

/// Gives an enum its words: `ALL`, `name()`, `Display` and `FromStr`.
#[macro_export]
#[doc(hidden)]
macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every one there is.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Its word, the same in every interface.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::named::NotAWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::named::NotAWord {
                        what: $what,
                        words: concat!($("`", $word, "` "),+),
                    }),
                }
            }
        }
    };
}
