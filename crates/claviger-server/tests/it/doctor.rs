//! `doctor` finds what was broken on purpose, says what to do, and finds nothing where nothing is wrong.

use std::os::unix::fs::PermissionsExt as _;

use claviger_provider::FewAttempts;
use claviger_server::ServerError;
use claviger_server::doctor::{Finding, Level, examine};
use claviger_server::recover::{RecoverOptions, recover};

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

/// What a recovery leaves behind is shown at rest and at work, until it is acknowledged.
#[tokio::test]
async fn recovery_that_nobody_acknowledged_is_found_at_rest_and_at_work() {
    let house = House::new();
    house.start().await.shutdown().await;
    let options = RecoverOptions { config: house.path("claviger.toml"), name: "rita".parse().unwrap() };
    let shown = |findings: &[Finding]| findings.iter().filter(|finding| finding.check == "recovery").count();
    assert_eq!(shown(&examined(&house).await), 0);
    // The key of the authority is offline, as it should be: nobody is made.
    std::fs::rename(house.path("pki/ca.key"), house.path("away")).unwrap();
    let error = recover(&options).await.unwrap_err();
    assert!(matches!(error, ServerError::AuthorityKeyMissing { .. }), "{error}");
    assert_eq!(shown(&examined(&house).await), 0);
    std::fs::rename(house.path("away"), house.path("pki/ca.key")).unwrap();
    let made = recover(&options).await.unwrap();
    assert!(std::fs::read_to_string(&made.profile).unwrap().contains("rita.crt"));
    let findings = examined(&house).await;
    assert_eq!(shown(&findings), 1, "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.check == "recovery" && finding.level == Level::Warning));
    // Run again, it only writes what is there; the name of somebody else is refused.
    let again = recover(&options).await.unwrap();
    assert_eq!(again.profile, made.profile);
    let taken = RecoverOptions { name: "auditor".parse().unwrap(), ..options };
    assert!(matches!(recover(&taken).await.unwrap_err(), ServerError::NameTaken(_)));

    let running = house.start().await;
    let metrics = running.urls().metrics.clone();
    let text = house.http(None).get(format!("{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("claviger_recoveries_unacknowledged 1"), "{text}");
    let config = std::fs::read_to_string(house.path("claviger.toml")).unwrap();
    let address = metrics.strip_prefix("http://").unwrap();
    let config = config.replace("metrics = \"127.0.0.1:0\"", &format!("metrics = \"{address}\""));
    std::fs::write(house.path("claviger.toml"), config).unwrap();
    assert_eq!(shown(&examined(&house).await), 1);
    let acknowledge = format!("{}/v1/principals/rita/acknowledge-recovery", running.urls().control);
    let (status, said) = house.call("rita", "POST", acknowledge.clone(), None).await;
    assert_eq!(status, 403, "{said}");
    let (status, said) = house.call("responder", "POST", acknowledge, None).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(shown(&examined(&house).await), 0);
    running.shutdown().await;
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
