//! Whom the server tells of alerts.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hyper::Uri;

use super::{ConfigError, file, invalid};

/// Most receivers: each takes a task and, for a moment, a connection.
const MOST_WEBHOOKS: usize = 8;
/// Longest address, in bytes.
const MAX_URL: usize = 2048;
/// The usual ports.
const HTTPS: u16 = 443;
const HTTP: u16 = 80;

/// Who is told of each alert that is raised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alerts {
    /// Receivers of signed messages over HTTP.
    pub webhooks: Vec<Webhook>,
}

/// A receiver of signed messages over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is.
    pub url: WebhookUrl,
    /// The file with the secret that messages are signed by.
    pub secret_file: PathBuf,
    /// The authorities that its certificate is verified against, in PEM; those of the system where none is named.
    pub ca_file: Option<PathBuf>,
}

/// Where alerts are sent. What comes behind the host may be a secret of the receiver's: no `Debug` or other form shows it but
/// [`WebhookUrl::path`].
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    is_tls: bool,
    host: String,
    port: u16,
    path: String,
}

/// Why an address is not one to send alerts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAWebhook {
    /// It names somebody.
    #[error("names a user or a password; the messages are signed instead")]
    Credentials,
    /// It has a fragment.
    #[error("has a part behind `#`, which is never sent")]
    Fragment,
    /// It is no address.
    #[error("is no address; like `https://alerts.example.org/claviger` it must be")]
    NotAnAddress,
    /// It would be sent in clear to another machine.
    #[error("sends in clear; it must begin with `https://`, or with `http://` and a loopback address")]
    Plain,
    /// It is too long.
    #[error("is longer than {} bytes", MAX_URL)]
    TooLong,
}

impl WebhookUrl {
    /// Is TLS spoken?
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The name or address of the host, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and port, as a request names them: without the usual port.
    #[must_use]
    pub fn authority(&self) -> String {
        match (self.is_tls, self.port) {
            (true, HTTPS) | (false, HTTP) => self.bracketed(),
            (_, port) => format!("{}:{port}", self.bracketed()),
        }
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.bracketed(), self.port)
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self}/..)")
    }
}

impl FromStr for WebhookUrl {
    type Err = NotAWebhook;

    fn from_str(text: &str) -> Result<Self, NotAWebhook> {
        if text.len() > MAX_URL {
            return Err(NotAWebhook::TooLong);
        }
        if text.contains('#') {
            return Err(NotAWebhook::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| NotAWebhook::NotAnAddress)?;
        let authority = uri.authority().ok_or(NotAWebhook::NotAnAddress)?;
        if authority.as_str().contains('@') {
            return Err(NotAWebhook::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let (is_tls, usual) = match uri.scheme_str() {
            Some("https") => (true, HTTPS),
            Some("http") if is_loopback => (false, HTTP),
            Some("http") => return Err(NotAWebhook::Plain),
            _ => return Err(NotAWebhook::NotAnAddress),
        };
        let rest = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match rest.strip_prefix(':') {
            None => usual,
            Some(digits) => port(digits).ok_or(NotAWebhook::NotAnAddress)?,
        };
        if host.is_empty() {
            return Err(NotAWebhook::NotAnAddress);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { is_tls, host: host.to_owned(), port, path: path.to_owned() })
    }
}

fn port(digits: &str) -> Option<u16> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_number && *port > 0)
}

impl Alerts {
    pub(super) fn from_file(file: &file::Alerts, base: &Path, origin: &str) -> Result<Self, ConfigError> {
        if file.webhook.len() > MOST_WEBHOOKS {
            let reason =
                format!("names {} receivers; at most {MOST_WEBHOOKS} are possible", file.webhook.len());
            return Err(invalid(origin, "alerts.webhook", reason));
        }
        let mut webhooks = Vec::<Webhook>::new();
        for (at, written) in file.webhook.iter().enumerate() {
            let key = |name: &str| format!("alerts.webhook.{at}.{name}");
            // What an address says behind its host may be a secret: no reason repeats it.
            let webhook = Webhook::from_file(written, base);
            let webhook = webhook.map_err(|(name, reason)| invalid(origin, &key(name), reason))?;
            if webhooks.iter().any(|before| before.url == webhook.url) {
                let reason = "is that of another receiver; each is told once".to_owned();
                return Err(invalid(origin, &key("url"), reason));
            }
            webhooks.push(webhook);
        }
        Ok(Self { webhooks })
    }
}

impl Webhook {
    fn from_file(file: &file::Webhook, base: &Path) -> Result<Self, (&'static str, String)> {
        let path = |name: &'static str, path: &Path| match path.as_os_str().is_empty() {
            true => Err((name, "is empty; write a path".to_owned())),
            false => Ok(base.join(path)),
        };
        let missing = |name, what: &str| (name, format!("is missing; write {what}"));
        let url = file.url.as_ref().ok_or_else(|| missing("url", "where the receiver is"))?;
        let secret = file.secret_file.as_ref();
        let secret =
            secret.ok_or_else(|| missing("secret_file", "the file with the secret that it shares"))?;
        let url: WebhookUrl = url.parse().map_err(|error: NotAWebhook| ("url", error.to_string()))?;
        if !url.is_tls && file.ca_file.is_some() {
            let reason = "has no meaning where the receiver speaks plain HTTP".to_owned();
            return Err(("ca_file", reason));
        }
        Ok(Self {
            url,
            secret_file: path("secret_file", secret)?,
            ca_file: file.ca_file.as_ref().map(|file| path("ca_file", file)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_sent_under_tls_or_stay_on_the_machine() {
        for (text, shown, path) in [
            ("https://alerts.example.org/hook?x=1", "https://alerts.example.org:443", "/hook?x=1"),
            ("https://10.0.0.9:8443", "https://10.0.0.9:8443", "/"),
            ("https://[2001:db8::9]/a", "https://[2001:db8::9]:443", "/a"),
            ("http://127.0.0.1:9000/a", "http://127.0.0.1:9000", "/a"),
            ("http://[::1]/", "http://[::1]:80", "/"),
        ] {
            let url: WebhookUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.path()), (shown, path));
        }
        for (text, authority) in [
            ("https://alerts.example.org/", "alerts.example.org"),
            ("https://[2001:db8::9]:8443/", "[2001:db8::9]:8443"),
            ("http://127.0.0.1:443/", "127.0.0.1:443"),
        ] {
            assert_eq!(text.parse::<WebhookUrl>().unwrap().authority(), authority);
        }
        for (text, why) in [
            ("http://alerts.example.org/hook", NotAWebhook::Plain),
            // Whatever this name leads to.
            ("http://localhost:9000/a", NotAWebhook::Plain),
            ("http://10.0.0.9/", NotAWebhook::Plain),
            ("https://me:word@alerts.example.org/", NotAWebhook::Credentials),
            ("https://alerts.example.org/#part", NotAWebhook::Fragment),
            ("ftp://alerts.example.org/", NotAWebhook::NotAnAddress),
            ("/hook", NotAWebhook::NotAnAddress),
            ("alerts.example.org", NotAWebhook::NotAnAddress),
            ("https://alerts.example.org:0/", NotAWebhook::NotAnAddress),
            ("https://alerts.example.org:99999/", NotAWebhook::NotAnAddress),
            ("https://a b/", NotAWebhook::NotAnAddress),
            ("", NotAWebhook::NotAnAddress),
        ] {
            assert_eq!(text.parse::<WebhookUrl>(), Err(why), "{text}");
        }
        let long = format!("https://alerts.example.org/{}", "x".repeat(MAX_URL));
        assert_eq!(long.parse::<WebhookUrl>(), Err(NotAWebhook::TooLong));
    }

    #[test]
    fn what_comes_behind_the_host_is_shown_nowhere() {
        let url: WebhookUrl = "https://alerts.example.org/services/T0KEN?key=hunter2".parse().unwrap();
        let shown = format!("{url} {url:?}");
        assert!(!shown.contains("T0KEN") && !shown.contains("hunter2"), "{shown}");
    }
}
