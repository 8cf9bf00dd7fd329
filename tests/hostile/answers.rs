//! Endless answers to every client that reads the VPC's facts or credentials.

use crate::{
    ONNET,
    lab::{self, Fault, Lab, Mode, Ran, Service, World},
    over_limit::is_reported,
};
use onnet::{import::saved, model::Source};
use serde_json::Value;
use std::{fs, path::Path, process::Stdio, time::Duration};

/// The deadline of a check.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The same where a size limit ends the answer: a busy machine needs longer to read that much.
const TIMEOUT_OF_SIZE: Duration = Duration::from_secs(60);

/// Additional time to start the process and print the report, on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

/// KiB of data that the process may have: less than the shipped unit's `MemoryMax=64M`.
const DATA: &str = "49152";

/// The server that is asked, and the settings.
struct Client {
    name: &'static str,
    config: &'static str,
    /// The variables that name the server or a file.
    variables: &'static [(&'static str, Setting)],
    server: Server,
    /// The fact that must be missing.
    fact: &'static str,
}

/// The value of a variable.
enum Setting {
    Text(&'static str),
    /// The URL of the hostile server with this path.
    Url(&'static str),
    /// A file with a token.
    Token,
}

/// The server that is hostile.
#[derive(Clone, Copy)]
enum Server {
    /// A server of the lab.
    Lab(Service),
    /// A server of another lab, for one that the lab does not have.
    Other,
}

use Setting::{Text, Token, Url};

const TABLES: &str = "/vpc/route_tables";

const ROLE: &str = "[default]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n\
                    [profile base]\naws_access_key_id = AKID\naws_secret_access_key = x\n";

const SSO: &str = "[default]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\n\
                   sso_region = us-east-1\nsso_start_url = https://start.awsapps.com/start\n";

const CLIENTS: [Client; 6] = [
    Client { name: "EC2", config: "", variables: &[], server: Server::Lab(Service::Ec2), fact: TABLES },
    Client {
        name: "instance metadata",
        config: "",
        variables: &[],
        server: Server::Lab(Service::Imds),
        fact: "/instance",
    },
    Client { name: "STS for a role", config: ROLE, variables: &[], server: Server::Lab(Service::Sts), fact: TABLES },
    Client {
        name: "STS for a web identity",
        config: "",
        variables: &[
            ("AWS_REGION", Text("us-east-1")),
            ("AWS_ROLE_ARN", Text("arn:aws:iam::123456789012:role/r")),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", Token),
        ],
        server: Server::Lab(Service::Sts),
        fact: TABLES,
    },
    Client {
        name: "a container's agent",
        config: "",
        variables: &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", Url("/credentials"))],
        server: Server::Other,
        fact: TABLES,
    },
    Client {
        name: "SSO",
        config: SSO,
        variables: &[("AWS_ENDPOINT_URL_SSO", Url(""))],
        server: Server::Other,
        fact: TABLES,
    },
];

/// The attacks, each with the reasons for which a fact may be missing: a limit if the answer is too long, the deadline if it is
/// too slow, and malformed if it is not HTTP.
const ATTACKS: [(Fault, &[&str]); 5] = [
    (Fault::EndlessBody, &["over_limit"]),
    (Fault::EndlessHead, &["unreachable", "credentials"]),
    (Fault::EndlessExtension, &["unreachable", "credentials"]),
    (Fault::EndlessInterim, &["timed_out"]),
    (Fault::Drip, &["timed_out"]),
];

/// Two labs: the metadata service of the second is the server that the first does not have.
struct Attack {
    lab: Lab,
    other: Lab,
}

impl Attack {
    fn of(client: &Client, fault: Fault) -> Self {
        let [lab, other] = [(); 2].map(|()| Lab::start(World::on_net(), Mode::Loopback).unwrap());
        match client.server {
            Server::Lab(service) => lab.set_fault(service, Some(fault)),
            Server::Other => other.set_fault(Service::Imds, Some(fault)),
        }
        Self { lab, other }
    }

    fn value(&self, value: &Setting) -> String {
        match value {
            Text(text) => (*text).to_owned(),
            Url(path) => {
                let settings = self.other.settings();
                let url = settings.iter().find(|(name, _)| *name == "AWS_EC2_METADATA_SERVICE_ENDPOINT");
                format!("{}{path}", url.unwrap().1)
            }
            Token => {
                let file = self.lab.directory().join("token");
                fs::write(&file, "token").unwrap();
                file.display().to_string()
            }
        }
    }

    fn check(&self, client: &Client, timeout: Duration) -> Ran {
        let directory = self.lab.directory();
        let config = directory.join("config");
        fs::write(&config, client.config).unwrap();
        // The SHA-1 of "s".
        let cache = directory.join(".aws/sso/cache");
        fs::create_dir_all(&cache).unwrap();
        fs::write(
            cache.join("a0f1490a20d0211c997b44bc357e1972deab8ae3.json"),
            "{\"accessToken\":\"x\",\"expiresAt\":\"2099-01-01T00:00:00Z\"}",
        )
        .unwrap();
        let mut command = self.lab.command(Path::new("sh")).unwrap();
        // `ONNET_AGAINST` names another binary to attack.
        let onnet = std::env::var_os("ONNET_AGAINST").unwrap_or_else(|| ONNET.into());
        // It has deadlines of its own, for a page for example: a build on the same machine must not decide which one comes first.
        let first = "renice -n -10 -p $$ > /dev/null 2>&1";
        command.args(["-c", &format!("{first}; ulimit -d {DATA} && exec \"$0\" \"$@\"")]).arg(onnet);
        command.args(["check", "--format", "json", "--timeout", &format!("{}s", timeout.as_secs())]);
        command.args(self.lab.options()).env("AWS_CONFIG_FILE", config);
        command.envs(client.variables.iter().map(|(name, value)| (name, self.value(value))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        lab::run(&mut command, timeout * 4).unwrap()
    }
}

/// The difference from the expected end, if there is one.
fn wrong(client: &Client, fault: Fault, reasons: &[&str]) -> Option<String> {
    let attack = Attack::of(client, fault);
    let timeout = if reasons == ["over_limit"] { TIMEOUT_OF_SIZE } else { TIMEOUT };
    let mut ran = attack.check(client, timeout);
    // Not attacked but missing, or attacked and not read to the limit: the machine was too busy.
    for _ in 0..5 {
        let is_hit = matches!(client.server, Server::Lab(Service::Imds));
        let is_missed = !is_hit && ran.stdout.contains("\"metadata-unavailable\"");
        let is_cut_short = reasons == ["over_limit"] && !ran.stdout.contains("\"over_limit\"");
        if !is_missed && !is_cut_short || ran.stdout.contains("\"outcome\": \"on_net\"") {
            break;
        }
        ran = attack.check(client, timeout);
    }
    let attack = format!("{} of {}", fault.name(), client.name);
    let Ok(report) = serde_json::from_str::<Value>(&ran.stdout) else { return Some(format!("{attack}: {ran:?}")) };
    let gap = &report["snapshot"].pointer(client.fact).unwrap()["unseen"];
    let reason = gap["reason"].as_str().unwrap_or("nothing");
    let fine = report["outcome"] == "undetermined" && reasons.contains(&reason) && ran.took < timeout + SLACK;
    if fine && reason == "over_limit" {
        let world = saved::parse(&attack, ran.stdout.as_bytes()).unwrap();
        let source = if client.fact == "/instance" { Source::Imds } else { Source::Ec2 };
        is_reported(world, source, &serde_json::from_value(gap.clone()).unwrap());
    }
    (!fine).then(|| format!("{attack}: {} after {:?}, for {gap}", report["outcome"], ran.took))
}

#[test]
fn an_answer_without_end_is_a_gap_of_bounded_cost() {
    let pairs: Vec<_> = CLIENTS.iter().flat_map(|client| ATTACKS.map(|attack| (client, attack))).collect();
    // Most of them wait for data that does not arrive.
    let slow: Vec<_> = std::thread::scope(|scope| {
        let some = pairs.chunks(pairs.len().div_ceil(6));
        let threads: Vec<_> = some
            .map(|some| {
                let each = some.iter().filter(|(client, (fault, reasons))| wrong(client, *fault, reasons).is_some());
                scope.spawn(move || each.collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    // What five others kept from its end is attacked again, alone.
    let alone = |(client, (fault, reasons)): &&(&Client, (Fault, &[&str]))| wrong(client, *fault, reasons);
    let wrong: Vec<String> = slow.iter().filter_map(alone).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
