//! The configuration as `init` and `quickstart` write it: every key, with what it means.

use std::fmt::Write as _;
use std::path::Path;

use super::store::{MIN_FREE_MIB, RESERVE_MIB};
use super::{Limits, PinSource, RENEWAL_DAYS, Root, SoftwareSeal, TokenSelector};
use crate::endpoints::Listen;

/// What differs from one written configuration to the next.
#[derive(Debug, Clone)]
pub struct Template {
    /// The addresses.
    pub listen: Listen,
    /// The root, with paths as they shall be written.
    pub root: Root,
}

impl Template {
    /// A deployment with the usual addresses.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { listen: Listen::usual(), root }
    }

    /// The text. Its paths are relative to its folder: `data`, `pki/`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let (listen, root) = (self.listen_lines(), self.root_lines());
        let Limits { body_bytes, header_bytes, headers, connections, concurrency, backlog, .. } =
            Limits::default();
        let Limits { header, request, idle, write_stall, shutdown, .. } = Limits::default();
        let [header, request, idle, write_stall, shutdown] =
            [header, request, idle, write_stall, shutdown].map(|span| span.as_secs());
        let unproved = unproved_lines();
        format!(
            r#"# Configuration of Claviger. `claviger doctor --config FILE` checks it.
# Relative paths are meant from the folder of this file. An unknown key is an error.
# An environment variable overrides a key: CLAVIGER_LISTEN__CONTROL, CLAVIGER_DATA_DIR.
# No secret belongs in here: only where to find it.

# The store and the log. One process at a time; a local disk that honours fsync.
data_dir = "data"

[deployment]
# The environment that it is: keys and principals that name none are of it, and principals of one use no keys of another.
# environment = "production"
# Who answers for the server's certificate and for the authorities of `client_ca`, as a name of your own: the log lists them with it.
# certificate_owner = "platform-team"
# Where the store and the root lie, and who can open the root, as names of your own: whoever has one thing of a domain can take the
# others. What is not said is `node`, this machine, or `token` for a root in a token. Material that lives in the token is opened by
# the root; `hsm_material_custody_domain` says otherwise.
# storage_domain = "rack-7"
# root_storage_domain = "hsm-2"
# root_custody_domain = "custodians"
# hsm_material_custody_domain = "hsm-officers"
# How long certificates that their holders renew (`claviger credential renew`) last, counted from the first: then somebody else
# makes a new one. 0: none is renewed.
# renewal_days = {RENEWAL_DAYS}

# The name or address by which clients reach it, which profiles are written with; else the first name in the server's
# certificate that is not this machine's own, else the address of the listener.
[public]
# host = "kms.example.org"

[listen]
{listen}
[tls]
# The server's certificate chain and key, and the authorities of clients' certificates. PEM.
# SIGHUP reads them again; connections that are open stay.
certificate = "pki/server.crt"
key = "pki/server.key"
client_ca = "pki/ca.crt"

[root]
# The key that everything else hangs on. Back it up by the means of the token, or keep its file apart from the data.
{root}
[store]
# When less is free on the device of `data_dir`, only calls that restrict are recorded: suspend, revoke, withdraw,
# compromise, destroy. All others are refused until there is room.
# min_free_mib = {MIN_FREE_MIB}
# The file `reserve` in `data_dir`, which is given free for those calls when no room is left: 0 for none, or 64 and more.
# reserve_mib = {RESERVE_MIB}

[limits]
# For each listener. More is answered with 413, 431 or 503, or the connection is closed.
# Connections and concurrency are those of callers who proved themselves; principals share them evenly when all are taken.
# body_bytes = {body_bytes}
# header_bytes = {header_bytes}
# headers = {headers}
# connections = {connections}
# concurrency = {concurrency}
# backlog = {backlog}
# header_seconds = {header}
# request_seconds = {request}
# idle_seconds = {idle}
# write_stall_seconds = {write_stall}
# shutdown_seconds = {shutdown}
{unproved}
[aws]
# What this deployment is to AWS clients; ARNs are made of it, so that a change renames every key to them.
# partition = "aws"
# region = "us-east-1"
# account = "000000000000"

[xks]
# The external key store proxy, for AWS KMS itself, at the address of `listen.aws`; without a prefix it is not served.
# Calls are made under <prefix>/kms/xks/v1. A prefix begins with /, or is empty.
# uri_prefix = "/example"
# AWS KMS shows a certificate of its own: add the authorities of Amazon Trust Services to `tls.client_ca`.
# require_client_certificate = true
# The common name of that certificate. Without it, any certificate of those authorities will do.
# client_name = "cks.kms.us-east-1.amazonaws.com"

[log]
# What is traced on standard error: error, warn, info, debug, or a filter by module.
level = "info"
# text or json.
format = "text"

[audit]
# How often a checkpoint over the whole log is made and signed by the root.
cut_seconds = 1
# How far a start moves the time of the log towards the wall clock at the most. What cannot be undone goes by the time of the log.
# clock_step_seconds = 600

[alerts]
# Who is told of each alert that is raised: by a message that is signed as Standard Webhooks say, under the secret in `secret_file`
# (`whsec_` and 24 to 64 bytes in base64). Under TLS 1.3, against the authorities of `ca_file` or else of the system. Each may have an
# `[[alerts.webhook]]` of its own instead.
# webhook = [{{ url = "https://alerts.example.org/claviger", secret_file = "webhook.secret" }}]
"#
        )
    }

    fn listen_lines(&self) -> String {
        let mut lines = String::new();
        for (endpoint, address) in self.listen.iter() {
            let (about, address) = (endpoint.row().about, quoted(&address.to_string()));
            let _ = writeln!(lines, "# {about}\n{endpoint} = {address}");
        }
        lines
    }

    fn root_lines(&self) -> String {
        let mut lines = String::new();
        let _ = writeln!(lines, "kind = \"{}\"", self.root.kind());
        match &self.root {
            Root::InsecureSoftwareRoot { seal: SoftwareSeal::KeyFile(path) } => {
                put(&mut lines, "key_file", path)
            }
            Root::InsecureSoftwareRoot { seal: SoftwareSeal::PassphraseFile(path) } => {
                put(&mut lines, "passphrase_file", path);
            }
            Root::Pkcs11 { library, token, pin } => {
                put(&mut lines, "library", library);
                let _ = match token {
                    TokenSelector::Label(label) => writeln!(lines, "token = {}", quoted(label)),
                    TokenSelector::Slot(slot) => writeln!(lines, "slot = {slot}"),
                };
                match pin {
                    PinSource::Env(name) => {
                        let _ = writeln!(lines, "pin_env = {}", quoted(name));
                    }
                    PinSource::File(path) => put(&mut lines, "pin_file", path),
                }
            }
        }
        lines
    }
}

/// What those may take who have not proved themselves.
fn unproved_lines() -> String {
    let Limits { handshakes, handshakes_per_address, unproved_connections, .. } = Limits::default();
    let Limits { unproved_connections_per_address, unproved_body_bytes, .. } = Limits::default();
    let Limits { unproved_body_bytes_per_address, unproved_body, failures_per_address, .. } =
        Limits::default();
    let unproved_body_seconds = unproved_body.as_secs();
    format!(
        r"# Beside them, for those who have not proved themselves: in all, and from one address (IPv6: from one network of 64 bits).
# The address that takes the most gives way to the others.
# handshakes = {handshakes}
# handshakes_per_address = {handshakes_per_address}
# unproved_connections = {unproved_connections}
# unproved_connections_per_address = {unproved_connections_per_address}
# Bodies that must be read before a signature can be verified: bytes, and the time that each may take.
# unproved_body_bytes = {unproved_body_bytes}
# unproved_body_bytes_per_address = {unproved_body_bytes_per_address}
# unproved_body_seconds = {unproved_body_seconds}
# How often in a second authentication may fail from one address, in the long run. Its connections are closed beyond that.
# failures_per_address = {failures_per_address}
"
    )
}

fn put(lines: &mut String, key: &str, path: &Path) {
    let _ = writeln!(lines, "{key} = {}", quoted(&path.display().to_string()));
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
