//! What `deploy/` and `docs/production.md` promise, held against the server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_server::Endpoint;
use claviger_server::config::{Config, Limits, PinSource, Root};

use crate::support::Deployment;

/// What a server takes beyond `limits.shutdown_seconds`: threads that block get five seconds, the log and the token some.
const CLOSING: Duration = Duration::from_secs(15);

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The value of a setting of the unit that is there once.
fn setting(name: &str) -> String {
    let unit = read("deploy/claviger.service");
    let values: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect();
    assert_eq!(values.len(), 1, "{name}");
    values[0].to_owned()
}

fn documented() -> Config {
    let guide = read("docs/production.md");
    let (_, rest) = guide.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    Config::from_toml(text, Path::new("/etc/claviger/claviger.toml")).unwrap()
}

#[test]
fn unit_gives_the_server_time_to_stop_and_descriptors_for_its_connections() {
    let seconds: u64 = setting("TimeoutStopSec").parse().unwrap();
    assert!(Duration::from_secs(seconds) >= Limits::default().shutdown + CLOSING);
    let files: usize = setting("LimitNOFILE").parse().unwrap();
    assert!(files >= 2 * Limits::default().connections + 256);
    assert_eq!((setting("Type"), setting("LimitCORE")), ("notify".into(), "0".into()));
    assert_eq!(setting("LimitMEMLOCK"), "infinity");
}

#[test]
fn configuration_of_the_guide_fits_the_unit() {
    let config = documented();
    let state = Path::new("/var/lib").join(setting("StateDirectory"));
    assert!(config.data_dir.starts_with(state));
    assert!(setting("ExecStart").ends_with(&format!("--config {}", config.file.display())));
    let credential = setting("LoadCredentialEncrypted");
    let (name, kept) = credential.split_once(':').unwrap();
    assert!(read("docs/production.md").contains(&format!("--name={name} /run/claviger-init/pin {kept}")));
    let handed = PathBuf::from("/run/credentials/claviger.service").join(name);
    assert!(matches!(config.root, Root::Pkcs11 { pin: PinSource::File(path), .. } if path == handed));
}

#[tokio::test]
async fn numbers_that_the_guide_alerts_on_are_there() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    deployment.create_ring(&running, "orders").await;
    let url = format!("{}/metrics", running.urls()[Endpoint::Metrics]);
    let numbers = deployment.http(None).get(url).send().await.unwrap().text().await.unwrap();
    for file in [
        "docs/production.md",
        "deploy/monitoring/prometheus-rules.yaml",
        "deploy/monitoring/grafana-dashboard.json",
    ] {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<_> = words
            .filter(|word| word.starts_with("claviger_") || word.starts_with("process_"))
            // The name of a package goes on with its version.
            .filter(|word| !word.contains(|c: char| c.is_ascii_digit()))
            .map(|word| word.trim_end_matches("_bucket"))
            .collect();
        assert!(named.len() > 8, "{file}: {named:?}");
        for name in named {
            // The process of a test is not hardened: what is shown of that, the registry's own test says.
            let is_shown = numbers.contains(&format!("# TYPE {name} "));
            assert!(is_shown || name == "claviger_hardening", "{file}: {name}");
        }
    }
    running.shutdown().await;
}
