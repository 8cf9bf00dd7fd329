//! `--web-config FILE`: the format of Prometheus' exporter-toolkit, errors in it, and rotation. With real handshakes.

mod mistakes;

use crate::{
    Test, is_installed,
    lab::fakes::{
        authority::{Authority, Leaf},
        server::closed_port,
    },
    named,
    web::{Folder, Server, load, now, until},
};
use libtest_mimic::{Failed, Trial};
use mistakes::{
    all_mistakes_are_reported_together, each_mistake_is_reported_with_its_line_and_no_secret, good,
    good_files_are_accepted,
};
use onnet::serve::{Limits, WebConfig};
use rcgen::SanType;
use std::{
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{Event, Subscriber, field, level_filters::LevelFilter};

const PROMETHEUS: &str = "prometheus";
const PROMTOOL: &str = "promtool";
const OPENSSL: &str = "openssl";

pub(crate) fn trials() -> Vec<Trial> {
    let plain: [(&str, fn()); 13] = [
        ("good_files_are_accepted", good_files_are_accepted),
        ("each_mistake_is_reported_with_its_line_and_no_secret", each_mistake_is_reported_with_its_line_and_no_secret),
        ("all_mistakes_are_reported_together", all_mistakes_are_reported_together),
        ("tls_is_spoken_and_http_told_so", tls_is_spoken_and_http_told_so),
        ("a_client_certificate_may_be_required", a_client_certificate_may_be_required),
        ("a_client_certificate_may_be_required_by_name", a_client_certificate_may_be_required_by_name),
        ("a_client_certificate_may_be_verified_if_given", a_client_certificate_may_be_verified_if_given),
        ("users_are_let_in_by_their_passwords", users_are_let_in_by_their_passwords),
        ("headers_and_rate_limit_are_those_of_the_file", headers_and_rate_limit_are_those_of_the_file),
        ("a_rotation_is_noticed_and_a_broken_one_changes_nothing", rotation),
        ("users_change_without_restart_and_are_never_done_away_with", users_change),
        ("reload_says_what_is_wrong", reload_says_what_is_wrong),
        ("a_slow_handshake_delays_no_other", a_slow_handshake_delays_no_other),
    ];
    let plain = plain.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    let real: [(&str, &str, Test); 3] = [
        ("versions_and_suites_are_those_of_the_file", OPENSSL, versions_and_suites_are_those_of_the_file),
        ("promtool_accepts_what_onnet_accepts", PROMTOOL, promtool_accepts_what_onnet_accepts),
        ("prometheus_scrapes_by_certificate_and_password", PROMETHEUS, prometheus_scrapes),
    ];
    let real = real.into_iter().flat_map(|(name, program, test)| named([(name, test)], is_installed(program)));
    plain.chain(real).collect()
}

/// Runs a test that needs tokio, on one thread as the daemon does.
fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

const PASSWORD: &str = "correct horse";

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

/// A directory with a server's certificate and the client authority.
struct Setup {
    folder: Folder,
    servers: Authority,
    clients: Authority,
}

const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

impl Setup {
    fn new(config: &str) -> Self {
        let (servers, clients) = (Authority::named("servers"), Authority::named("clients"));
        let server = servers.localhost();
        let folder = Folder::new(&[
            ("web.yml", config),
            ("server.pem", &server.certificate),
            ("server.key", &server.key),
            ("clients.pem", &clients.pem),
        ]);
        Self { folder, servers, clients }
    }

    fn web(&self) -> WebConfig {
        load(&self.folder.path("web.yml"))
    }

    /// The error for the current file, without the name of the directory.
    fn error(&self) -> String {
        let error = WebConfig::load(&self.folder.path("web.yml")).expect_err("an error");
        error.to_string().replace(&self.folder.0.path().display().to_string(), "DIR")
    }

    async fn get(&self, server: &Server, leaf: Option<&Leaf>) -> Result<String, reqwest::Error> {
        get(server, &client(&self.servers, leaf), None).await.map(|(_, body)| body)
    }
}

/// A client that trusts `authority`, and sends a certificate if it has one.
fn client(authority: &Authority, leaf: Option<&Leaf>) -> reqwest::Client {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let tls = match leaf {
        None => builder.with_no_client_auth(),
        Some(leaf) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    // Every request has its own connection, unless a test keeps the client.
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

async fn get(
    server: &Server,
    client: &reqwest::Client,
    user: Option<(&str, &str)>,
) -> Result<(u16, String), reqwest::Error> {
    let request = client.get(format!("https://localhost:{}/-/healthy", server.address.port()));
    let request = match user {
        Some((user, password)) => request.basic_auth(user, Some(password)),
        None => request,
    };
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

fn tls_is_spoken_and_http_told_so() {
    block_on(async {
        let setup = Setup::new(TLS);
        let server = Server::start(setup.web(), Limits::default());
        assert_eq!(setup.get(&server, None).await.unwrap(), "onnet is healthy\n");
        let answer = server.get("/metrics").await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("https://"), "{}", answer.body);
        // The authority of the clients did not sign the server's certificate.
        let error = get(&server, &client(&setup.clients, None), None).await.unwrap_err();
        assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
    });
}

const REQUIRED: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n";

fn a_client_certificate_may_be_required() {
    block_on(async {
        let setup = Setup::new(&format!("{TLS}{REQUIRED}"));
        let server = Server::start(setup.web(), Limits::default());
        let right = setup.clients.client("scraper.example.com");
        assert_eq!(setup.get(&server, Some(&right)).await.unwrap(), "onnet is healthy\n");
        assert!(setup.get(&server, None).await.is_err(), "without a certificate");
        let other = Authority::named("clients").client("scraper.example.com"); // another authority with the same name
        assert!(setup.get(&server, Some(&other)).await.is_err(), "with a certificate of another authority");
        let server_leaf = setup.clients.localhost();
        assert!(setup.get(&server, Some(&server_leaf)).await.is_err(), "with one that is for servers");
    });
}

fn a_client_certificate_may_be_required_by_name() {
    block_on(async {
        let names = "  client_allowed_sans: [scraper.example.com, 192.0.2.1, 'spiffe://example.com/scraper']\n";
        let setup = Setup::new(&format!("{TLS}{REQUIRED}{names}"));
        let server = Server::start(setup.web(), Limits::default());
        let leaf = |names: &[&str], more| setup.clients.client_with(names, more);
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let right = [
            leaf(&["other.example.com", "scraper.example.com"], vec![]),
            leaf(&[], vec![SanType::IpAddress("192.0.2.1".parse().unwrap())]),
            leaf(&[], vec![uri("spiffe://example.com/scraper")]),
        ];
        for leaf in &right {
            assert!(setup.get(&server, Some(leaf)).await.is_ok(), "{}", leaf.certificate);
        }
        let wrong = [
            leaf(&["*.example.com"], vec![]),
            leaf(&["scraper.example.com.example.org"], vec![]),
            leaf(&[], vec![SanType::DnsName("192.0.2.1".try_into().unwrap())]),
            leaf(&[], vec![uri("spiffe://example.com/scraper/2")]),
            leaf(&[], vec![]),
        ];
        for leaf in &wrong {
            assert!(setup.get(&server, Some(leaf)).await.is_err(), "{}", leaf.certificate);
        }
    });
}

fn a_client_certificate_may_be_verified_if_given() {
    block_on(async {
        let given = REQUIRED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven");
        let setup = Setup::new(&format!("{TLS}{given}"));
        let server = Server::start(setup.web(), Limits::default());
        assert!(setup.get(&server, None).await.is_ok());
        assert!(setup.get(&server, Some(&setup.clients.client("x"))).await.is_ok());
        let other = Authority::named("other").client("x");
        assert!(setup.get(&server, Some(&other)).await.is_err());
    });
}

/// The result of a handshake by `openssl s_client`, which is independent of rustls.
fn s_client(server: &Server, more: &[&str]) -> String {
    let target = format!("localhost:{}", server.address.port());
    let output = Command::new("openssl")
        .args(["s_client", "-brief", "-connect", &target])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn versions_and_suites_are_those_of_the_file() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let new = Setup::new(&format!("{TLS}  min_version: TLS13\n"));
        let server = Server::start(new.web(), Limits::default());
        assert!(s_client(&server, &[]).contains("Protocol version: TLSv1.3"), "{}", s_client(&server, &[]));
        assert!(!s_client(&server, &["-tls1_2"]).contains("Protocol version"), "TLS 1.2 is refused");

        let suite = "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n  curve_preferences: [CurveP384]\n";
        let old = Setup::new(&format!("{TLS}{suite}"));
        let server = Server::start(old.web(), Limits::default());
        let said = s_client(&server, &[]);
        assert!(said.contains("Protocol version: TLSv1.2") && said.contains("ECDHE-ECDSA-AES256-GCM-SHA384"), "{said}");
        assert!(said.contains("P-384") || said.contains("secp384r1"), "{said}");
        assert!(!s_client(&server, &["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]).contains("Protocol version"));

        let one = Setup::new(&format!("{TLS}  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"));
        let server = Server::start(one.web(), Limits::default());
        let said = s_client(&server, &[]);
        assert!(said.contains("TLS_AES_128_GCM_SHA256"), "{said}");
        assert!(!s_client(&server, &["-tls1_2"]).contains("Protocol version"), "no suite of TLS 1.2 was named");
    });
    Ok(())
}

fn users_are_let_in_by_their_passwords() {
    block_on(async {
        let config = format!("{TLS}basic_auth_users:\n  alice: {}\n  bob: {}\n", hash(PASSWORD), hash("bob's"));
        let setup = Setup::new(&config);
        let server = Server::start(setup.web(), Limits::default());
        let client = client(&setup.servers, None);
        let cases = [
            (Some(("alice", PASSWORD)), 200),
            (Some(("alice", PASSWORD)), 200), // from the cache
            (Some(("bob", "bob's")), 200),
            (Some(("bob", PASSWORD)), 401),
            (Some(("alice", "bob's")), 401),
            (Some(("alice", "")), 401),
            (Some(("mallory", PASSWORD)), 401),
            (Some(("", "")), 401),
            (None, 401),
        ];
        for (user, expected) in cases {
            assert_eq!(get(&server, &client, user).await.unwrap().0, expected, "{user:?}");
        }
    });
    block_on(async {
        // Without TLS too, as in the toolkit. A client without the right password gets no information.
        let setup = Setup::new(&format!("basic_auth_users:\n  alice: {}\n", hash(PASSWORD)));
        let server = Server::start(setup.web(), Limits::default());
        for path in ["/", "/metrics", "/report.json", "/-/healthy", "/-/ready", "/nowhere"] {
            let answer = server.get(path).await;
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("basic realm="), "{}", answer.head);
        }
        assert_eq!(server.ask("POST", "/metrics", "").await.status, 401);
    });
}

fn headers_and_rate_limit_are_those_of_the_file() {
    block_on(async {
        let config = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: default-src 'self'\nrate_limit:\n  interval: 1h\n  burst: 3\n";
        let setup = Setup::new(config);
        let server = Server::start(setup.web(), Limits::default());
        let mut statuses = Vec::new();
        for _ in 0..5 {
            let answer = server.get("/-/healthy").await;
            assert_eq!(answer.header("x-frame-options"), Some("deny"));
            assert_eq!(answer.header("content-security-policy"), Some("default-src 'self'"));
            statuses.push(answer.status);
        }
        assert_eq!(statuses, [200, 200, 200, 429, 429]);
    });
}

/// The log of this thread at level info and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= LevelFilter::INFO && metadata.target().starts_with("onnet")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Fields(String);
        impl field::Visit for Fields {
            fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!(" {}={value:?}", field.name()));
            }
        }
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

fn rotation() {
    let log = Log::default();
    // With a single dispatcher, tracing asks the first thread that emits an event, which may be another test's without a subscriber.
    let _second = tracing::Dispatch::new(Log::default());
    let _guard = tracing::subscriber::set_default(log.clone());
    block_on(async {
        let setup = Setup::new(&format!("{TLS}{REQUIRED}"));
        let web = setup.web();
        let server = Server::start(web.clone(), Limits::default());
        let leaf = setup.clients.client("x");
        assert!(setup.get(&server, Some(&leaf)).await.is_ok());

        // Another authority for the certificates of the server and the clients.
        let next = Setup::new("");
        for file in ["server.pem", "server.key", "clients.pem"] {
            let content = std::fs::read_to_string(next.folder.path(file)).unwrap();
            setup.folder.put(file, &content);
        }
        let next_leaf = next.clients.client("x");
        let next_client = client(&next.servers, Some(&next_leaf));
        until("the new certificates are shown", async || get(&server, &next_client, None).await.is_ok()).await;
        assert!(get(&server, &client(&next.servers, Some(&leaf)), None).await.is_err(), "the old authority is gone");

        // A failed rotation: the last good certificates stay, and the error is logged once.
        setup.folder.put("server.key", "half a fi");
        until("the wrong key is noticed", async || {
            assert!(get(&server, &next_client, None).await.is_ok());
            !web.status().successful
        })
        .await;
        let started = now();
        until("two more looks have passed", async || {
            assert!(get(&server, &next_client, None).await.is_ok());
            now().since(started) > Duration::from_millis(2_500)
        })
        .await;
        let wrong = |line: &String| line.contains("contains no unencrypted PEM private key");
        assert_eq!(log.lines().iter().filter(|line| wrong(line)).count(), 1, "{:#?}", log.lines());
        assert!(log.lines().iter().any(|line| line.starts_with("ERROR") && wrong(line)), "{:#?}", log.lines());

        // Then the files are fixed.
        let key = std::fs::read_to_string(next.folder.path("server.key")).unwrap();
        setup.folder.put("server.key", &key);
        until("it is fixed", async || {
            assert!(get(&server, &next_client, None).await.is_ok());
            web.status().successful
        })
        .await;
        assert!(!log.lines().iter().any(|line| line.contains("half a fi")), "{:#?}", log.lines());
    });
}

fn users_change() {
    block_on(async {
        let config = |password: &str| format!("basic_auth_users:\n  alice: {}\n", hash(password));
        let setup = Setup::new(&config(PASSWORD));
        let web = setup.web();
        let server = Server::start(web.clone(), Limits::default());
        let client = client(&setup.servers, None);
        let url = format!("http://{}/-/healthy", server.address);
        // Requests on persistent connections use the new configuration, too.
        let status = async |password: &str| {
            client.get(&url).basic_auth("alice", Some(password)).send().await.unwrap().status().as_u16()
        };
        assert_eq!((status(PASSWORD).await, status("next").await), (200, 401));
        setup.folder.put("web.yml", &config("next"));
        until("the new password is right", async || status("next").await == 200).await;
        assert_eq!(status(PASSWORD).await, 401, "the old one is not remembered");

        // A file is empty for a moment while it is written: access must still need a password.
        setup.folder.put("web.yml", "");
        until("the empty file is noticed", async || {
            assert_eq!(server.get("/metrics").await.status, 401);
            !web.status().successful
        })
        .await;
        assert_eq!(server.get("/metrics").await.status, 401);
        let error = web.reload().await.unwrap_err().to_string();
        assert!(error.contains("no longer asks for authentication") && error.contains("restart"), "{error}");
        std::fs::remove_file(setup.folder.path("web.yml")).unwrap();
        assert!(web.reload().await.is_err());
        assert_eq!((server.get("/metrics").await.status, status("next").await), (401, 200));
    });
}

fn reload_says_what_is_wrong() {
    block_on(async {
        let setup = Setup::new(TLS);
        let web = setup.web();
        let server = Server::start(web.clone(), Limits::default());
        let read_at = web.status().read_at;
        web.reload().await.unwrap();
        assert!(web.status().successful && web.status().read_at > read_at);
        let read_at = web.status().read_at;
        setup.folder.put("web.yml", &format!("{TLS}  typo: 1\n"));
        for _ in 0..2 {
            assert!(web.reload().await.unwrap_err().to_string().contains("typo"));
        }
        assert!(!web.status().successful && web.status().read_at == read_at);
        assert!(setup.get(&server, None).await.is_ok());
        setup.folder.put("web.yml", TLS);
        web.reload().await.unwrap();
        assert!(web.status().successful);
        WebConfig::none().reload().await.unwrap();
    });
}

fn a_slow_handshake_delays_no_other() {
    block_on(async {
        let setup = Setup::new(TLS);
        let limits = Limits { handshake: Duration::from_millis(500), ..Limits::default() };
        let server = Server::start(setup.web(), limits);
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.push(server.connect().await);
        }
        let mut half = server.connect().await;
        tokio::io::AsyncWriteExt::write_all(&mut half, &[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        assert!(setup.get(&server, None).await.is_ok());
        assert!(crate::web::closed_after(half).await < Duration::from_secs(5));
        assert!(crate::web::closed_after(silent.remove(0)).await < Duration::from_secs(5));
    });
}

fn promtool_accepts_what_onnet_accepts() -> Result<(), Failed> {
    let setup = Setup::new("");
    for (n, config) in good().into_iter().enumerate().filter(|(_, config)| config.contains(':')) {
        let file = format!("web-{n}.yml");
        setup.folder.put(&file, &config);
        let output = Command::new(PROMTOOL).args(["check", "web-config"]).arg(setup.folder.path(&file)).output()?;
        assert!(output.status.success(), "{config}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// A child process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real Prometheus, with its own certificate parser and its own TLS: one job with correct credentials, one with a wrong
/// password, one without a certificate.
fn prometheus_scrapes() -> Result<(), Failed> {
    block_on(async {
        let users = format!("basic_auth_users:\n  prometheus: {}\n", bcrypt::hash(PASSWORD, 10)?);
        let setup = Setup::new(&format!("{TLS}{REQUIRED}  client_allowed_sans: [scraper.example.com]\n{users}"));
        let server = Server::start(setup.web(), Limits::default());
        let leaf = setup.clients.client("scraper.example.com");
        setup.folder.put("client.pem", &leaf.certificate);
        setup.folder.put("client.key", &leaf.key);
        setup.folder.put("servers.pem", &setup.servers.pem);
        setup.folder.put("password", PASSWORD);
        let job = |name: &str, password: &str, certificate: bool| {
            let shown = if certificate { "\n      cert_file: client.pem\n      key_file: client.key" } else { "" };
            format!(
                "  - job_name: {name}\n    scheme: https\n    static_configs: [{{targets: ['localhost:{}']}}]\n    tls_config:\n      ca_file: servers.pem{shown}\n    basic_auth:\n      username: prometheus\n      {password}\n",
                server.address.port()
            )
        };
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}{}{}",
            job("right", "password_file: password", true),
            job("wrong_password", "password: wrong", true),
            job("no_certificate", "password_file: password", false),
        );
        setup.folder.put("prometheus.yml", &config);
        // A port that is free now, because Prometheus cannot report a port that the kernel chooses.
        let port = closed_port().port();
        let _prometheus = Running(
            Command::new(PROMETHEUS)
                .arg(format!("--config.file={}", setup.folder.path("prometheus.yml").display()))
                .arg(format!("--storage.tsdb.path={}", setup.folder.path("data").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
        );
        let plain = client(&setup.servers, None);
        let query = async |query: &str| -> Option<String> {
            let url = format!("http://127.0.0.1:{port}/api/v1/query?query={query}");
            let answer: serde_json::Value =
                serde_json::from_str(&plain.get(url).send().await.ok()?.text().await.ok()?).ok()?;
            Some(answer["data"]["result"].get(0)?["value"][1].as_str()?.to_owned())
        };
        for (job, up) in [("right", "1"), ("wrong_password", "0"), ("no_certificate", "0")] {
            let question = format!("up%7Bjob=%22{job}%22%7D");
            until(&format!("up{{job={job}}} = {up}"), async || query(&question).await.as_deref() == Some(up)).await;
        }
        until("the metric is there", async || query("onnet_ready%7Bjob=%22right%22%7D").await.as_deref() == Some("0"))
            .await;
        Ok(())
    })
}
