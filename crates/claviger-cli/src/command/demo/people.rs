//! Who takes part: the roles of the instance, and two applications, of which one is granted something.

use std::path::Path;
use std::time::Duration;

use claviger_client::Client;
use claviger_client::profile::{CredentialFile, ProfileFile};
use claviger_client::types::Pairs;
use claviger_client::types::credential::{CreateCredential, NewCredential, NewToken};
use claviger_client::types::grant::{Conditions, CreateGrant, Grant, GrantOn};
use claviger_client::types::principal::CreatePrincipal;
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, Name};

use super::instance::{Instance, Ready};
use crate::failure::Failure;
use crate::file::placed::{Existing, Placed, Privacy};
use crate::session::client_of;

/// The application that is granted the key.
pub(super) const GRANTED: &str = "records-app";
/// The application that is granted nothing.
pub(super) const OTHER_APP: &str = "other-app";
/// What every context must contain for the grant to count.
pub(super) const CONDITION: (&str, &str) = ("dataset", "demo");

const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The clients of everyone.
#[derive(Debug)]
pub(super) struct People {
    pub(super) administrator: Client,
    pub(super) security_officer: Client,
    pub(super) responder: Client,
    pub(super) auditor: Client,
    pub(super) granted: Client,
    pub(super) other_app: Client,
}

impl People {
    /// Makes the applications, each with a token, and everybody's client.
    ///
    /// # Errors
    /// When the instance refuses.
    pub(super) async fn gather(instance: &Instance, dir: &Path) -> Result<Self, Failure> {
        let of = |name: &str| instance.profile(name).and_then(client_of);
        let administrator = of("administrator")?;
        Ok(Self {
            security_officer: of("security_officer")?,
            responder: of("responder")?,
            auditor: of("auditor")?,
            granted: application(&administrator, GRANTED, &instance.ready, dir).await?,
            other_app: application(&administrator, OTHER_APP, &instance.ready, dir).await?,
            administrator,
        })
    }

    /// Grants the one application uses of the key, for its own data set only.
    ///
    /// # Errors
    /// When the instance refuses.
    pub(super) async fn grant(&self, key: &str) -> Result<Grant, Failure> {
        let uses = [Action::Decrypt, Action::Encrypt, Action::GenerateDataKey, Action::Reencrypt];
        let (name, value) = CONDITION;
        let grant = CreateGrant {
            principal: GRANTED.to_owned(),
            on: GrantOn::Key(key.to_owned()),
            operations: uses.into_iter().map(Into::into).collect(),
            conditions: Conditions {
                context_equals: Pairs::from_iter([(name.to_owned(), value.to_owned())]),
                ..Conditions::default()
            },
            reason: Some("keeps the demonstration's records".to_owned()),
            reason_code: None,
            name: None,
            retiring: None,
        };
        Ok(self.security_officer.create_grant(&grant).await?.value)
    }
}

async fn application(
    administrator: &Client,
    name: &str,
    ready: &Ready,
    dir: &Path,
) -> Result<Client, Failure> {
    let wrong = |_| Failure::failed("not a name");
    let principal: Name = name.parse().map_err(wrong)?;
    let label: Name = "demo".parse().map_err(wrong)?;
    administrator
        .create_principal(&CreatePrincipal {
            name: principal.into(),
            kind: PrincipalKind::Workload.into(),
            home: None,
            environment: None,
            same_person_as: None,
        })
        .await?;
    let token = NewToken { lifetime_seconds: LIFETIME.as_secs() };
    let request = CreateCredential {
        principal: name.to_owned(),
        label: label.into(),
        credential: NewCredential::Token(token),
        to_confirm: false,
    };
    let token = administrator.create_credential(&request).await?.value.token;
    let token = token.ok_or_else(|| Failure::failed("the instance gave no token"))?;
    let token_path = dir.join(token_file(name));
    Placed::write(&token_path, Privacy::Owner, Existing::Keep, token.reveal().as_bytes())?;
    application_at(name, ready, dir, &token_path)
}

/// The file with the token of an application.
pub(super) fn token_file(name: &str) -> String {
    format!("{name}.token")
}

/// The client of an application at an instance, by a profile in `dir`.
///
/// # Errors
/// When the profile cannot be written, or makes no client.
pub(super) fn application_at(name: &str, ready: &Ready, dir: &Path, token: &Path) -> Result<Client, Failure> {
    // It names the control plane too, which is no right to it: that is one of the things shown.
    let profile = ProfileFile {
        control: Some(ready.urls.control.clone()),
        data: Some(ready.urls.data.clone()),
        ca: Some(ready.ca.clone()),
        authority: None,
        credential: CredentialFile { token_file: Some(token.to_owned()), ..CredentialFile::default() },
    };
    let path = dir.join(format!("{name}.toml"));
    Placed::write(&path, Privacy::Owner, Existing::Keep, to_toml(&profile).as_bytes())?;
    client_of(&path)
}

/// A profile as text. Paths and addresses are written as JSON strings, which are TOML strings too.
fn to_toml(profile: &ProfileFile) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let line = |name: &str, value: Option<&str>| {
        value.map_or_else(String::new, |value| format!("{name} = {}\n", quoted(value)))
    };
    let token_file = profile.credential.token_file.as_deref().and_then(Path::to_str);
    format!(
        "{}{}{}\n[credential]\n{}",
        line("control", profile.control.as_deref()),
        line("data", profile.data.as_deref()),
        line("ca", profile.ca.as_deref().and_then(Path::to_str)),
        line("token_file", token_file),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_is_written_as_the_client_reads_it() {
        let profile = ProfileFile {
            control: None,
            data: Some("https://127.0.0.1:2".into()),
            ca: Some("/d i r/\"ca\".pem".into()),
            authority: None,
            credential: CredentialFile { token_file: Some("app.token".into()), ..CredentialFile::default() },
        };
        let text = to_toml(&profile);
        assert_eq!(
            text,
            "data = \"https://127.0.0.1:2\"\nca = \"/d i r/\\\"ca\\\".pem\"\n\n[credential]\ntoken_file = \"app.token\"\n"
        );
    }
}
