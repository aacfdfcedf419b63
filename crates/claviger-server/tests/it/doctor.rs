//! `doctor` finds what was broken on purpose, says what to do, and finds nothing where nothing is wrong.

use std::os::unix::fs::PermissionsExt as _;

use claviger_provider::FewAttempts;
use claviger_server::config::{Root, SoftwareSeal};
use claviger_server::doctor::{Finding, Level, examine};
use claviger_server::init::{FirstPeople, InitOptions, init};
use claviger_server::recover::{RecoverOptions, recover};
use claviger_server::{Endpoint, Server, ServerError};

use crate::support::Deployment;

async fn examined(deployment: &Deployment) -> Vec<Finding> {
    examine(&deployment.path("claviger.toml"), FewAttempts::Keep).await
}

fn wrong(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.level == Level::Wrong).collect()
}

fn is_wrong(findings: &[Finding], check: &str) -> bool {
    wrong(findings).iter().any(|finding| finding.check == check && finding.advice.is_some())
}

#[tokio::test]
async fn nothing_is_wrong_with_a_deployment_at_rest_or_at_work() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    // The address that the server chose, as an operator would have written it.
    let metrics = running.urls()[Endpoint::Metrics].strip_prefix("http://").unwrap();
    let config = std::fs::read_to_string(deployment.path("claviger.toml")).unwrap();
    let config = config.replace("metrics = \"127.0.0.1:0\"", &format!("metrics = \"{metrics}\""));
    std::fs::write(deployment.path("claviger.toml"), config).unwrap();

    let findings = examined(&deployment).await;
    assert!(wrong(&findings).is_empty(), "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.check == "server" && finding.level == Level::Ok));
    running.shutdown().await;
    let findings = examined(&deployment).await;
    assert!(wrong(&findings).is_empty(), "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.check == "store" && finding.message.contains("root")));
}

/// What a recovery leaves behind is shown at rest and at work, until it is acknowledged.
#[tokio::test]
async fn recovery_that_nobody_acknowledged_is_found_at_rest_and_at_work() {
    let deployment = Deployment::new();
    deployment.start().await.shutdown().await;
    let options = RecoverOptions { config: deployment.path("claviger.toml"), name: "rita".parse().unwrap() };
    let shown = |findings: &[Finding]| findings.iter().filter(|finding| finding.check == "recovery").count();
    assert_eq!(shown(&examined(&deployment).await), 0);
    // The key of the authority is offline, as it should be: nobody is made.
    std::fs::rename(deployment.path("pki/ca.key"), deployment.path("away")).unwrap();
    let error = recover(&options).await.unwrap_err();
    assert!(matches!(error, ServerError::AuthorityKeyMissing { .. }), "{error}");
    assert_eq!(shown(&examined(&deployment).await), 0);
    std::fs::rename(deployment.path("away"), deployment.path("pki/ca.key")).unwrap();
    let made = recover(&options).await.unwrap();
    assert!(std::fs::read_to_string(&made.profile).unwrap().contains("rita.crt"));
    let findings = examined(&deployment).await;
    assert_eq!(shown(&findings), 1, "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.check == "recovery" && finding.level == Level::Warning));
    // Run again, it only writes what is there; the name of somebody else is refused.
    let again = recover(&options).await.unwrap();
    assert_eq!(again.profile, made.profile);
    let taken = RecoverOptions { name: "auditor".parse().unwrap(), ..options };
    assert!(matches!(recover(&taken).await.unwrap_err(), ServerError::NameTaken(_)));

    let running = deployment.start().await;
    let metrics = running.urls()[Endpoint::Metrics].clone();
    let text =
        deployment.http(None).get(format!("{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("claviger_recoveries_unacknowledged 1"), "{text}");
    let config = std::fs::read_to_string(deployment.path("claviger.toml")).unwrap();
    let address = metrics.strip_prefix("http://").unwrap();
    let config = config.replace("metrics = \"127.0.0.1:0\"", &format!("metrics = \"{address}\""));
    std::fs::write(deployment.path("claviger.toml"), config).unwrap();
    assert_eq!(shown(&examined(&deployment).await), 1);
    let acknowledge =
        format!("{}/v1/principals/rita/acknowledge-recovery", running.urls()[Endpoint::Control]);
    let (status, said) = deployment.call("rita", "POST", acknowledge.clone(), None).await;
    assert_eq!(status, 403, "{said}");
    let (status, said) = deployment.call("responder", "POST", acknowledge, None).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(shown(&examined(&deployment).await), 0);
    running.shutdown().await;
}

/// That one person decides alone, and that the absence of one stops everything, is said at rest and at work.
#[tokio::test]
async fn approvals_that_nobody_gives_and_that_one_absence_stops_are_found() {
    for (quorum, level, words) in [
        (0, Level::Warning, "one person alone"),
        (2, Level::Ok, "2 of 3 custodians"),
        (3, Level::Warning, "3 custodians must approve, and 3 can"),
    ] {
        let deployment = Deployment::new();
        let root = Root::InsecureSoftwareRoot { seal: SoftwareSeal::KeyFile("root.key".into()) };
        let options = InitOptions {
            config: deployment.path("claviger.toml"),
            root: Some(root),
            few_attempts: FewAttempts::Keep,
            names: Vec::new(),
            deployment: None,
            quorum,
            people: FirstPeople::Certificates,
        };
        init(&options).await.unwrap();
        let metrics = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut config = deployment.config();
        for endpoint in Endpoint::ALL {
            config.listen[endpoint].set_port(0);
        }
        config.listen[Endpoint::Metrics] = metrics;
        let text = std::fs::read_to_string(deployment.path("claviger.toml")).unwrap();
        let usual = "127.0.0.1:7409";
        assert!(text.contains(usual), "{text}");
        let text = text.replace(usual, &metrics.to_string());
        std::fs::write(deployment.path("claviger.toml"), text).unwrap();
        let found = async || {
            let findings = examined(&deployment).await;
            findings.into_iter().find(|finding| finding.check == "approvals").unwrap()
        };
        let at_rest = found().await;
        let running = Server::start(config, None).await.unwrap();
        let at_work = found().await;
        running.shutdown().await;
        for finding in [at_rest, at_work] {
            assert!(finding.level == level && finding.message.contains(words), "{finding:?}");
            assert_eq!(finding.advice.is_some(), level == Level::Warning);
        }
    }
}

#[tokio::test]
async fn each_damage_is_found_by_its_name() {
    let deployment = Deployment::new();
    deployment.start().await.shutdown().await;
    let set_mode = |name: &str, mode| {
        std::fs::set_permissions(deployment.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode("root.key", 0o644);
    let findings = examined(&deployment).await;
    assert!(is_wrong(&findings, "permissions") && is_wrong(&findings, "root"), "{findings:#?}");
    set_mode("root.key", 0o600);

    let certificate = std::fs::read(deployment.path("pki/server.crt")).unwrap();
    std::fs::write(deployment.path("pki/server.crt"), "junk").unwrap();
    let findings = examined(&deployment).await;
    assert!(is_wrong(&findings, "certificate") && is_wrong(&findings, "tls"), "{findings:#?}");
    std::fs::write(deployment.path("pki/server.crt"), certificate).unwrap();

    std::fs::rename(deployment.path("root.key"), deployment.path("away")).unwrap();
    assert!(is_wrong(&examined(&deployment).await, "root"));
    std::fs::rename(deployment.path("away"), deployment.path("root.key")).unwrap();

    std::fs::rename(deployment.path("data"), deployment.path("away")).unwrap();
    let findings = examined(&deployment).await;
    assert!(is_wrong(&findings, "store"), "{findings:#?}");
    assert!(!deployment.path("data").exists(), "looking must not make anything");
    std::fs::rename(deployment.path("away"), deployment.path("data")).unwrap();

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = std::fs::read_to_string(deployment.path("claviger.toml")).unwrap();
    let line = format!("control = \"{}\"", taken.local_addr().unwrap());
    std::fs::write(deployment.path("claviger.toml"), config.replace("control = \"127.0.0.1:0\"", &line))
        .unwrap();
    assert!(is_wrong(&examined(&deployment).await, "ports"));

    std::fs::write(deployment.path("claviger.toml"), format!("{config}\nnonsense = 1\n")).unwrap();
    assert!(is_wrong(&examined(&deployment).await, "config"));
    assert!(is_wrong(&examine(&deployment.path("nowhere.toml"), FewAttempts::Keep).await, "config"));
}
