//! Configurations that are accepted, and the errors for those that are not.

use super::{PASSWORD, Setup, TLS, hash};
use onnet::serve::WebConfig;
use std::path::Path;

/// Files that onnet accepts, and Prometheus' own parser too.
pub(super) fn good() -> Vec<String> {
    let user = hash(PASSWORD).replacen("$2b$", "$2y$", 1);
    vec![
        String::new(),
        "# nothing\n".to_owned(),
        "{}\n".to_owned(),
        TLS.to_owned(),
        format!("{TLS}  client_auth_type: NoClientCert\n"),
        format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n"),
        format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: clients.pem\n"),
        format!("{TLS}  min_version: TLS12\n  max_version: TLS13\n  prefer_server_cipher_suites: false\n"),
        format!("{TLS}  min_version: TLS13\n"),
        format!("{TLS}  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"),
        format!("{TLS}  cipher_suites:\n  - TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256\n  - TLS_AES_128_GCM_SHA256\n"),
        format!("{TLS}  curve_preferences: [CurveP256, X25519, CurveP384]\n"),
        format!(
            "{TLS}http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=1\n"
        ),
        format!("basic_auth_users:\n  alice: {user}\n  \"0123\": '{user}'\n"),
        format!("basic_auth_users: {{alice: {user}}}\n{TLS}"),
    ]
}

pub(super) fn good_files_are_accepted() {
    let setup = Setup::new("");
    for config in good() {
        setup.folder.put("web.yml", &config);
        WebConfig::load(&setup.folder.path("web.yml")).unwrap_or_else(|error| panic!("{config}\n{error}"));
    }
    // Supported by newer versions of the toolkit than Debian's.
    let server = setup.servers.localhost();
    let indented = |pem: &str| pem.replace('\n', "\n    ");
    let inline = format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n  client_ca: |\n    {}\n  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [scraper.example.com, 'spiffe://example.com/scraper', 192.0.2.1]\nrate_limit:\n  interval: 100ms\n  burst: 10\n",
        indented(&server.certificate),
        indented(&server.key),
        indented(&setup.clients.pem)
    );
    setup.folder.put("web.yml", &inline);
    setup.web();
}

pub(super) fn each_mistake_is_reported_with_its_line_and_no_secret() {
    let setup = Setup::new("");
    let secret = "$2b$04$SECRETSECRETSECRETSECR";
    setup.folder.put("stranger.key", &setup.clients.client("x").key);
    setup.folder.put("secret.txt", "SECRET\n");
    setup.folder.put("broken.key", "-----BEGIN PRIVATE KEY-----\nSECRET%%\n-----END PRIVATE KEY-----\n");
    let verified = "  client_auth_type: RequireAndVerifyClientCert\n";
    let cases: Vec<(String, &[&str])> = vec![
        ("tls_config:\n".into(), &["line 1", "\"tls_config\"", "tls_server_config"]),
        (format!("{TLS}  cert_fil: x\n"), &["line 4", "\"cert_fil\"", "cert_file"]),
        ("tls_server_config:\n  cert_file: server.pem\n".into(), &["lacks key_file"]),
        ("tls_server_config:\n  key_file: server.key\n".into(), &["lacks cert_file"]),
        ("tls_server_config:\n  min_version: TLS13\n".into(), &["lacks cert_file", "lacks key_file"]),
        (TLS.replace("server.pem", "gone.pem"), &["line 2", "cert_file", "DIR/gone.pem", "No such file"]),
        (TLS.replace("server.key", "gone.key"), &["line 3", "key_file", "DIR/gone.key", "No such file"]),
        (TLS.replace("server.pem", "."), &["line 2", "a directory, not a regular file"]),
        (TLS.replace("server.pem", "/dev/zero"), &["line 2", "a device, not a regular file"]),
        (
            TLS.replace("server.pem", "secret.txt"),
            &["line 2", "cert_file DIR/secret.txt", "contains no PEM certificate"],
        ),
        (
            TLS.replace("server.key", "secret.txt"),
            &["line 3", "key_file DIR/secret.txt", "contains no unencrypted PEM private key"],
        ),
        (TLS.replace("server.key", "broken.key"), &["line 3", "contains no unencrypted PEM private key"]),
        (TLS.replace("server.key", "server.pem"), &["line 3", "contains no unencrypted PEM private key"]),
        (TLS.replace("server.key", "stranger.key"), &["line 3", "is not the key of cert_file DIR/server.pem"]),
        (format!("{TLS}  cert: SECRET\n"), &["line 4", "cert and cert_file exclude"]),
        (format!("{TLS}{verified}"), &["line 4", "needs client_ca_file"]),
        (format!("{TLS}{verified}  client_ca_file: secret.txt\n"), &["line 5", "contains no PEM certificate"]),
        (format!("{TLS}  client_ca_file: clients.pem\n"), &["line 4", "client_auth_type: RequireAndVerify"]),
        (
            format!("{TLS}  client_auth_type: RequireAnyClientCert\n"),
            &["line 4", "authenticates no one", "use Require"],
        ),
        (format!("{TLS}  client_auth_type: RequestClientCert\n"), &["line 4", "authenticates no one"]),
        (format!("{TLS}  client_auth_type: yes please\n"), &["line 4", "expected NoClientCert"]),
        (format!("{TLS}  client_allowed_sans: [a]\n"), &["line 4", "needs client_auth_type"]),
        (
            format!("{TLS}{verified}  client_ca_file: clients.pem\n  client_allowed_sans: [a@example.com]\n"),
            &["line 6", "e-mail"],
        ),
        (format!("{TLS}{verified}  client_ca_file: clients.pem\n  client_allowed_sans: []\n"), &["is empty"]),
        (format!("{TLS}  min_version: TLS10\n"), &["line 4", "TLS10", "no longer secure", "TLS12 or TLS13"]),
        (format!("{TLS}  max_version: SSL30\n"), &["line 4", "max_version: expected TLS12 or TLS13"]),
        (format!("{TLS}  min_version: TLS13\n  max_version: TLS12\n"), &["min_version is above max_version"]),
        (
            format!("{TLS}  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]\n"),
            &["line 4", "\"TLS_RSA_WITH_AES_128_CBC_SHA\"", "TLS_AES_128_GCM_SHA256"],
        ),
        (
            format!("{TLS}  min_version: TLS12\n  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"),
            &["line 6", "none is of a version"],
        ),
        (format!("{TLS}  curve_preferences: [CurveP521]\n"), &["line 4", "\"CurveP521\"", "X25519"]),
        (format!("{TLS}  prefer_server_cipher_suites: perhaps\n"), &["line 4", "prefer_server_cipher_suites"]),
        ("http_server_config:\n  http2: true\n".into(), &["line 2", "HTTP/1.1"]),
        ("http_server_config:\n  headers:\n    Server: x\n".into(), &["line 3", "\"Server\"", "X-Frame-Options"]),
        ("http_server_config:\n  headers:\n    X-Frame-Options: no\n".into(), &["line 3", "deny or sameorigin"]),
        ("rate_limit:\n  interval: often\n  burst: 1\n".into(), &["line 2", "such as 100ms"]),
        ("rate_limit:\n  interval: 1s\n".into(), &["burst of at least 1"]),
        ("rate_limit:\n  interval: 1s\n  burst: -1\n".into(), &["line 3", "burst"]),
        ("basic_auth_users:\n  alice: SECRET\n".into(), &["line 2", "\"alice\"", "no bcrypt hash"]),
        ("basic_auth_users:\n  alice:\n".into(), &["\"alice\"", "no bcrypt hash"]),
        (format!("basic_auth_users:\n  alice: {secret}\n"), &["line 2", "no bcrypt hash"]),
        (format!("basic_auth_users:\n  alice: {}\n", hash("x").replace("$04$", "$31$")), &["line 2", "cost of 31"]),
        (format!("basic_auth_users:\n  a: {secret}\n  a: {secret}\n"), &["line 3", "a is set twice"]),
        (format!("basic_auth_users: {secret}\n"), &["line 1", "basic_auth_users"]),
        (format!("basic_auth_users: [{secret}]\n"), &["line 1", "basic_auth_users"]),
        (format!("basic_auth_users:\n  a: [{secret}]\n"), &["line 2"]),
        (format!("- {secret}\n"), &["line 1"]),
        (format!("{secret}\n"), &["line 1"]),
        (format!("a: b: {secret}\n"), &["line 1", "not readable YAML"]),
        (format!("a: \"{secret}\n"), &["not readable YAML"]),
        (format!("{TLS}---\nkey: {secret}\n"), &["line 5", "second YAML document"]),
        ("a: &SECRET [*SECRET]\n".into(), &[]),
    ];
    for (config, expected) in cases {
        setup.folder.put("web.yml", &config);
        let error = setup.error();
        assert!(error.starts_with("DIR/web.yml"), "{config}\n{error}");
        for part in expected {
            assert!(error.contains(part), "{config}\n{error}\nlacks {part:?}");
        }
        assert!(!error.contains("SECRET"), "{config}\n{error}");
        assert!(!error.contains("$2"), "{config}\n{error}");
    }
    let gone = WebConfig::load(Path::new("/nowhere/web.yml")).err().unwrap().to_string();
    assert!(gone.contains("cannot read /nowhere/web.yml: No such file"), "{gone}");
    std::fs::write(setup.folder.path("web.yml"), [0xff, 0xfe, 0x00]).unwrap();
    assert!(setup.error().contains("UTF-8"), "{}", setup.error());
    assert!(!format!("{:?}", WebConfig::none()).contains("key"), "no secrets in what is printed for debugging");
}

pub(super) fn all_mistakes_are_reported_together() {
    let config = "tls_server_config:\n  cert_file: gone.pem\n  key_file: gone.key\n  min_version: TLS11\n  cipher_suites: [A, B]\nhttp_server_config:\n  http2: true\nbasic_auth_users:\n  a: x\n  b: y\ntypo: 1\n";
    let setup = Setup::new(config);
    let error = setup.error();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 7, "{error}");
    for part in ["line 4", "\"A\"", "\"B\"", "http2", "\"a\"", "\"b\"", "typo"] {
        assert!(error.contains(part), "{error}\nlacks {part}");
    }
    // Errors in other files are reported if this one is right.
    setup.folder.put("web.yml", &TLS.replace("server.", "gone."));
    assert_eq!(setup.error().lines().count(), 2, "{}", setup.error());
}
