//! The tutorial with third-party software: moto serves EC2, STS and DynamoDB, nginx their TLS under the real names, unbound the
//! DNS, and the AWS CLI makes the changes. Only instance metadata is from the lab. Then IAM: a third-party evaluator decides the
//! requests of the lab's matrix. Then shared facts: moto and dynalite have the table.
//!
//! Run by `tests/e2e/run`, which installs what it needs. Where moto differs from AWS, this test does what AWS would do; onnet is not
//! changed for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod facts;
#[path = "../common/facts_table.rs"]
mod facts_table;
mod iam;
#[path = "../lab/mod.rs"]
mod lab;
mod model;

use lab::{
    Fault, Lab, Mode, Ran, Service, World,
    daemon::{Daemon, PATIENCE},
    rights,
    world::{AssociatedWith, DYNAMODB_LIST, MAIN_TABLE},
};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, ExitCode, Stdio},
    time::Duration,
};
use tokio::time::Instant;

const ONNET: &str = env!("CARGO_BIN_EXE_onnet");

/// An address that is in the prefix list for DynamoDB of moto and of AWS.
const ADDRESS: &str = "52.94.0.10";

type Done = Result<(), Failed>;

fn main() -> ExitCode {
    if let Err(why) = rights::gain() {
        eprintln!("no network namespaces: {why}");
        return ExitCode::FAILURE;
    }
    let mut trials = vec![
        Trial::test("the_tutorial_with_moto_nginx_unbound_and_the_aws_cli", tutorial),
        Trial::test("the_lab_answers_as_the_api_model_says", shapes),
        Trial::test("every_field_and_value_of_the_api_model_is_known", model::model),
        Trial::test("iam_decides_as_the_independent_evaluator_does", iam::matrix),
    ];
    trials.extend(facts::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// nginx's answer in place of DynamoDB to `GET /`.
const HEALTH: &str = "if ($request_method = GET) { return 200 'healthy: dynamodb.us-east-1.amazonaws.com '; }";

/// What nginx does with everything else.
const TO_STAND_IN: &str = "proxy_pass http://127.0.0.1:5000; proxy_set_header Host $host;";

/// A configuration of nginx with these servers, which have the lab's certificate of the real names: its file.
fn nginx_conf(lab: &Lab, servers: &str) -> Result<String, Failed> {
    let (directory, file) = (lab.directory().display(), lab.directory().join("nginx.conf"));
    fs::write(
        &file,
        format!(
            "daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr;\nevents {{}}\nhttp {{\n  \
             access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; \
             fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;\n  \
             ssl_certificate {directory}/server.pem; ssl_certificate_key {directory}/server.key;\n  {servers}\n}}\n"
        ),
    )?;
    Ok(file.display().to_string())
}

/// Where `tests/e2e/run` installed moto and the AWS CLI.
fn tool(name: &str) -> PathBuf {
    let tools = std::env::var_os("ONNET_E2E_TOOLS").expect("start it by tests/e2e/run");
    Path::new(&tools).join(name)
}

/// A third-party server on AWS's side.
struct Stand {
    child: Child,
}

impl Stand {
    fn start(lab: &Lab, program: &Path, arguments: &[&str]) -> Result<Self, Failed> {
        let log = fs::File::create(lab.directory().join(program.file_name().unwrap()).with_extension("log"))?;
        let mut command = lab.aws_command(program)?;
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self { child: command.spawn()? })
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // First a signal: only then does nginx end its child processes.
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _ = kill(pid, Signal::SIGTERM);
        let until = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lab with third-party services instead of its own.
struct Independent {
    _stands: Vec<Stand>,
    lab: Lab,
}

impl Independent {
    fn start() -> Result<Self, Failed> {
        let lab = Lab::start(World::tutorial(), Mode::Namespaces)?;
        for service in [Service::Ec2, Service::Sts, Service::DynamoDb, Service::Dns] {
            lab.set_fault(service, Some(Fault::Refuse));
        }
        let directory = lab.directory().display().to_string();
        let (ec2, sts) = {
            let world = lab.world();
            (world.ec2_address, world.sts_address)
        };
        let names = [
            ("dynamodb.us-east-1.amazonaws.com", ADDRESS.to_owned()),
            ("ec2.us-east-1.amazonaws.com", ec2.to_string()),
            ("sts.us-east-1.amazonaws.com", sts.to_string()),
        ];
        let records: String =
            names.iter().map(|(name, address)| format!("  local-data: \"{name}. 60 IN A {address}\"\n")).collect();
        fs::write(
            lab.directory().join("unbound.conf"),
            format!(
                "server:\n  interface: 172.31.0.2\n  do-daemonize: no\n  use-syslog: no\n  chroot: \"\"\n  username: \"\"\n  \
                 directory: \"{directory}\"\n  pidfile: \"\"\n  access-control: 0.0.0.0/0 allow\n  module-config: iterator\n  \
                 local-zone: \"amazonaws.com.\" static\n{records}remote-control:\n  control-enable: no\n"
            ),
        )?;
        // DynamoDB answers `GET /` with its health; moto answers with a list of S3 buckets for every host.
        let health = format!("location = / {{ {HEALTH} {TO_STAND_IN} }}");
        let servers = format!(
            "server {{ listen 443 ssl; server_name ec2.us-east-1.amazonaws.com sts.us-east-1.amazonaws.com; location / {{ {TO_STAND_IN} }} }}\n  \
             server {{ listen 443 ssl; server_name dynamodb.us-east-1.amazonaws.com; {health} location / {{ {TO_STAND_IN} }} }}"
        );
        let nginx_conf = nginx_conf(&lab, &servers)?;
        let in_directory = |name: &str| lab.directory().join(name).display().to_string();
        let stands = vec![
            Stand::start(&lab, &tool("moto_server"), &["-H", "127.0.0.1", "-p", "5000"])?,
            Stand::start(&lab, Path::new("unbound"), &["-d", "-c", &in_directory("unbound.conf")])?,
            Stand::start(&lab, Path::new("nginx"), &["-c", &nginx_conf, "-e", "stderr"])?,
        ];
        let this = Self { lab, _stands: stands };
        let until = Instant::now() + PATIENCE;
        while let Err(error) = this.aws(&["ec2", "describe-vpcs"]) {
            if Instant::now() > until {
                return Err(format!("{error:?}\n{}", this.logs()).into());
            }
        }
        Ok(this)
    }

    fn logs(&self) -> String {
        let read = |name: &str| {
            fs::read_to_string(self.lab.directory().join(name)).unwrap_or_else(|error| format!("{name}: {error}"))
        };
        ["moto_server.log", "unbound.log", "nginx.log"].map(read).join("\n")
    }

    /// The AWS CLI in the instance, with only the Region and its certificate bundle set.
    fn aws(&self, arguments: &[&str]) -> Result<Value, Failed> {
        let mut command = self.lab.command(&tool("aws"))?;
        command.args(arguments).args(["--output", "json"]);
        command
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CA_BUNDLE", self.lab.ca_bundle())
            .env("AWS_MAX_ATTEMPTS", "1");
        let ran = lab::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE)?;
        match ran.code {
            Some(0) if ran.stdout.trim().is_empty() => Ok(Value::Null),
            Some(0) => Ok(serde_json::from_str(&ran.stdout)?),
            _ => Err(format!("aws {arguments:?}: {}", ran.stderr).into()),
        }
    }

    fn onnet(&self, arguments: &[&str]) -> Result<(Value, Ran), Failed> {
        let ran = self.lab.onnet(Path::new(ONNET), &[arguments, &["--format", "json"]].concat())?;
        let report = serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {ran:?}"))?;
        Ok((report, ran))
    }

    /// The files of the VPC, as an administrator saves them.
    fn dump(&self, vpc: &str, list: &str, step: usize) -> Result<String, Failed> {
        let folder = self.lab.directory().join(format!("dump{step}"));
        fs::create_dir(&folder)?;
        let filter = format!("Name=vpc-id,Values={vpc}");
        for (file, arguments) in [
            ("route-tables", vec!["describe-route-tables", "--filters", &filter]),
            ("subnets", vec!["describe-subnets", "--filters", &filter]),
            ("vpc-endpoints", vec!["describe-vpc-endpoints", "--filters", &filter]),
            ("managed-prefix-lists", vec!["describe-managed-prefix-lists"]),
            (list, vec!["get-managed-prefix-list-entries", "--prefix-list-id", list]),
        ] {
            let answer = self.aws(&[&["ec2"], arguments.as_slice()].concat())?;
            fs::write(folder.join(format!("{file}.json")), answer.to_string())?;
        }
        Ok(folder.display().to_string())
    }
}

fn text(value: &Value) -> Result<String, Failed> {
    Ok(value.as_str().ok_or_else(|| format!("no text in {value}"))?.to_owned())
}

/// The required verdict of all commands in a state.
struct Expected {
    outcome: &'static str,
    finding: Option<&'static str>,
    path: &'static str,
}

fn tutorial() -> Done {
    let world = Independent::start()?;
    let vpc = text(&world.aws(&["ec2", "create-vpc", "--cidr-block", "172.31.0.0/16"])?["Vpc"]["VpcId"])?;
    let subnet = world.aws(&["ec2", "create-subnet", "--vpc-id", &vpc, "--cidr-block", "172.31.16.0/20"])?;
    let subnet = text(&subnet["Subnet"]["SubnetId"])?;
    let address = world.lab.world().interfaces[0].address.expect("of IPv4").to_string();
    let interface =
        world.aws(&["ec2", "create-network-interface", "--subnet-id", &subnet, "--private-ip-address", &address])?;
    let interface = text(&interface["NetworkInterface"]["NetworkInterfaceId"])?;
    let gateway = text(&world.aws(&["ec2", "create-internet-gateway"])?["InternetGateway"]["InternetGatewayId"])?;
    world.aws(&["ec2", "attach-internet-gateway", "--internet-gateway-id", &gateway, "--vpc-id", &vpc])?;
    let filter = format!("Name=vpc-id,Values={vpc}");
    let tables = world.aws(&["ec2", "describe-route-tables", "--filters", &filter])?;
    let table = text(&tables["RouteTables"][0]["RouteTableId"])?;
    let of_table = |more: &[&str], action: &str| {
        let arguments = [&["ec2", action, "--route-table-id", table.as_str()], more].concat();
        world.aws(&arguments)
    };
    of_table(&["--destination-cidr-block", "0.0.0.0/0", "--gateway-id", &gateway], "create-route")?;
    let name = "Name=prefix-list-name,Values=com.amazonaws.us-east-1.dynamodb";
    let lists = world.aws(&["ec2", "describe-managed-prefix-lists", "--filters", name])?;
    let list = text(&lists["PrefixLists"][0]["PrefixListId"])?;

    // Instance metadata has moto's ids. The lab forwards all packets, whatever route they use.
    world.lab.edit(|lab| {
        lab.vpc.clone_from(&vpc);
        let old = lab.interfaces[0].subnet.clone();
        for known in lab.subnets.iter_mut().filter(|known| known.id == old) {
            known.id.clone_from(&subnet);
        }
        for association in lab.route_tables.iter_mut().flat_map(|table| &mut table.associations) {
            if association.with == AssociatedWith::Subnet(old.clone()) {
                association.with = AssociatedWith::Subnet(subnet.clone());
            }
        }
        lab.interfaces[0].id.clone_from(&interface);
        lab.interfaces[0].subnet.clone_from(&subnet);
    });
    assert!(world.lab.world().route_tables.iter().any(|table| table.id == MAIN_TABLE), "the lab's own stays");

    let daemon = Daemon::start(&world.lab, Path::new(ONNET), &[])?;
    let mut step = 0;
    let mut judged = |what: &str, expected: &Expected| -> Done {
        step += 1;
        let (check, ran) = world.onnet(&["check"])?;
        let details = format!("{what}: {}\n{:#}\n{}", check["summary"], check["findings"], ran.stderr);
        assert_eq!(check["outcome"], expected.outcome, "{details}");
        assert_eq!(check["proof"], "consistent", "{details}");
        assert_eq!(check["addresses"][0]["path"], expected.path, "{details}");
        assert_eq!(check["probes"][0]["result"], "ok", "{details}");
        let codes: Vec<&str> =
            check["findings"].as_array().unwrap().iter().filter_map(|finding| finding["code"].as_str()).collect();
        assert_eq!(codes, expected.finding.into_iter().collect::<Vec<_>>(), "{details}");

        let until = Instant::now() + PATIENCE;
        while daemon.outcomes().last().is_none_or(|outcome| outcome != expected.outcome) {
            assert!(Instant::now() < until, "the daemon says {:?}; {details}", daemon.outcomes());
            std::thread::sleep(Duration::from_millis(20));
        }

        let dump = world.dump(&vpc, &list, step)?;
        let (live, _) = world.onnet(&["audit", "--vpc", &vpc])?;
        let (files, _) = world.onnet(&["audit", "--from", &dump])?;
        assert_eq!(files["subnets"], live["subnets"], "{what}: audit of files, and live");
        let audited = live["subnets"].as_array().unwrap().iter().find(|s| s["subnet"] == subnet.as_str()).unwrap();
        assert_eq!(audited["coverage"], check["coverage"], "{what}: audit, and check");
        let (explained, _) = world.onnet(&["explain", ADDRESS, "--subnet", &subnet])?;
        let (from_files, _) = world.onnet(&["explain", ADDRESS, "--subnet", &subnet, "--from", &dump])?;
        assert_eq!(from_files, explained, "{what}: explain of files, and live");
        assert_eq!(explained["path"], expected.path, "{what}");
        Ok(())
    };

    let off = |finding| Expected { outcome: "off_net", finding: Some(finding), path: "internet_gateway" };
    let on = Expected { outcome: "on_net", finding: None, path: "gateway_endpoint" };
    judged("without an endpoint", &off("no-endpoint"))?;

    let service = "com.amazonaws.us-east-1.dynamodb";
    // Unlike the tutorial, the type is given: without it moto's endpoint has no type, and AWS's is a gateway endpoint.
    let created =
        ["ec2", "create-vpc-endpoint", "--vpc-id", &vpc, "--service-name", service, "--vpc-endpoint-type", "Gateway"];
    let endpoint = text(&world.aws(&created)?["VpcEndpoint"]["VpcEndpointId"])?;
    judged("the tutorial's endpoint, without route tables", &off("endpoint-not-associated"))?;

    world.aws(&["ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", &endpoint, "--add-route-table-ids", &table])?;
    // AWS adds the route for the prefix list to the table; moto only records the association.
    of_table(&["--destination-prefix-list-id", &list, "--gateway-id", &endpoint], "create-route")?;
    judged("the endpoint is associated", &on)?;
    for (operation, of_moto) in model_of(&world.lab, &vpc)?.as_object().ok_or("an object")? {
        assert_eq!(of_moto["unknown"], json!([]), "{operation}");
        moto_has(operation, &of_moto["known"])?;
    }

    let nat = world.aws(&["ec2", "create-nat-gateway", "--subnet-id", &subnet, "--connectivity-type", "private"])?;
    let nat = text(&nat["NatGateway"]["NatGatewayId"])?;
    of_table(&["--destination-cidr-block", "52.94.0.0/22", "--nat-gateway-id", &nat], "create-route")?;
    judged(
        "a static route for the very range",
        &Expected { outcome: "off_net", finding: Some("partly-diverted"), path: "nat_gateway" },
    )?;
    of_table(&["--destination-cidr-block", "52.94.0.0/22"], "delete-route")?;
    judged("and without it again", &on)?;

    world.aws(&["ec2", "delete-vpc-endpoints", "--vpc-endpoint-ids", &endpoint])?;
    judged("the endpoint is deleted", &off("no-endpoint"))
}

/// Checks which elements of AWS's answers moto omits. A change must be examined.
fn moto_has(operation: &str, known: &Value) -> Done {
    let known: BTreeSet<&str> = known.as_array().ok_or("a list")?.iter().filter_map(Value::as_str).collect();
    let left_out: &[&str] = match operation {
        "DescribePrefixLists" => &["prefixListSet.cidrSet"],
        "DescribeRouteTables" => &["routeTableSet.propagatingVgwSet"],
        "DescribeVpcEndpoints" => &["vpcEndpointSet.requesterManaged"],
        _ => &[],
    };
    for element in left_out {
        assert!(
            !known.contains(element),
            "{operation}: moto has {element} now, so a lab that omits it is no longer needed"
        );
    }
    Ok(())
}

/// Checks the lab's EC2 API with the model of EC2 in botocore: each name exists there with the same spelling, and the pages of a
/// listing add up.
fn shapes() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let (vpc, subnets, lists, entries) = {
        let world = lab.world();
        let dynamodb = world.prefix_lists.iter().find(|list| list.id == DYNAMODB_LIST).unwrap();
        (world.vpc.clone(), world.subnets.len(), world.prefix_lists.len(), dynamodb.cidrs.len())
    };
    let of_lab = model_of(&lab, &vpc)?;
    for (operation, answer) in of_lab.as_object().ok_or("an object")? {
        assert_eq!(answer["unknown"], json!([]), "{operation}");
        let there = match operation.as_str() {
            "DescribeSubnets" => subnets,
            "DescribePrefixLists" | "DescribeManagedPrefixLists" => lists,
            "GetManagedPrefixListEntries" => entries,
            _ => 1,
        };
        assert_eq!(answer["paged"], there, "{operation}: the pages add up");
    }
    Ok(())
}

/// The output of `shapes.py` for the EC2 API of a lab.
fn model_of(lab: &Lab, vpc: &str) -> Result<Value, Failed> {
    let mut command = lab.command(&tool("python"))?;
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/shapes.py")).arg(vpc);
    command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_CA_BUNDLE", lab.ca_bundle()).env("AWS_MAX_ATTEMPTS", "1");
    let ran = lab::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE)?;
    if ran.code == Some(0) { Ok(serde_json::from_str(&ran.stdout)?) } else { Err(ran.stderr.into()) }
}
