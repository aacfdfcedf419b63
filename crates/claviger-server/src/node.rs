//! What this node says of itself, for the log: the program, the configuration, the policy, the listeners, the clock.
//!
//! It is the process's own word: whoever runs another program can say the same. Held against what should run, it shows what was
//! changed by mistake or without being approved, and when.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::OnceLock;

use claviger_core::key::{Generator, RootWrap};
use claviger_core::node::NodeReport;
use claviger_core::port::provider::ModuleInfo;
use claviger_core::{Name, TlsParameters};
use claviger_crypto::digest::{Sha256, sha256};
use claviger_crypto::provenance;
use claviger_service::{ErrorKind, RULES, Road, ServiceError};
use rustls::ServerConfig;

use crate::certificates;
use crate::config::{Config, Domains};
use crate::endpoints::{Listen, Serves};
use crate::error::ServerError;
use crate::hardening::Hardening;
use crate::root::blocking;

/// What a node is made of, as far as it says so.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) config: Config,
    /// The addresses of the listeners.
    pub(crate) bound: Listen,
    pub(crate) hardening: Option<Hardening>,
}

/// Records what the node is. Where somebody edited what it said before, that stays as it is, and is reported.
///
/// # Errors
/// When the log takes no entry.
pub(crate) async fn record(road: &Road, node: &Described, tls: &ServerConfig) -> Result<(), ServerError> {
    let (described, listeners) = (node.clone(), listeners(node, tls));
    let mut report = blocking(move || report(&described)).await?;
    report.listeners = listeners;
    let module = road.provider().module();
    report.insecure = module.insecure.iter().map(|name| (*name).to_owned()).collect();
    report.generators = generators(&module);
    report.domains = domains(&node.config.domains, &module);
    report.root_keys = root_keys(&module);
    match road.report_node(report).await {
        Err(error) if error.kind() == ErrorKind::RowAltered => {
            tracing::error!(
                "what this node said of itself was edited in the database, and stays there as evidence: `claviger audit verify`"
            );
            Ok(())
        }
        recorded => recorded.map_err(|error: ServiceError| error.into()),
    }
}

fn report(node: &Described) -> NodeReport {
    let tls = &node.config.tls;
    let of = |path: &Path| std::fs::read(path).map(|bytes| sha256(&bytes)).unwrap_or_default();
    let word = |(name, holds): (&str, bool)| format!("{name}={}", if holds { "yes" } else { "no" });
    let hardening = node.hardening.map_or_else(Vec::new, |hardening| hardening.measures().map(word).into());
    let with_tls = node.bound.iter().filter(|(endpoint, _)| endpoint.is_tls());
    let with_tls: Vec<_> = with_tls.map(|(endpoint, _)| endpoint.name()).collect();
    NodeReport {
        environment: node.config.environment.clone(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        build: build(),
        configuration: node.config.digest,
        policy: sha256(RULES.as_bytes()),
        hardening,
        certificate: of(&tls.certificate),
        client_authorities: of(&tls.client_ca),
        certificates: certificates::lines(&node.config, &with_tls.join("+")),
        clock_source: clock_source(),
        ..NodeReport::default()
    }
}

/// What material is drawn from: the generator of the cryptographic library, and that of the token where there is one.
fn generators(module: &ModuleInfo) -> Vec<String> {
    let linked = provenance::module();
    let drbg = format!("{}={} of {linked}; {}", Generator::ModuleDrbg, provenance::DRBG, provenance::ENTROPY);
    let token = module.token.as_ref().map(|token| {
        format!(
            "{}=that of {} ({token}); it does not say where its entropy is from",
            Generator::Token,
            module.name
        )
    });
    [drbg].into_iter().chain(token).map(|line| line.replace(',', ";")).collect()
}

/// Where things lie and who can open them. What the configuration says is marked: nothing here can check it.
fn domains(said: &Domains, module: &ModuleInfo) -> Vec<String> {
    let of_root = if module.token.is_some() { "token" } else { "node" };
    let word = |name: &str, said: &Option<Name>, else_: &str| match said {
        Some(domain) => format!("{name}=declared:{domain}"),
        None => format!("{name}={else_}"),
    };
    vec![
        word("store_storage", &said.store_storage, "node"),
        // All that is wrapped lies in the store. What opens a key of a ring is the KEK in the memory of this process; what opens
        // that, and what is in a token, the root.
        "ring_kek_storage=store".to_owned(),
        "ring_kek_custody=root".to_owned(),
        "material_storage=store".to_owned(),
        "material_custody=node".to_owned(),
        "hsm_material_storage=store".to_owned(),
        word("hsm_material_custody", &said.hsm_material_custody, "root"),
        word("root_storage", &said.root_storage, of_root),
        word("root_custody", &said.root_custody, of_root),
    ]
}

/// The keys of the root that wrap: ring KEKs and small secrets (`seal`), and material that lives in the token (`wrap`).
fn root_keys(module: &ModuleInfo) -> Vec<String> {
    let line = |task: &str, by: &RootWrap| {
        let RootWrap { key, version, algorithm, strength_bits } = by;
        format!("{task}={key} version={version} algorithm={algorithm} strength={strength_bits}")
    };
    let wrapping = module.wrapping.as_ref().map(|by| line("wrap", by));
    let lines = [line("seal", &module.sealing)].into_iter().chain(wrapping);
    lines.map(|line| line.replace([',', '\n'], ";")).collect()
}

/// SHA-256 of the program that runs; zeros where it cannot be read.
fn build() -> [u8; 32] {
    static BUILD: OnceLock<[u8; 32]> = OnceLock::new();
    *BUILD.get_or_init(|| digest_of(Path::new("/proc/self/exe")).unwrap_or_default())
}

fn digest_of(path: &Path) -> std::io::Result<[u8; 32]> {
    let (mut file, mut digest, mut piece) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(digest.finish()),
            read => digest.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

/// What the kernel counts time by, and which service of the host says that it keeps the clock right.
fn clock_source() -> String {
    let counter = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let counter = std::fs::read_to_string(counter).ok();
    let counter = counter.as_deref().map_or("not known", str::trim);
    let keepers = [
        ("/run/systemd/timesync/synchronized", "systemd-timesyncd"),
        ("/run/chrony/chronyd.pid", "chronyd"),
        ("/run/ntpd.pid", "ntpd"),
    ];
    let keeper =
        keepers.iter().find(|(path, _)| Path::new(path).exists()).map_or("nobody known", |(_, name)| name);
    format!("{counter}; kept by {keeper}")
}

/// A line for each listener: what it takes of a handshake, read from the configuration that it serves by.
fn listeners(node: &Described, tls: &ServerConfig) -> Vec<String> {
    let provider = tls.crypto_provider();
    let join = |names: Vec<String>| names.join("+");
    let suites = provider.cipher_suites.iter().map(|suite| {
        let number = u16::from(suite.suite());
        TlsParameters::cipher_suite_name(number).map_or_else(|| format!("0x{number:04x}"), str::to_owned)
    });
    let groups = provider.kx_groups.iter().map(|group| {
        let number = u16::from(group.name());
        TlsParameters::group_name(number).map_or_else(|| format!("0x{number:04x}"), str::to_owned)
    });
    let (suites, groups) = (join(suites.collect()), join(groups.collect()));
    // The library has no other version compiled in.
    let tls = format!("TLS 1.3 {suites} {groups}");
    let lines = node.bound.iter().map(|(endpoint, address)| match endpoint.row().serves {
        Serves::Callers { asks, .. } => format!("{endpoint} {address} {tls} {}", asks(&node.config)),
        Serves::Watchers => format!("{endpoint} {address} plain"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use claviger_core::node::Node;
    use claviger_core::{NodeId, Timestamp};

    use super::*;

    #[test]
    fn the_build_is_the_digest_of_the_program_that_runs() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(build(), sha256(&program));
    }

    #[test]
    fn generators_domains_and_root_keys_are_named_as_far_as_they_are_known() {
        let root_wrap = |key: &str, algorithm: &str| {
            let (key, algorithm) = (key.to_owned(), algorithm.to_owned());
            RootWrap { key, version: 1, algorithm, strength_bits: 256 }
        };
        let software = ModuleInfo {
            kind: "software",
            name: "aws-lc".to_owned(),
            token: None,
            root_in_token: false,
            fips: false,
            sealing: root_wrap("software-root-1", "aes-256-gcm"),
            wrapping: None,
            insecure: vec![],
        };
        let token = ModuleInfo {
            kind: "pkcs11",
            name: "SoftHSM 2.6, model".to_owned(),
            token: Some("claviger (1)".to_owned()),
            sealing: root_wrap("claviger,root-seal-1", "aes-256-gcm"),
            wrapping: Some(root_wrap("claviger-root-wrap-1", "aes-256-kwp")),
            ..software.clone()
        };
        assert_eq!(generators(&software).len(), 1);
        let both = generators(&token);
        assert!(both.len() == 2 && both[0].starts_with("module_drbg=CTR_DRBG"), "{both:?}");
        assert!(both[1].starts_with("token=that of SoftHSM 2.6; model"), "{both:?}");
        let said = Domains { root_custody: Some("custodians".parse().unwrap()), ..Domains::default() };
        let words = domains(&said, &token);
        assert!(words.contains(&"root_storage=token".to_owned()), "{words:?}");
        assert!(words.contains(&"root_custody=declared:custodians".to_owned()), "{words:?}");
        assert!(words.contains(&"hsm_material_custody=root".to_owned()), "{words:?}");
        let said = Domains { hsm_material_custody: Some("vault-3".parse().unwrap()), ..said };
        assert!(domains(&said, &token).contains(&"hsm_material_custody=declared:vault-3".to_owned()));
        let undeclared = domains(&Domains::default(), &software);
        assert!(undeclared.contains(&"root_storage=node".to_owned()));
        for wrapped in ["ring_kek", "material", "hsm_material"] {
            let (storage, custody) = (format!("{wrapped}_storage=store"), format!("{wrapped}_custody="));
            assert!(undeclared.contains(&storage), "{undeclared:?}");
            assert!(undeclared.iter().any(|word| word.starts_with(&custody)), "{undeclared:?}");
        }
        let of_software = "seal=software-root-1 version=1 algorithm=aes-256-gcm strength=256";
        assert_eq!(root_keys(&software), [of_software]);
        let of_token = root_keys(&token);
        assert_eq!(
            of_token,
            [
                "seal=claviger;root-seal-1 version=1 algorithm=aes-256-gcm strength=256",
                "wrap=claviger-root-wrap-1 version=1 algorithm=aes-256-kwp strength=256"
            ]
        );
        let report =
            NodeReport { generators: both, domains: words, root_keys: of_token, ..NodeReport::default() };
        let node = Node {
            id: NodeId::of_shard(1),
            incarnation: 1,
            reported_at: Timestamp::from_micros(0),
            report,
            released: Vec::new(),
            revision: 0,
        };
        assert!(node.is_sound());
    }

    #[test]
    fn the_clock_is_described_in_one_line_without_commas() {
        let reported = clock_source();
        assert!(reported.contains("; kept by ") && !reported.contains([',', '\n']), "{reported}");
    }
}
