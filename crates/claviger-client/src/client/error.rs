//! Why a call did not give an answer.

use claviger_core::ApprovalId;

use crate::types::Problem;

/// Why a call did not give an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered what this client does not understand.
    #[error("cannot understand the server's answer: {0}")]
    Decode(String),
    /// The server refused, or failed, and says why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The client cannot be made from its profile.
    #[error("cannot set up the client: {0}")]
    Setup(String),
    /// No answer came. For a call that changes something, whether it did is not known.
    #[error("cannot reach the server: {0}")]
    Transport(String),
}

impl ClientError {
    /// The problem, when the server named one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Decode(_) | Self::Setup(_) | Self::Transport(_) => None,
        }
    }

    /// The approval that the call waits for, when that is why it was not done.
    #[must_use]
    pub fn approval(&self) -> Option<ApprovalId> {
        self.problem().and_then(|problem| problem.approval).map(|id| id.0)
    }

    /// An error of the HTTP layer with its whole chain in words, as the outermost alone says next to nothing.
    pub(super) fn transport(error: &dyn std::error::Error) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_words = cause.to_string();
            if !words.ends_with(&cause_words) {
                words.push_str(": ");
                words.push_str(&cause_words);
            }
            source = cause.source();
        }
        Self::Transport(words)
    }
}
