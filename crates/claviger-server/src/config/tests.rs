use super::*;

const GOOD: &str = r#"
data_dir = "data"
[tls]
certificate = "pki/server.crt"
key = "/etc/claviger/server.key"
client_ca = "pki/ca.crt"
[root]
kind = "insecure_software_root"
key_file = "root.key"
"#;

fn load(text: &str) -> Result<Config, ConfigError> {
    let file = file::parse(text, "claviger.toml", [])?;
    Config::check(&file, Path::new("/srv/claviger/claviger.toml"))
}

fn refusal(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn least_configuration_gets_the_documented_defaults() {
    let config = load(GOOD).unwrap();
    assert_eq!(config.listen[Endpoint::Control].to_string(), "127.0.0.1:7400");
    assert_eq!(config.listen[Endpoint::Data].to_string(), "127.0.0.1:7401");
    assert_eq!(config.listen[Endpoint::Metrics].to_string(), "127.0.0.1:7409");
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.audit.cut, Duration::from_secs(1));
}

#[test]
fn room_is_kept_free_and_a_reserve_is_not_small() {
    let space = |text: &str| load(&format!("{GOOD}{text}")).map(|config| config.space);
    let usual = space("").unwrap();
    assert_eq!((usual.min_free, usual.reserve), (256 << 20, 64 << 20));
    let written = space("[store]\nmin_free_mib = 0\nreserve_mib = 100\n").unwrap();
    assert_eq!((written.min_free, written.reserve), (0, 100 << 20));
    assert_eq!(space("[store]\nreserve_mib = 0\n").unwrap().reserve, 0);
    assert_eq!(
        refusal(&format!("{GOOD}[store]\nreserve_mib = 63\n")),
        "/srv/claviger/claviger.toml: `store.reserve_mib` is 63; 0 is possible, or from 64 to 1048576"
    );
    assert!(space("[store]\nmin_free_mib = 1048577\n").is_err());
}

#[test]
fn relative_paths_are_meant_from_the_folder_of_the_file() {
    let config = load(GOOD).unwrap();
    assert_eq!(config.data_dir, Path::new("/srv/claviger/data"));
    assert_eq!(config.tls.certificate, Path::new("/srv/claviger/pki/server.crt"));
    assert_eq!(config.tls.key, Path::new("/etc/claviger/server.key"));
    let seal = SoftwareSeal::KeyFile("/srv/claviger/root.key".into());
    assert_eq!(config.root, Root::InsecureSoftwareRoot { seal });
}

#[test]
fn unknown_key_is_named_with_the_nearest_valid_one() {
    let text = format!("dta_dir = 1\n{GOOD}");
    assert_eq!(refusal(&text), "claviger.toml: unknown key `dta_dir`; did you mean `data_dir`?");
    let text = format!("{GOOD}[listen]\ncontroll = \"127.0.0.1:1\"\n");
    assert_eq!(
        refusal(&text),
        "claviger.toml: unknown key `listen.controll`; did you mean `listen.control`?"
    );
    let text = format!("{GOOD}[zzz]\nx = 1\n");
    assert_eq!(refusal(&text), "claviger.toml: unknown key `zzz`");
}

#[test]
fn variables_override_the_file_as_text_where_text_is_meant() {
    let with =
        |key: &str, text: &str| file::parse(GOOD, "claviger.toml", [(key.to_owned(), text.to_owned())]);
    assert_eq!(with("aws.account", "000000000012").unwrap().aws.account.as_deref(), Some("000000000012"));
    assert_eq!(with("root.token", "0042").unwrap().root.token.as_deref(), Some("0042"));
    assert_eq!(with("limits.connections", "12").unwrap().limits.connections, Some(12));
    assert_eq!(with("root.slot", "3").unwrap().root.slot, Some(3));
    assert_eq!(
        with("xks.require_client_certificate", "false").unwrap().xks.require_client_certificate,
        Some(false)
    );
    assert_eq!(with("data_dir", "/elsewhere").unwrap().data_dir, Some("/elsewhere".into()));
    let said = with("limits.connections", "many").unwrap_err().to_string();
    assert!(said.starts_with("the environment: `limits.connections`"), "{said}");
    let said = with("listen.controll", "127.0.0.1:1").unwrap_err().to_string();
    assert_eq!(said, "the environment: unknown key `listen.controll`; did you mean `listen.control`?");
}

#[test]
fn variable_that_nobody_reads_is_refused_with_the_one_that_was_meant() {
    let known = ["CLAVIGER_CONFIG", "CLAVIGER_PROFILE"].map(str::to_owned);
    let check = |name: &str| file::check_variables([name.to_owned()], &known);
    for name in ["PATH", "CLAVIGER", "CLAVIGER_CONFIG", "CLAVIGER_DATA_DIR", "CLAVIGER_LISTEN__CONTROL"] {
        assert_eq!(check(name), Ok(()), "{name}");
    }
    for (name, meant) in [
        ("CLAVIGER_LISTEN_CONTROL", "; did you mean `CLAVIGER_LISTEN__CONTROL`?"),
        ("CLAVIGER_CONFG", "; did you mean `CLAVIGER_CONFIG`?"),
        ("CLAVIGER_XYZ", ""),
    ] {
        let said = check(name).unwrap_err().to_string();
        assert!(said.starts_with(&format!("the environment: unknown key `{name}`")), "{said}");
        assert!(meant.is_empty() || said.ends_with(meant), "{said}");
    }
}

#[test]
fn host_for_clients_is_a_name_without_a_port() {
    let host = |text: &str| load(&format!("{GOOD}[public]\nhost = \"{text}\"\n"));
    for good in ["kms.example.org", "10.0.0.9", "2001:db8::9"] {
        assert_eq!(host(good).unwrap().public_host.as_deref(), Some(good));
    }
    let environment = |text: &str| load(&format!("{GOOD}[deployment]\nenvironment = \"{text}\"\n"));
    assert_eq!(environment("production").unwrap().environment.unwrap().as_str(), "production");
    for bad in ["", "Production", "a b"] {
        assert!(environment(bad).unwrap_err().to_string().contains("`deployment.environment`"), "{bad}");
    }
    assert_eq!(load(GOOD).unwrap().environment, None);
    let owner = |text: &str| load(&format!("{GOOD}[deployment]\ncertificate_owner = \"{text}\"\n"));
    assert_eq!(owner("platform-team").unwrap().certificate_owner.unwrap().as_str(), "platform-team");
    assert!(owner("a b").unwrap_err().to_string().contains("`deployment.certificate_owner`"));
    let said = "storage_domain = \"rack-7\"\nroot_storage_domain = \"hsm\"\nroot_custody_domain = \"custodians\"\n\
                hsm_material_custody_domain = \"officers\"\n";
    let Domains { store_storage, root_storage, root_custody, hsm_material_custody } =
        load(&format!("{GOOD}[deployment]\n{said}")).unwrap().domains;
    let said = [store_storage, root_storage, root_custody, hsm_material_custody];
    assert_eq!(said.map(|name| name.unwrap().to_string()), ["rack-7", "hsm", "custodians", "officers"]);
    for key in ["root_custody_domain", "hsm_material_custody_domain"] {
        let bad = load(&format!("{GOOD}[deployment]\n{key} = \"a,b\"\n")).unwrap_err().to_string();
        assert!(bad.contains(&format!("`deployment.{key}`")), "{bad}");
    }
    assert_eq!(load(GOOD).unwrap().domains, Domains::default());
    let renewal = |days: &str| load(&format!("{GOOD}[deployment]\nrenewal_days = {days}\n"));
    assert_eq!(load(GOOD).unwrap().renewable_for.as_secs(), 1191 * 86_400);
    assert_eq!(renewal("0").unwrap().renewable_for.as_secs(), 0);
    assert!(renewal("3651").unwrap_err().to_string().contains("`deployment.renewal_days` is 3651"));
    assert_eq!(load(GOOD).unwrap().public_host, None);
    for bad in ["", "kms.example.org:7400", "https://kms.example.org"] {
        assert!(host(bad).unwrap_err().to_string().contains("`public.host`"), "{bad}");
    }
}

#[test]
fn metrics_are_refused_off_loopback() {
    for address in ["0.0.0.0:7409", "10.0.0.1:7409", "[::]:7409"] {
        let said = refusal(&format!("{GOOD}[listen]\nmetrics = \"{address}\"\n"));
        assert!(said.contains("`listen.metrics`") && said.contains("loopback"), "{said}");
    }
    assert!(load(&format!("{GOOD}[listen]\nmetrics = \"[::1]:7409\"\n")).is_ok());
}

#[test]
fn external_key_store_is_served_under_its_prefix_to_clients_with_certificates() {
    let xks = |lines: &str| load(&format!("{GOOD}[xks]\n{lines}\n")).unwrap().xks;
    assert_eq!(load(GOOD).unwrap().xks, None);
    assert_eq!(xks("require_client_certificate = true"), None);
    let served = xks("uri_prefix = \"/example/path\"").unwrap();
    assert_eq!(
        (served.prefix.to_string().as_str(), &served.clients),
        ("/example/path", &XksClients::Certified)
    );
    let named = xks("uri_prefix = \"\"\nclient_name = \"cks.kms.eu-west-1.amazonaws.com\"").unwrap();
    assert_eq!(named.clients, XksClients::Named("cks.kms.eu-west-1.amazonaws.com".to_owned()));
    let open = xks("uri_prefix = \"/a\"\nrequire_client_certificate = false").unwrap();
    assert_eq!(open.clients, XksClients::Unproved);
}

#[test]
fn receivers_of_alerts_are_named_with_their_files_and_never_with_their_secrets() {
    let alerts = |lines: &str| load(&format!("{GOOD}{lines}\n")).map(|config| config.alerts);
    assert_eq!(alerts("").unwrap(), Alerts::default());
    let two = alerts(
        "[[alerts.webhook]]\nurl = \"https://a.example.org/hook\"\nsecret_file = \"a.secret\"\nca_file = \"a.crt\"\n\
         [[alerts.webhook]]\nurl = \"http://127.0.0.1:9000/\"\nsecret_file = \"/etc/claviger/b.secret\"",
    );
    let Alerts { webhooks } = two.unwrap();
    let shown: Vec<_> = webhooks.iter().map(|webhook| webhook.url.to_string()).collect();
    assert_eq!(shown, ["https://a.example.org:443", "http://127.0.0.1:9000"]);
    assert_eq!(webhooks[0].secret_file, Path::new("/srv/claviger/a.secret"));
    assert_eq!(webhooks[0].ca_file.as_deref(), Some(Path::new("/srv/claviger/a.crt")));
    assert_eq!((&webhooks[1].secret_file, &webhooks[1].ca_file), (&"/etc/claviger/b.secret".into(), &None));

    let one = |lines: &str| format!("[[alerts.webhook]]\n{lines}\n");
    let good = one("url = \"https://a.example.org/\"\nsecret_file = \"s\"");
    let many = (0..9).map(|at| one(&format!("url = \"https://a{at}.example.org/\"\nsecret_file = \"s\"")));
    for (lines, words) in [
        (one("secret_file = \"s\""), "`alerts.webhook.0.url` is missing"),
        (one("url = \"https://a.example.org/\""), "`alerts.webhook.0.secret_file` is missing"),
        (
            one("url = \"https://a.example.org/\"\nsecret_file = \"\""),
            "`alerts.webhook.0.secret_file` is empty",
        ),
        (
            one("url = \"http://a.example.org/T0KEN\"\nsecret_file = \"s\""),
            "`alerts.webhook.0.url` sends in clear",
        ),
        (one("url = \"http://[::1]/\"\nsecret_file = \"s\"\nca_file = \"c\""), "`alerts.webhook.0.ca_file`"),
        (good.repeat(2), "`alerts.webhook.1.url` is that of another receiver"),
        (many.collect(), "`alerts.webhook` names 9 receivers"),
        (one("secret = \"whsec_T0KEN\""), "unknown key"),
        ("[alerts]\nwebhooks = []".to_owned(), "`alerts.webhooks`; did you mean `alerts.webhook`?"),
    ] {
        let said = refusal(&format!("{GOOD}{lines}\n"));
        assert!(said.contains(words) && !said.contains("T0KEN"), "{said}");
    }
}

#[test]
fn wrong_values_are_named_by_key() {
    for (lines, key) in [
        ("[listen]\ncontrol = \"localhost\"", "`listen.control`"),
        ("[listen]\ncontrol = 7400", "`listen.control`"),
        ("[listen]\ncontrol = \"127.0.0.1:1\"\ndata = \"127.0.0.1:1\"", "`listen.data`"),
        ("[limits]\nbody_bytes = 0", "`limits.body_bytes`"),
        ("[limits]\nbody_bytes = -1", "`limits.body_bytes`"),
        ("[limits]\nheader_seconds = 100000", "`limits.header_seconds`"),
        ("[log]\nformat = \"xml\"", "`log.format`"),
        ("[log]\nlevel = \"claviger=loud\"", "`log.level`"),
        ("[log]\nlevel = \"inof\"", "`log.level`"),
        ("[log]\nlevel = \"info,debgu\"", "`log.level`"),
        ("[log]\nlevel = \"\"", "`log.level`"),
        ("[audit]\ncut_seconds = 0", "`audit.cut_seconds`"),
        ("[audit]\nclock_step_seconds = 3601", "`audit.clock_step_seconds`"),
        ("[listen]\naws = \"127.0.0.1:7400\"", "`listen.aws`"),
        ("[aws]\naccount = \"123\"", "`aws.account`"),
        ("[aws]\nregion = \"US East\"", "`aws.region`"),
        ("[aws]\npartition = \"gcp\"", "`aws.partition`"),
        ("[xks]\nuri_prefix = \"example\"", "`xks.uri_prefix`"),
        ("[xks]\nuri_prefix = \"/example/\"", "`xks.uri_prefix`"),
        ("[xks]\nclient_name = \"\"", "`xks.client_name`"),
        ("[xks]\nrequire_client_certificate = false\nclient_name = \"a\"", "`xks.client_name`"),
    ] {
        let said = refusal(&format!("{GOOD}{lines}\n"));
        assert!(said.contains(key), "{said}");
    }
    assert!(refusal("data_dir = ").starts_with("claviger.toml: "));
    assert!(refusal("").contains("`data_dir` is missing"));
}

#[test]
fn root_takes_the_keys_of_its_kind_and_no_others() {
    let with_root = |root: &str| {
        let head = GOOD.split("[root]").next().unwrap();
        format!("{head}[root]\n{root}\n")
    };
    for (root, key) in [
        ("", "`root.kind` is missing"),
        ("kind = \"cloud\"", "`root.kind` is `cloud`"),
        ("kind = \"pkcs11\"", "`root.library` is missing"),
        ("kind = \"pkcs11\"\nlibrary = \"/l.so\"", "`root.token`"),
        ("kind = \"pkcs11\"\nlibrary = \"/l.so\"\ntoken = \"t\"\nslot = 1\npin_env = \"P\"", "`root.token`"),
        ("kind = \"pkcs11\"\nlibrary = \"/l.so\"\ntoken = \"t\"", "`root.pin_file`"),
        (
            "kind = \"pkcs11\"\nlibrary = \"/l.so\"\ntoken = \"t\"\npin_env = \"P\"\nkey_file = \"k\"",
            "`root.key_file`",
        ),
        ("kind = \"insecure_software_root\"", "`root.key_file`"),
        ("kind = \"insecure_software_root\"\nkey_file = \"k\"\nslot = 0", "`root.slot` has no meaning"),
    ] {
        let said = refusal(&with_root(root));
        assert!(said.contains(key), "{root}: {said}");
    }
    let config =
        load(&with_root("kind = \"pkcs11\"\nlibrary = \"/l.so\"\nslot = 3\npin_file = \"pin\"")).unwrap();
    let expected = Root::Pkcs11 {
        library: "/l.so".into(),
        token: TokenSelector::Slot(3),
        pin: PinSource::File("/srv/claviger/pin".into()),
    };
    assert_eq!(config.root, expected);
}

#[test]
fn written_configuration_reads_back() {
    let roots = [
        Root::InsecureSoftwareRoot { seal: SoftwareSeal::PassphraseFile("/p \"quoted\"".into()) },
        Root::InsecureSoftwareRoot { seal: SoftwareSeal::KeyFile("/k".into()) },
        Root::Pkcs11 {
            library: "/l.so".into(),
            token: TokenSelector::Label("main \\ token".into()),
            pin: PinSource::Env("PIN".into()),
        },
    ];
    for root in roots {
        let config = load(&Template::new(root.clone()).to_toml()).unwrap();
        assert_eq!(config.root, root);
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.data_dir, Path::new("/srv/claviger/data"));
    }
}

#[test]
fn limits_that_are_shown_as_comments_are_the_defaults() {
    let root = Root::InsecureSoftwareRoot { seal: SoftwareSeal::KeyFile("/k".into()) };
    let text = Template::new(root).to_toml();
    let uncommented: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ")).unwrap_or(line).to_owned() + "\n")
        .collect();
    assert_ne!(text, uncommented);
    assert_eq!(load(&uncommented).unwrap().limits, Limits::default());
}

#[test]
fn missing_file_is_named() {
    let error = Config::load(Path::new("/nowhere/claviger.toml")).unwrap_err();
    assert!(error.to_string().contains("`/nowhere/claviger.toml`"), "{error}");
}
