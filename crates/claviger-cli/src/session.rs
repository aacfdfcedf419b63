//! One run of the command line: its options, and the client made from the profile when a command first needs it.

use std::path::{Path, PathBuf};

use claviger_client::{Client, ClientError, Profile, ProfileError};

use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::Format;
use crate::unreachable;

/// Options and what follows from them.
#[derive(Debug)]
pub(crate) struct Session {
    profile: Option<PathBuf>,
    /// Form of the results.
    pub(crate) format: Format,
}

impl Session {
    pub(crate) fn new(globals: Globals) -> Self {
        Self { profile: globals.profile, format: globals.output }
    }

    /// A client for the profile.
    ///
    /// # Errors
    /// When no profile is named, or it cannot be used.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let profile = Profile::load(self.profile_path()?)?;
        unreachable::look_at(&profile);
        Ok(Client::new(&profile)?)
    }

    /// The file of the profile.
    ///
    /// # Errors
    /// When none is named.
    pub(crate) fn profile_path(&self) -> Result<&Path, Failure> {
        self.profile.as_deref().ok_or_else(|| {
            Failure::usage("no profile: it says where the deployment is and who you are").advise(
                "give `--profile FILE` or set CLAVIGER_PROFILE; `claviger quickstart` writes one per role under `claviger-data/profiles/`",
            )
        })
    }
}

/// A client for the profile in that file.
pub(crate) fn client_of(path: &Path) -> Result<Client, Failure> {
    Ok(Client::new(&Profile::load(path)?)?)
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        Self::failed(format!("{error}{cause}"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => {
                let detail = problem.detail.clone().unwrap_or_else(|| problem.title.clone());
                let failure = Self::refused(&problem.code, problem.status, detail).at_entry(problem.entry);
                match advice(&problem.code) {
                    Some(advice) => failure.advise(advice),
                    None => failure,
                }
            }
            ClientError::Transport(why) => unreachable::failure(&why),
            ClientError::Setup(why) => Self::failed(why).advise("check the profile"),
            ClientError::Decode(why) => Self::failed(format!("the answer cannot be understood: {why}"))
                .advise(
                    "check that the address in the profile is that of a Claviger deployment of this version",
                ),
        }
    }
}

/// What to do about a refusal, by its code.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "already-exists" => "names are bound for ever: choose another one",
        "bad-ciphertext" => {
            "name key and context exactly as when it was made; if they are right, the data is damaged"
        }
        "conflict" | "overloaded" | "unavailable" => "try again in a moment",
        "denied" => {
            "ask a security officer: `claviger grant create PRINCIPAL --key RING/NAME --operations ...`; `claviger key explain` shows who may do what"
        }
        "idempotency-expired" => {
            "the server was upgraded since: look whether what you asked for is there, and use a new idempotency key if it is not"
        }
        "idempotency-mismatch" => "use a new idempotency key for a new request",
        "limit-exceeded" => "take away what is no longer used",
        "not-found" => "check the name; what you may not see is not found either",
        "precondition-failed" => {
            "somebody changed it meanwhile: look at it again, then repeat with the new revision"
        }
        "reason-required" => "say why in words: `--reason TEXT`",
        "separation-of-duties" => {
            "one principal must not hold both: give the right to another principal, or see `claviger ring separation --help`"
        }
        "too-large" => "encrypt files of any size with `claviger encrypt --envelope`",
        "unauthenticated" => {
            "check the credential in the profile: it may have expired or been revoked, or be of another plane"
        }
        "withheld" => {
            "it was done and recorded in the log, but the result came too late to be released; ask again"
        }
        "wrong-state" => {
            "see `claviger key show KEY` for the state, and `claviger key --help` for the steps of the lifecycle"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use claviger_client::types::Problem;

    use super::*;
    use crate::failure::Exit;

    fn problem(status: u16, code: &str) -> Failure {
        let problem =
            Problem { detail: Some("why".into()), entry: Some(9), ..Problem::new(status, code, "title") };
        ClientError::Problem(Box::new(problem)).into()
    }

    #[test]
    fn refusals_keep_code_status_and_entry_and_say_what_to_do() {
        let failure = problem(403, "denied");
        assert_eq!((failure.exit(), failure.code(), failure.status()), (Exit::Failed, "denied", Some(403)));
        let text = failure.to_string();
        assert!(text.contains("entry 9") && text.contains("grant create"), "{text}");
    }

    #[test]
    fn staged_call_is_pending() {}

    #[test]
    fn without_a_profile_nothing_is_sent() {
        let session = Session::new(Globals { profile: None, output: Format::Table });
        assert_eq!(session.client().unwrap_err().exit(), Exit::Usage);
        assert_eq!(client_of(Path::new("/nonexistent/profile.toml")).unwrap_err().exit(), Exit::Failed);
    }
}
