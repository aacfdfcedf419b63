//! `doctor` finds what was broken on purpose, says what to do, and finds nothing where nothing is wrong.

use std::os::unix::fs::PermissionsExt as _;

use claviger_provider::FewAttempts;
use claviger_server::doctor::{Finding, Level, examine};

use crate::support::House;

async fn examined(house: &House) -> Vec<Finding> {
    examine(&house.path("claviger.toml"), FewAttempts::Keep).await
}

fn wrong(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.level == Level::Wrong).collect()
}

fn is_wrong(findings: &[Finding], check: &str) -> bool {
    wrong(findings).iter().any(|finding| finding.check == check && finding.advice.is_some())
}

#[tokio::test]
async fn nothing_is_wrong_with_a_deployment_at_rest_or_at_work() {
    let house = House::new();
    let running = house.start().await;
    // The address that the server chose, as an operator would have written it.
    let metrics = running.urls().metrics.strip_prefix("http://").unwrap();
    let config = std::fs::read_to_string(house.path("claviger.toml")).unwrap();
    let config = config.replace("metrics = \"127.0.0.1:0\"", &format!("metrics = \"{metrics}\""));
    std::fs::write(house.path("claviger.toml"), config).unwrap();

    let findings = examined(&house).await;
    assert!(wrong(&findings).is_empty(), "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.check == "server" && finding.level == Level::Ok));
    running.shutdown().await;
    let findings = examined(&house).await;
    assert!(wrong(&findings).is_empty(), "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.check == "store" && finding.message.contains("root")));
}

#[tokio::test]
async fn each_damage_is_found_by_its_name() {
    let house = House::new();
    house.start().await.shutdown().await;
    let set_mode = |name: &str, mode| {
        std::fs::set_permissions(house.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode("root.key", 0o644);
    let findings = examined(&house).await;
    assert!(is_wrong(&findings, "permissions") && is_wrong(&findings, "root"), "{findings:#?}");
    set_mode("root.key", 0o600);

    let certificate = std::fs::read(house.path("pki/server.crt")).unwrap();
    std::fs::write(house.path("pki/server.crt"), "junk").unwrap();
    let findings = examined(&house).await;
    assert!(is_wrong(&findings, "certificate") && is_wrong(&findings, "tls"), "{findings:#?}");
    std::fs::write(house.path("pki/server.crt"), certificate).unwrap();

    std::fs::rename(house.path("root.key"), house.path("away")).unwrap();
    assert!(is_wrong(&examined(&house).await, "root"));
    std::fs::rename(house.path("away"), house.path("root.key")).unwrap();

    std::fs::rename(house.path("data"), house.path("away")).unwrap();
    let findings = examined(&house).await;
    assert!(is_wrong(&findings, "store"), "{findings:#?}");
    assert!(!house.path("data").exists(), "looking must not make anything");
    std::fs::rename(house.path("away"), house.path("data")).unwrap();

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = std::fs::read_to_string(house.path("claviger.toml")).unwrap();
    let line = format!("control = \"{}\"", taken.local_addr().unwrap());
    std::fs::write(house.path("claviger.toml"), config.replace("control = \"127.0.0.1:0\"", &line)).unwrap();
    assert!(is_wrong(&examined(&house).await, "ports"));

    std::fs::write(house.path("claviger.toml"), format!("{config}\nnonsense = 1\n")).unwrap();
    assert!(is_wrong(&examined(&house).await, "config"));
    assert!(is_wrong(&examine(&house.path("nowhere.toml"), FewAttempts::Keep).await, "config"));
}
