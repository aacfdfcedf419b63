//! Requests as AWS clients send them: JSON 1.1, signed by Signature Version 4. A request is signed once and sent again and
//! again, which a signature allows for five minutes.

use std::time::SystemTime;

use anyhow::{Context as _, Result};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;

use crate::wire;

/// An access key, and where it counts.
#[derive(Debug, Clone)]
pub struct AccessKey {
    credentials: Credentials,
    region: String,
}

impl AccessKey {
    /// The access key of a file with settings for a shell.
    ///
    /// # Errors
    /// When it has none.
    pub fn read(settings: &str) -> Result<Self> {
        let value = |name: &str| {
            let of = |line: &str| {
                line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
            };
            settings.lines().find_map(of).with_context(|| format!("no `{name}`"))
        };
        let (id, secret) = (value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?);
        Ok(Self { credentials: Credentials::from_keys(id, secret, None), region: value("AWS_REGION")? })
    }

    /// An access key of another principal, for the same server.
    #[must_use]
    pub fn of_another(&self, id: &str, secret: &str) -> Self {
        Self { credentials: Credentials::from_keys(id, secret, None), region: self.region.clone() }
    }

    /// A call of an operation, signed now.
    ///
    /// # Errors
    /// When it cannot be signed.
    #[expect(
        clippy::disallowed_methods,
        reason = "a signature holds an instant, and a generator has no other clock"
    )]
    pub fn call(&self, operation: &str, body: &str) -> Result<Bytes> {
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("kms")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let target = format!("TrentService.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let host = ("host", wire::HOST);
        let signable = SignableRequest::new(
            "POST",
            format!("https://{}/", wire::HOST),
            headers.iter().copied().chain([host]),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let (added, _) = instructions.into_parts();
        let headers: Vec<_> = headers
            .iter()
            .copied()
            .chain(added.iter().map(|header| (header.name(), header.value())))
            .collect();
        Ok(wire::post("/", &headers, body.as_bytes()))
    }
}
