//! Consent to what cannot be undone.

use std::io::{self, BufRead, IsTerminal as _};

use crate::failure::Failure;

/// How a person consents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// By `--yes`.
    Given,
    /// Not yet; there is a terminal to ask on.
    Ask,
    /// Not given, and there is nobody to ask.
    Absent,
}

impl Consent {
    /// What `--yes` and the terminal say together.
    pub(crate) fn of(yes: bool) -> Self {
        match (yes, io::stdin().is_terminal()) {
            (true, _) => Self::Given,
            (false, true) => Self::Ask,
            (false, false) => Self::Absent,
        }
    }

    /// Asks, where somebody is there to ask: `question`, to be answered with `word`.
    ///
    /// # Errors
    /// When the answer is another, or nobody is there who could give it.
    pub(crate) fn require(self, question: &str, word: &str) -> Result<(), Failure> {
        self.require_from(question, word, &mut io::stdin().lock())
    }

    fn require_from(self, question: &str, word: &str, answers: &mut impl BufRead) -> Result<(), Failure> {
        match self {
            Self::Given => return Ok(()),
            Self::Absent => {
                return Err(Failure::usage(format!(
                    "{question}\nThere is no terminal to ask on: nothing was done"
                ))
                .advise("give `--yes` if it is meant"));
            }
            Self::Ask => {}
        }
        crate::output::say(&format!("{question}\ntype `{word}` to go on:"));
        let mut answer = String::new();
        let read = answers.read_line(&mut answer).map_err(|error| Failure::failed(error.to_string()))?;
        if read > 0 && answer.trim() == word {
            return Ok(());
        }
        Err(Failure::usage("not confirmed: nothing was done")
            .advise("answer with the word asked for, or give `--yes`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_itself_is_consent() {
        let asked = |answer: &str| Consent::Ask.require_from("?", "ring/key", &mut answer.as_bytes());
        assert!(asked("ring/key\n").is_ok());
        for other in ["", "\n", "y\n", "yes\n", "ring/other\n"] {
            assert_eq!(asked(other).unwrap_err().exit(), crate::failure::Exit::Usage, "{other:?}");
        }
    }

    #[test]
    fn consent_given_before_is_not_asked_for_again_and_a_script_must_give_it() {
        assert!(Consent::Given.require_from("?", "x", &mut io::empty()).is_ok());
        let refused = Consent::Absent.require_from("?", "x", &mut &b"x\n"[..]).unwrap_err();
        assert_eq!(refused.exit(), crate::failure::Exit::Usage);
        assert_eq!(Consent::of(true), Consent::Given);
    }
}
