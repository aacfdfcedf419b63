//! One run of the command line: its options, and the client made from the profile when a command first needs it.

use std::path::{Path, PathBuf};

use claviger_client::{Client, ClientError, Profile, ProfileError};

use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::Format;
use crate::unreachable;

/// With which code the service says that others must approve first.
const PENDING: &str = "approval-required";

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
                let (code, status) = (&problem.code, problem.status);
                let failure = match problem.approval {
                    Some(approval) if code == PENDING => Self::pending(code, status, detail, *approval),
                    Some(approval) => Self::refused(code, status, detail).of_approval(*approval),
                    None => Self::refused(code, status, detail),
                };
                failure.at_entry(problem.entry)
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

#[cfg(test)]
mod tests {
    use claviger_client::types::Problem;
    use claviger_core::ApprovalId;

    use super::*;
    use crate::failure::Exit;
    use crate::hints::Call;

    fn problem(status: u16, code: &str) -> Failure {
        let problem =
            Problem { detail: Some("why".into()), entry: Some(9), ..Problem::new(status, code, "title") };
        ClientError::Problem(Box::new(problem)).into()
    }

    #[test]
    fn refusals_keep_code_status_and_entry_and_say_what_to_do() {
        let failure = problem(403, "denied").hinted(Call::Encrypt);
        assert_eq!((failure.exit(), failure.code(), failure.status()), (Exit::Failed, "denied", Some(403)));
        let text = failure.to_string();
        assert!(text.contains("entry 9") && text.contains("grant create"), "{text}");
    }

    #[test]
    fn a_refusal_that_names_an_approval_is_pending_and_another_is_not() {
        let id = ApprovalId::from_bytes([1; 16]);
        let failure = |code, approval: Option<ApprovalId>| {
            let approval = approval.map(Into::into);
            let problem = Problem { approval, ..Problem::new(403, code, "title") };
            Failure::from(ClientError::Problem(Box::new(problem)))
        };
        assert_eq!(failure("approval-required", Some(id)).exit(), Exit::Pending);
        assert_eq!(failure("approval-required", None).exit(), Exit::Failed);
        // One that was denied is named, and nothing waits.
        let denied = failure("denied", Some(id));
        assert_eq!((denied.exit(), denied.approval()), (Exit::Failed, Some(id.to_string().as_str())));
        assert!(denied.to_string().contains(&id.to_string()), "{denied}");
    }

    #[test]
    fn without_a_profile_nothing_is_sent() {
        let session = Session::new(Globals { profile: None, output: Format::Table });
        assert_eq!(session.client().unwrap_err().exit(), Exit::Usage);
        assert_eq!(client_of(Path::new("/nonexistent/profile.toml")).unwrap_err().exit(), Exit::Failed);
    }
}
