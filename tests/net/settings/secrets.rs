//! Secrets in every place from which onnet reads them: none of them appears in any output, at any log level.

use crate::{
    ONNET,
    fakes::server::{Server, answer},
    lab::{self, Lab, METADATA_TOKEN, Mode, SECRET_KEY, SESSION_TOKEN, World},
};
use serde_json::Value;
use std::{fs, net::SocketAddr, path::Path, process::Stdio, time::Duration};

const PATIENCE: Duration = Duration::from_secs(60);

/// Part of every secret that the test sets. The lab's instance metadata has further ones.
const PLANTED: &str = "PLANTED";

/// A server that returns credentials by HTTP: STS, SSO, or the agent of a container. Ends with the process.
fn provider() -> SocketAddr {
    Server::on_a_thread(|request| {
        let body = if request.path.starts_with("/credentials") {
            "{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"PLANTED-container\",\"Token\":\"PLANTED-container-token\",\
             \"Expiration\":\"2099-01-01T00:00:00Z\"}"
                .to_owned()
        } else if request.path.starts_with("/federation") {
            "{\"roleCredentials\":{\"accessKeyId\":\"AKID\",\"secretAccessKey\":\"PLANTED-sso\",\"sessionToken\":\
             \"PLANTED-sso-token\",\"expiration\":4070908800000}}"
                .to_owned()
        } else {
            let action =
                if request.body.contains("WithWebIdentity") { "AssumeRoleWithWebIdentity" } else { "AssumeRole" };
            format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
                 <AccessKeyId>AKID</AccessKeyId><SecretAccessKey>PLANTED-sts</SecretAccessKey>\
                 <SessionToken>PLANTED-sts-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
                 </Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn>\
                 <AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser></{action}Result></{action}Response>"
            )
        };
        let kind = if body.starts_with('<') { "text/xml" } else { "application/json" };
        answer(200, kind, &body)
    })
}

/// The places of secrets, and whether they are used for EC2.
struct Source {
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    config: String,
    credentials: &'static str,
    used: bool,
}

fn source(name: &'static str, used: bool) -> Source {
    Source { name, variables: Vec::new(), config: String::new(), credentials: "", used }
}

impl Source {
    fn set(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((variable, value.into()));
        self
    }

    fn config(self, config: impl Into<String>) -> Self {
        Self { config: config.into(), ..self }
    }

    fn credentials(self, credentials: &'static str) -> Self {
        Self { credentials, ..self }
    }
}

const KEYS: &str =
    "aws_access_key_id = AKID\naws_secret_access_key = PLANTED-profile\naws_session_token = PLANTED-profile-token\n";

fn sources(lab: &Lab) -> Vec<Source> {
    let provider = provider();
    let with_user = |name: &str| {
        let settings = lab.settings();
        let (_, url) = settings.iter().find(|(variable, _)| *variable == name).unwrap();
        url.replacen("://", "://PLANTED-alice:PLANTED-url@", 1)
    };
    let token = lab.directory().join("token");
    fs::write(&token, "PLANTED-web-identity-token").unwrap();
    let cache = lab.directory().join(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    // The SHA-1 of "s".
    fs::write(
        cache.join("a0f1490a20d0211c997b44bc357e1972deab8ae3.json"),
        "{\"accessToken\":\"PLANTED-sso-access-token\",\"expiresAt\":\"2099-01-01T00:00:00Z\"}",
    )
    .unwrap();
    let sts = format!("http://PLANTED-alice:PLANTED-url@{provider}");
    let mut sources = vec![
        source("instance metadata", true),
        source("the environment", true)
            .set("AWS_ACCESS_KEY_ID", "AKID")
            .set("AWS_SECRET_ACCESS_KEY", "PLANTED-secret")
            .set("AWS_SESSION_TOKEN", "PLANTED-token"),
        source("a profile", true).credentials(
            "[default]\naws_access_key_id = AKID\naws_secret_access_key = PLANTED-profile\naws_session_token = PLANTED-token\n",
        ),
        source("a process", true).config(
            "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\
             \"PLANTED-process\",\"SessionToken\":\"PLANTED-process-token\"}' # PLANTED-argument\n",
        ),
        source("a process that fails", false)
            .config("[default]\ncredential_process = echo PLANTED-stdout; echo PLANTED-stderr >&2; exit 1 # PLANTED-argument\n"),
        source("a process that writes no credentials", false).config("[default]\ncredential_process = echo PLANTED-stdout\n"),
        source("a role", true)
            .config(format!(
                "[default]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n\
                 external_id = PLANTED-external-id\n[profile base]\n{KEYS}"
            ))
            .set("AWS_ENDPOINT_URL_STS", sts.clone()),
        source("web identity", true)
            .set("AWS_REGION", "us-east-1")
            .set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
            .set("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())
            .set("AWS_ENDPOINT_URL_STS", sts),
        source("SSO", true)
            .config(
                "[default]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = \
                 us-east-1\nsso_start_url = https://PLANTED-start.awsapps.com/start\n",
            )
            .set("AWS_ENDPOINT_URL_SSO", format!("http://PLANTED-alice:PLANTED-url@{provider}")),
        source("a container", true)
            .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://PLANTED-alice:PLANTED-url@{provider}/credentials"))
            .set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "PLANTED-authorization"),
        source("a container that is not allowed", false)
            .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://PLANTED-alice:PLANTED-url@192.0.2.1/PLANTED"),
        source("endpoint URLs", true)
            .set("AWS_ENDPOINT_URL_EC2", with_user("AWS_ENDPOINT_URL_EC2"))
            .set("AWS_ENDPOINT_URL_DYNAMODB", with_user("AWS_ENDPOINT_URL_DYNAMODB"))
            .set("AWS_EC2_METADATA_SERVICE_ENDPOINT", with_user("AWS_EC2_METADATA_SERVICE_ENDPOINT")),
        source("an endpoint URL without a server", false)
            .set("AWS_ENDPOINT_URL_EC2", "https://PLANTED-alice:PLANTED-url@127.0.0.1:1/?PLANTED"),
        source("a line that is none below a key", false)
            .config("[default]\nservices = s\n[services s]\ndynamodb =\n  PLANTED\n"),
        source("a line that is none", false).credentials("[default]\naws_secret_access_key PLANTED\n"),
        source("lines that are ignored", true)
            .config("[default]\nservices = s\n[services s]\ndynamodb =\n  PLANTED key = PLANTED\n")
            .credentials("[default]\naws_access_key_id = AKID\naws_secret_access_key = PLANTED-profile\n  PLANTED\n"),
    ];
    for url in ["http://alice:PLANTED#t@127.0.0.1", "http://alice:80/PLANTED@127.0.0.1", "PLANTED"] {
        sources
            .push(source("an endpoint URL that is none", false).config(format!("[default]\nendpoint_url = {url}\n")));
        sources.push(source("a container's URL that is none", false).set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url));
    }
    let path = "PLANTED bad";
    sources.push(source("a container's path that is none", false).set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path));
    for password in ["PLANTED", "PLAN@PLANTED", "PLAN#PLANTED", "PLAN/PLANTED", "PLAN?PLANTED", "80/PLANTED"] {
        let proxy = format!("http://alice:{password}@127.0.0.1:1");
        sources.push(source("a proxy", false).set("HTTPS_PROXY", proxy.clone()).set("all_proxy", proxy));
    }
    sources
}

const LEVELS: [&[&str]; 5] = [
    &[],
    &["-v"],
    &["-vvv"],
    &["-vvv", "--log-format", "json"],
    &["--log", "trace,aws_config=trace,aws_runtime=trace,aws_smithy_runtime=trace,hyper=trace"],
];

/// All outputs of a check, and of what it saves.
fn written(lab: &Lab, source: &Source, level: &[&str]) -> String {
    let directory = tempfile::tempdir_in(lab.directory()).unwrap();
    let [config, credentials, saved] = ["config", "credentials", "saved.json"].map(|name| directory.path().join(name));
    fs::write(&config, &source.config).unwrap();
    fs::write(&credentials, source.credentials).unwrap();
    let mut command = lab.command(Path::new(ONNET)).unwrap();
    command.args(["check", "--timeout", "5s", "--save", saved.to_str().unwrap()]).args(level).args(lab.options());
    command.env("AWS_CONFIG_FILE", config).env("AWS_SHARED_CREDENTIALS_FILE", credentials);
    command.envs(source.variables.iter().map(|(name, value)| (name, value)));
    let ran = lab::run(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE).unwrap();
    let round = fs::read_to_string(&saved).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr));
    let tables = &serde_json::from_str::<Value>(&round).unwrap()["vpc"]["route_tables"];
    assert_eq!(tables.get("seen").is_some(), source.used, "{}: {tables:#}\n{}", source.name, ran.stderr);
    let judged = ["text", "json", "nagios"].map(|format| {
        let judge = lab.onnet(Path::new(ONNET), &["judge", saved.to_str().unwrap(), "--format", format]).unwrap();
        judge.stdout + &judge.stderr
    });
    [ran.stdout, ran.stderr, round, judged.concat()].concat()
}

#[test]
fn no_secret_is_ever_written() {
    let lab = Lab::start(World::on_net(), Mode::Loopback).unwrap();
    let secrets = [PLANTED, METADATA_TOKEN, SECRET_KEY, SESSION_TOKEN];
    let sources = sources(&lab);
    // Most of them wait for an answer that does not arrive.
    std::thread::scope(|scope| {
        for some in sources.chunks(sources.len().div_ceil(8)) {
            scope.spawn(|| {
                for (source, level) in some.iter().flat_map(|source| LEVELS.map(|level| (source, level))) {
                    let written = written(&lab, source, level);
                    let leak = written.lines().find(|line| secrets.iter().any(|secret| line.contains(secret)));
                    assert_eq!(leak, None, "{} {:?} {level:?}", source.name, source.variables);
                }
            });
        }
    });
}
