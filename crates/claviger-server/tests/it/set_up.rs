//! `init`: once, whole, and resumed after an interruption.

use claviger_provider::FewAttempts;
use claviger_server::config::{Config, Root, SoftwareSeal};
use claviger_server::init::{FirstPeople, InitOptions, init, renew};
use claviger_server::pki;
use claviger_server::recover::{RecoverOptions, recover};
use claviger_server::{Endpoint, Server, ServerError};
use serde_json::json;

use crate::support::Deployment;

fn options(deployment: &Deployment) -> InitOptions {
    InitOptions {
        config: deployment.path("claviger.toml"),
        root: Some(Root::InsecureSoftwareRoot { seal: SoftwareSeal::KeyFile("root.key".into()) }),
        few_attempts: FewAttempts::Keep,
        names: vec!["kms.example".into()],
        deployment: Some("orders-prod".parse().unwrap()),
        quorum: 2,
        people: FirstPeople::Certificates,
    }
}

/// The same with a root that the passphrase in a file of that name seals.
fn by_passphrase(deployment: &Deployment) -> InitOptions {
    InitOptions {
        root: Some(Root::InsecureSoftwareRoot { seal: SoftwareSeal::PassphraseFile("passphrase".into()) }),
        ..options(deployment)
    }
}

fn free_ports(deployment: &Deployment) -> Config {
    let mut config = deployment.config();
    for endpoint in Endpoint::ALL {
        config.listen[endpoint].set_port(0);
    }
    config
}

#[tokio::test]
async fn deployment_that_was_set_up_serves_its_first_principals() {
    let deployment = Deployment::new();
    let set_up = init(&options(&deployment)).await.unwrap();
    assert_eq!((set_up.profiles.len(), set_up.quorum), (9, 2));
    assert!(!deployment.path("profiles/app.toml").exists());
    let text = std::fs::read_to_string(deployment.path("profiles/administrator.toml")).unwrap();
    // It works wherever it is handed: by the name that the certificate is for, with the authority inside.
    assert!(text.contains("https://kms.example:7400") && text.contains("BEGIN CERTIFICATE"), "{text}");

    let running = Server::start(free_ports(&deployment), None).await.unwrap();
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    let (status, system) = deployment
        .call("operator", "GET", format!("{}/v1/system", running.urls()[Endpoint::Control]), None)
        .await;
    assert_eq!((status, system["deployment"].as_str()), (200, Some("orders-prod")), "{system}");
    assert_eq!(system["approvals"], json!({ "quorum": 2, "custodians": 3, "open": 0 }), "{system}");
    running.shutdown().await;
}

#[tokio::test]
async fn no_more_custodians_must_approve_than_are_made_and_nobody_must_where_that_is_said() {
    let deployment = Deployment::new();
    let with = |quorum| InitOptions { quorum, ..options(&deployment) };
    let error = init(&with(4)).await.unwrap_err();
    assert!(matches!(error, ServerError::QuorumTooLarge { quorum: 4, custodians: 3 }), "{error}");
    assert_eq!(std::fs::read_dir(deployment.dir.path()).unwrap().count(), 0);
    assert_eq!(init(&with(0)).await.unwrap().quorum, 0);
    let running = Server::start(free_ports(&deployment), None).await.unwrap();
    let governance = format!("{}/v1/governance", running.urls()[Endpoint::Control]);
    let (status, rules) = deployment.call("auditor", "GET", governance, None).await;
    assert_eq!((status, &rules["quorum"], &rules["revision"]), (200, &json!(0), &json!(0)), "{rules}");
    running.shutdown().await;
}

#[tokio::test]
async fn people_get_codes_and_whoever_gives_a_request_a_certificate_and_no_key_is_made_for_anybody() {
    use std::os::unix::fs::PermissionsExt as _;
    let deployment = Deployment::new();
    let profile = |name: &str| deployment.path(&format!("profiles/{name}"));
    // What an interrupted set-up left that made certificates, and one that made codes.
    std::fs::create_dir(deployment.path("profiles")).unwrap();
    for stale in ["administrator.crt", "administrator.key", "administrator.toml", "auditor.code"] {
        std::fs::write(profile(stale), "stale").unwrap();
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    let request = deployment.path("auditor.csr");
    std::fs::write(&request, params.serialize_request(&key).unwrap().pem().unwrap()).unwrap();
    let own = |requests| InitOptions { people: FirstPeople::OwnKeys(requests), ..options(&deployment) };
    let of = |name: &str| (name.parse().unwrap(), request.clone());
    for wrong in [vec![of("nobody")], vec![of("auditor"), of("auditor")]] {
        let error = init(&own(wrong)).await.unwrap_err();
        assert!(matches!(error, ServerError::FirstRequest { .. }), "{error}");
        assert!(!deployment.path("claviger.toml").exists());
    }
    let set_up = init(&own(vec![of("auditor")])).await.unwrap();
    assert_eq!((set_up.codes.len(), set_up.profiles.len()), (8, 1));
    for (name, code) in &set_up.codes {
        assert_eq!(std::fs::metadata(code).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        assert!(std::fs::read_to_string(code).unwrap().starts_with("cve_"), "{name}");
        for other in ["crt", "key", "toml"] {
            assert!(!profile(&format!("{name}.{other}")).exists(), "{name}.{other}");
        }
    }
    assert!(profile("auditor.crt").exists() && profile("auditor.toml").exists());
    assert!(!profile("auditor.code").exists() && !profile("auditor.key").exists());
    assert_eq!(
        std::fs::read(profile("ca.crt")).unwrap(),
        std::fs::read(deployment.path("pki/ca.crt")).unwrap()
    );
    // Its owner has the key.
    claviger_server::files::write_private(&profile("auditor.key"), key.serialize_pem().as_bytes()).unwrap();
    let running = Server::start(free_ports(&deployment), None).await.unwrap();
    let (status, system) = deployment
        .call("auditor", "GET", format!("{}/v1/system", running.urls()[Endpoint::Control]), None)
        .await;
    // Nobody can approve anything before they have enrolled.
    assert_eq!((status, &system["approvals"]["custodians"]), (200, &json!(0)), "{system}");
    running.shutdown().await;
}

#[tokio::test]
async fn set_up_happens_once_and_a_second_one_touches_nothing() {
    let deployment = Deployment::new();
    init(&options(&deployment)).await.unwrap();
    let files = ["pki/ca.key", "pki/server.crt", "profiles/administrator.key", "root.key", "claviger.toml"];
    let before = files.map(|file| std::fs::read(deployment.path(file)).unwrap());
    let error = init(&options(&deployment)).await.unwrap_err();
    assert!(matches!(error, ServerError::AlreadySetUp { .. }), "{error}");
    assert_eq!(files.map(|file| std::fs::read(deployment.path(file)).unwrap()), before);
}

#[tokio::test]
async fn set_up_that_was_interrupted_goes_on_where_it_was() {
    let deployment = Deployment::new();
    // A file where the folder of the profiles belongs: all is made but the principals.
    std::fs::write(deployment.path("profiles"), "in the way").unwrap();
    init(&options(&deployment)).await.unwrap_err();
    let kept = ["pki/ca.key", "pki/server.crt", "root.key"];
    let before = kept.map(|file| std::fs::read(deployment.path(file)).unwrap());
    let error = Server::start(free_ports(&deployment), None).await.unwrap_err();
    assert!(
        matches!(error, ServerError::NotSetUp { .. }) && error.to_string().contains("claviger init"),
        "{error}"
    );

    std::fs::remove_file(deployment.path("profiles")).unwrap();
    init(&options(&deployment)).await.unwrap();
    assert_eq!(kept.map(|file| std::fs::read(deployment.path(file)).unwrap()), before);
    let running = Server::start(free_ports(&deployment), None).await.unwrap();
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    running.shutdown().await;
}

#[tokio::test]
async fn key_of_an_authority_without_its_certificate_is_what_a_crash_left() {
    let deployment = Deployment::new();
    std::fs::create_dir(deployment.path("pki")).unwrap();
    claviger_server::files::write_private(&deployment.path("pki/ca.key"), b"half").unwrap();
    init(&options(&deployment)).await.unwrap();
    assert!(pki::Authority::load(&deployment.path("pki/ca.crt"), &deployment.path("pki/ca.key")).is_ok());
}

#[tokio::test]
async fn authority_of_somebody_else_is_never_replaced() {
    let deployment = Deployment::new();
    std::fs::create_dir(deployment.path("pki")).unwrap();
    let (_, issued) = pki::Authority::create(crate::support::now()).unwrap();
    std::fs::write(deployment.path("pki/ca.crt"), &issued.certificate_pem).unwrap();
    let error = init(&options(&deployment)).await.unwrap_err();
    assert!(matches!(error, ServerError::AuthorityKeyMissing { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(deployment.path("pki/ca.crt")).unwrap(), issued.certificate_pem);
    // With the key, that authority is the deployment's.
    claviger_server::files::write_private(&deployment.path("pki/ca.key"), issued.key_pem.as_bytes()).unwrap();
    init(&options(&deployment)).await.unwrap();
    assert_eq!(std::fs::read_to_string(deployment.path("pki/ca.crt")).unwrap(), issued.certificate_pem);
}

#[tokio::test]
async fn without_a_root_nothing_is_begun() {
    let deployment = Deployment::new();
    let error = init(&InitOptions { root: None, ..options(&deployment) }).await.unwrap_err();
    assert!(error.to_string().contains("--root"), "{error}");
    assert_eq!(std::fs::read_dir(deployment.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn renewed_certificate_is_of_the_same_authority() {
    let deployment = Deployment::new();
    init(&options(&deployment)).await.unwrap();
    let config = deployment.path("claviger.toml");
    let before = pki::read_certificates(&deployment.path("pki/server.crt")).unwrap();
    renew(&config, &["other.example".into()]).unwrap();
    assert_ne!(pki::read_certificates(&deployment.path("pki/server.crt")).unwrap(), before);
    let names = pki::read_facts(&deployment.path("pki/server.crt")).unwrap().names;
    for name in ["kms.example", "other.example", "127.0.0.1", "::1"] {
        assert!(names.iter().any(|one| one == name), "{name} is not in {names:?}");
    }
    let running = Server::start(free_ports(&deployment), None).await.unwrap();
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    running.shutdown().await;
    std::fs::rename(deployment.path("pki/ca.key"), deployment.path("offline.key")).unwrap();
    assert!(matches!(renew(&config, &[]), Err(ServerError::AuthorityKeyMissing { .. })));
}

#[tokio::test]
async fn file_of_a_passphrase_seals_the_root() {
    let deployment = Deployment::new();
    let file = deployment.path("passphrase");
    let options = || by_passphrase(&deployment);
    claviger_server::files::write_private(&file, b"too short\n").unwrap();
    assert!(init(&options()).await.is_err());
    claviger_server::files::write_private(&file, b"correct horse battery staple\n").unwrap();
    init(&options()).await.unwrap();
    Server::start(free_ports(&deployment), None).await.unwrap().shutdown().await;
    claviger_server::files::write_private(&file, b"incorrect horse battery staple\n").unwrap();
    let error = Server::start(free_ports(&deployment), None).await.unwrap_err();
    assert!(matches!(error, ServerError::Software(_)), "{error}");
}

#[tokio::test]
async fn officer_is_recovered_by_the_passphrase_of_the_root_and_by_no_other() {
    let deployment = Deployment::new();
    let file = deployment.path("passphrase");
    let write = |text: &[u8]| claviger_server::files::write_private(&file, text).unwrap();
    write(b"correct horse battery staple\n");
    init(&by_passphrase(&deployment)).await.unwrap();
    let options = RecoverOptions { config: deployment.path("claviger.toml"), name: "rita".parse().unwrap() };
    write(b"incorrect horse battery staple\n");
    let error = recover(&options).await.unwrap_err();
    assert!(matches!(error, ServerError::Software(_)), "{error}");
    assert!(!deployment.path("profiles/rita.crt").exists());
    write(b"correct horse battery staple\n");
    let names = async || {
        let running = Server::start(free_ports(&deployment), None).await.unwrap();
        let url = format!("{}/v1/principals", running.urls()[Endpoint::Control]);
        let (status, listed) = deployment.call("auditor", "GET", url, None).await;
        running.shutdown().await;
        assert_eq!(status, 200, "{listed}");
        listed.to_string()
    };
    assert!(!names().await.contains("\"rita\""));
    let made = recover(&options).await.unwrap();
    assert!(made.profile.exists());
    assert!(names().await.contains("\"rita\""));
}
