use std::path::PathBuf;

use toml::{Table, Value};

use super::settings::{Kind, SECTIONS, SETTINGS};
use super::*;

fn parse(text: &str) -> Config {
    Config::parse(text, PathBuf::from("/etc/godkend"), std::iter::empty()).unwrap()
}

fn with_env(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(text, PathBuf::new(), env)
}

fn errors(config: &Config) -> Vec<String> {
    config.check().iter().filter(|f| f.severity == Severity::Error).map(ToString::to_string).collect()
}

#[test]
fn example_is_the_defaults_and_has_no_findings() {
    let config = Config::parse(&Config::example(), PathBuf::new(), std::iter::empty()).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.check(), []);
}

#[test]
fn the_list_of_settings_is_the_struct() {
    let table = Table::try_from(Config::default()).unwrap();
    let mut in_struct: Vec<String> = table
        .iter()
        .filter(|(section, _)| !["attestation", "relying_party"].contains(&section.as_str()))
        .flat_map(|(section, v)| v.as_table().unwrap().keys().map(move |key| format!("{section}.{key}")))
        .collect();
    let mut in_list: Vec<String> = SETTINGS.iter().map(settings::Setting::name).collect();
    in_struct.sort();
    in_list.sort();
    assert_eq!(in_struct, in_list);
    for setting in SETTINGS {
        let kind = match &table[setting.section][setting.key] {
            Value::String(_) => Kind::Text,
            Value::Integer(_) => Kind::Number,
            Value::Boolean(_) => Kind::Switch,
            Value::Array(list) if list.iter().all(Value::is_integer) && !list.is_empty() => Kind::NumberList,
            Value::Array(_) => Kind::TextList,
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, setting.kind, "{}", setting.name());
        assert!(SECTIONS.iter().any(|(section, _)| *section == setting.section));
    }
}

#[test]
fn every_setting_can_be_overridden_by_its_variable() {
    let other = |setting: &settings::Setting| match (setting.section, setting.key, setting.kind) {
        (_, "listen", _) => "127.0.0.1:7777",
        ("tls", "mode", _) => "off",
        (_, _, Kind::Text) => "other",
        (_, _, Kind::Number) => "7",
        ("approval", "locked_pushes", _) => "false",
        (_, _, Kind::Switch) => "true",
        (_, _, Kind::NumberList) => "[7, 8]",
        (_, _, Kind::TextList) => "[\"10.0.0.1\"]",
    };
    for setting in SETTINGS {
        let config = with_env(&Config::example(), &[(&setting.variable(), other(setting))]).unwrap();
        let value = Table::try_from(config).unwrap()[setting.section][setting.key].clone();
        let default = Table::try_from(Config::default()).unwrap()[setting.section][setting.key].clone();
        assert_ne!(value, default, "{}", setting.variable());
    }
}

#[test]
fn unknown_names_are_errors() {
    let config = with_env(
        "[server]\nlisten_on = 1\n[sever]\nx = 1\n[limits]\nbody = 3\n[[relying_party]]\nclient_id='a'\nname='A'\nredirect_uris=['https://a.dk/']\nsecret='x'\n",
        &[("GODKEND_SERVER_LISTN", "127.0.0.1:1"), ("GODKEND_CONFIG", "x"), ("PATH", "/bin")],
    )
    .unwrap();
    let found = errors(&config).join("\n");
    for name in ["server.listen_on", "sever ", "limits.body ", "GODKEND_SERVER_LISTN", "relying_party.secret"] {
        assert!(found.contains(name), "{name} in {found}");
    }
    assert_eq!(errors(&config).len(), 5, "{found}");
}

#[test]
fn a_wrong_kind_names_its_setting() {
    for (text, name) in [
        ("[server]\nlisten = 'here'", "server.listen"),
        ("[limits]\nbody_bytes = -1", "limits.body_bytes"),
        ("[tls]\nmode = 'plain'", "tls.mode"),
        ("[pin]\nwaits_seconds = 3", "pin.waits_seconds"),
        ("[metrics]\nlisten = 'here'", "metrics.listen"),
        ("[[relying_party]]\nname = 'x'", "number 1"),
        ("server = 3", "[server]"),
    ] {
        let error = Config::parse(text, PathBuf::new(), std::iter::empty()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let error = with_env("", &[("GODKEND_LIMITS_CONNECTIONS", "many")]).unwrap_err().to_string();
    assert!(error.contains("GODKEND_LIMITS_CONNECTIONS"), "{error}");
}

#[test]
fn bad_values_are_found() {
    for (text, setting) in [
        ("[server]\nenvironment = 'Prod'", "server.environment"),
        ("[server]\nenvironment = 'production'\ntest_environment = true", "server.test_environment"),
        ("[server]\npublic_url = 'http://id.example'", "server.public_url"),
        ("[server]\npublic_url = 'https://id.example/x'", "server.public_url"),
        ("[server]\npublic_url = 'https://id.example/'", "server.public_url"),
        ("[tls]\nmode = 'files'", "tls.key"),
        ("[tls]\nkey = 'x'", "tls.key"),
        ("[limits]\nconnections = 0", "limits.connections"),
        ("[limits]\nrequest_seconds = 20", "approval.long_poll_seconds"),
        ("[approval]\nlifetime_seconds = 181", "approval.lifetime_seconds"),
        ("[pin]\nwaits_seconds = []", "pin.waits_seconds"),
        ("[pin]\ntries_per_round = 0", "pin.tries_per_round"),
        ("[log]\nlevel = 'loud'", "log.level"),
        ("[metrics]\nlisten = '127.0.0.1:8443'", "metrics.listen"),
        ("[push]\nfcm_project = 'p'", "push.fcm_key"),
        ("[push]\nfcm_project = 'p/../q'\nfcm_key = 'k'", "push.fcm_project"),
        ("[push]\nfcm_key = 'k'", "push.fcm_project"),
        ("[push]\nfcm_url = 'http://fcm.example'", "push.fcm_url"),
        ("[push]\napns_sandbox_url = 'https://apns.example/'", "push.apns_sandbox_url"),
        ("[push]\napns_topic = 'dk.godkend'\napns_key = 'k'\napns_key_id = 'i'", "push.apns_team"),
        ("[push]\nweb_push_hosts = ['https://push.example']", "push.web_push_hosts"),
        ("[push]\nweb_push_hosts = ['*']\nweb_push_key = 'k'", "push.web_push_contact"),
        ("[push]\nweb_push_private = true", "push.web_push_private"),
    ] {
        let found = errors(&parse(text));
        assert!(found.iter().any(|f| f.contains(setting)), "{text}: {found:?}");
    }
}

#[test]
fn relying_parties_are_checked() {
    let good = "[[relying_party]]\nclient_id='bank'\nname='Bank'\nredirect_uris=['https://bank.dk/cb']\n";
    let config = parse(good);
    assert_eq!(config.check(), []);
    let party = &config.relying_party[0];
    assert_eq!(party.levels, [Level::Low, Level::Substantial, Level::High]);
    assert_eq!(party.cpr, Cpr::None);
    for (more, setting) in [
        (good.to_owned(), "[bank].client_id"),
        ("ciba = true".to_owned(), "[bank].ciba"),
        ("cpr = 'claim'".to_owned(), "[bank].cpr"),
        ("client_secret_sha256 = 'abc'".to_owned(), "[bank].client_secret_sha256"),
        (format!("client_secret_sha256 = '{}'", "0".repeat(64)), "[bank].client_secret_sha256"),
        ("sector = 'https://bank.dk'".to_owned(), "[bank].sector"),
        ("levels = []".to_owned(), "[bank].levels"),
    ] {
        let found = errors(&parse(&format!("{good}{more}")));
        assert!(found.iter().any(|f| f.contains(setting)), "{more}: {found:?}");
    }
    for uri in ["http://bank.dk/", "https://bank.dk/#x", "https://a@bank.dk/", "custom://x", "nothing"] {
        let found = errors(&parse(&good.replace("https://bank.dk/cb", uri)));
        assert!(found.iter().any(|f| f.contains("redirect_uris")), "{uri}");
    }
}

#[test]
fn weaker_limits_and_open_doors_are_warned_about() {
    let config = parse(
        "[server]\nlisten='0.0.0.0:80'\ntrusted_proxies=['10.0.0.1']\n[tls]\nmode='off'\n[pin]\ntries_per_round=4\n[metrics]\nlisten='0.0.0.0:9464'",
    );
    let local = parse("[tls]\nmode='off'");
    let found: Vec<String> = config.check().iter().chain(&local.check()).map(ToString::to_string).collect();
    assert!(errors(&config).is_empty() && errors(&local).is_empty(), "{found:?}");
    for name in ["tls.mode", "server.trusted_proxies", "pin.tries_per_round", "metrics.listen"] {
        assert!(found.iter().any(|f| f.starts_with(&format!("warning: {name}"))), "{name} {found:?}");
    }
}

#[test]
fn plain_http_beyond_this_machine_needs_a_proxy() {
    for listen in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
        let open = parse(&format!("[server]\nlisten='{listen}'\n[tls]\nmode='off'"));
        assert!(errors(&open).iter().any(|f| f.starts_with("error: tls.mode")), "{listen}");
        let behind = parse(&format!("[server]\nlisten='{listen}'\ntrusted_proxies=['10.0.0.1']\n[tls]\nmode='off'"));
        assert_eq!(errors(&behind), Vec::<String>::new(), "{listen}");
    }
}

#[test]
fn a_test_environment_that_others_reach_says_so_in_its_name() {
    let config = |name: &str, listen: &str, url: &str| {
        parse(&format!(
            "[server]\nenvironment='{name}'\ntest_environment=true\nlisten='{listen}'\npublic_url='https://{url}'"
        ))
    };
    let (here, there) = ("127.0.0.1:8443", "0.0.0.0:8443");
    for (listen, url) in
        [(there, "localhost:8443"), (here, "id.example.dk"), (there, "id.example.dk"), (here, "[2001:db8::1]")]
    {
        let open = config("pilot", listen, url);
        assert!(errors(&open).iter().any(|f| f.contains("server.test_environment")), "{listen} {url}");
        for name in ["test", "test-aarhus"] {
            let told = config(name, listen, url);
            assert_eq!(errors(&told), Vec::<String>::new(), "{listen} {url}");
            assert!(told.check().iter().any(|f| f.setting == "server.test_environment"), "{listen} {url}");
        }
    }
    for url in ["localhost:8443", "127.0.0.1:8443", "[::1]:8443", "id.localhost"] {
        assert_eq!(config("pilot", here, url).check(), [], "{url}");
    }
}

#[test]
fn paths_start_at_the_file_and_the_data_folder() {
    let config = parse("");
    assert_eq!(config.in_data_dir(&config.database.path), PathBuf::from("/etc/godkend/data/godkend.sqlite"));
    assert_eq!(parse("[server]\ndata_dir='/var/g'").data_dir(), PathBuf::from("/var/g"));
    assert_eq!(config.public_host().as_deref(), Some("localhost"));
}

#[test]
fn versions_of_the_app_are_checked() {
    let good = parse("[app]\nrecommended = \"1.2.0\"\nrequired = \"1.0.0\"\nrequired_from = 2027-01-15T08:00:00Z");
    assert_eq!(errors(&good), Vec::<String>::new());
    assert_eq!(good.app.required_from(), Some(1_800_000_000));
    let variables = [("GODKEND_APP_REQUIRED", "1.0.0"), ("GODKEND_APP_REQUIRED_FROM", "1800000000")];
    assert_eq!(with_env("", &variables).unwrap().app.required_from(), Some(1_800_000_000));
    for bad in [
        "recommended = \"1.2\"",
        "refused_below = \"v1.0.0\"",
        "required = \"1.0.0\"",
        "required_from = 5",
        "required = \"1.0.0\"\nrequired_from = \"soon\"",
    ] {
        assert_eq!(errors(&parse(&format!("[app]\n{bad}"))).len(), 1, "{bad}");
    }
}
