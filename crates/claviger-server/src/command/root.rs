//! Options that describe a root.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::{PinSource, Root, SoftwareSeal, TokenSelector};
use crate::error::ServerError;

/// The variable that holds the PIN where no file is named.
pub(super) const PIN_VARIABLE: &str = "CLAVIGER_PKCS11_PIN";

/// The kinds of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RootKind {
    /// A key in a PKCS#11 token.
    Pkcs11,
    /// A key kept by software: for evaluation.
    Software,
}

/// The root of a new deployment. One that exists has its root in its configuration.
#[derive(Debug, Args)]
pub struct RootArgs {
    /// Kind of the root key
    #[arg(long, value_enum, value_name = "KIND")]
    pub root: Option<RootKind>,
    /// Shared library of the PKCS#11 module
    #[arg(long, env = "CLAVIGER_PKCS11_LIB", value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// Label of the token
    #[arg(long, env = "CLAVIGER_PKCS11_TOKEN", value_name = "LABEL")]
    pub token: Option<String>,
    /// File with the token's PIN; otherwise it is taken from the variable `CLAVIGER_PKCS11_PIN`
    #[arg(long, value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
}

impl RootArgs {
    /// The root that was asked for; without `--root` the token if one is described in full, else `None`.
    pub(super) fn resolve(&self) -> Result<Option<Root>, ServerError> {
        match self.root {
            Some(RootKind::Software) => {
                Ok(Some(Root::InsecureSoftwareRoot { seal: SoftwareSeal::KeyFile("root.key".into()) }))
            }
            Some(RootKind::Pkcs11) => self.in_token().map(Some),
            None => Ok(self.in_token().ok()),
        }
    }

    fn in_token(&self) -> Result<Root, ServerError> {
        let library = self.library.clone().ok_or(ServerError::RootUndescribed(
            "the module's library: give `--library FILE`, or set CLAVIGER_PKCS11_LIB",
        ))?;
        let token = self.token.clone().ok_or(ServerError::RootUndescribed(
            "the token's label: give `--token LABEL`, or set CLAVIGER_PKCS11_TOKEN",
        ))?;
        let library = std::path::absolute(&library).unwrap_or(library);
        Ok(Root::Pkcs11 { library, token: TokenSelector::Label(token), pin: self.pin()? })
    }

    fn pin(&self) -> Result<PinSource, ServerError> {
        if let Some(path) = &self.pin_file {
            return Ok(PinSource::File(std::path::absolute(path).unwrap_or_else(|_| path.clone())));
        }
        match std::env::var_os(PIN_VARIABLE) {
            Some(pin) if !pin.is_empty() => Ok(PinSource::Env(PIN_VARIABLE.to_owned())),
            _ => Err(ServerError::RootUndescribed(
                "its PIN: give `--pin-file FILE`, or set CLAVIGER_PKCS11_PIN",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(root: Option<RootKind>) -> RootArgs {
        RootArgs { root, library: None, token: None, pin_file: None }
    }

    #[test]
    fn token_that_is_described_in_full_is_taken_and_half_a_description_only_when_insisted_on() {
        let half = || RootArgs { library: Some("/l.so".into()), ..args(None) };
        assert_eq!(half().resolve().unwrap(), None);
        let insisted = RootArgs { root: Some(RootKind::Pkcs11), ..half() };
        assert!(insisted.resolve().unwrap_err().to_string().contains("--token"));
        let whole = RootArgs { token: Some("t".into()), pin_file: Some("/pin".into()), ..half() };
        let expected = Root::Pkcs11 {
            library: "/l.so".into(),
            token: TokenSelector::Label("t".into()),
            pin: PinSource::File("/pin".into()),
        };
        assert_eq!(whole.resolve().unwrap(), Some(expected));
        let software = RootArgs { root: Some(RootKind::Software), ..whole };
        assert!(matches!(software.resolve().unwrap(), Some(Root::InsecureSoftwareRoot { .. })));
    }
}
