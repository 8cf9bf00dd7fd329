//! Shared facts in tables that we did not write: dynalite and moto are DynamoDB, the AWS CLI makes the table by the commands that
//! `onnet policy` prints, and a reader of a few lines of Python and openssl reads it by the documentation alone. Then many
//! publishers at once, publishers that are killed, and versions that do not know each other.

mod stand_in;
mod turns;

use crate::{
    Daemon, Done, HEALTH, Lab, Mode, ONNET, PATIENCE, Ran, Service, Stand, TO_STAND_IN, World,
    lab::{self, Fault},
    nginx_conf, text, tool,
};
use libtest_mimic::{Failed, Trial};
use onnet::observe::facts_table::{FactsSettings, FactsTable, Once, Role};
use serde_json::{Value, json};
use stand_in::{Key, Kind, PERIOD, Site, TABLE, version};
use std::{collections::BTreeMap, fs, path::Path, process::Stdio, sync::Arc, time::Duration};
use tokio::time::Instant;
use turns::{Victim, kills, named, races, spot_checks};

pub(crate) fn trials() -> Vec<Trial> {
    fn trial(name: &str, kind: Kind, test: impl AsyncFnOnce(Kind) -> Done + Send + 'static) -> Trial {
        let name = format!("facts::{name}_{}", format!("{kind:?}").to_lowercase());
        Trial::test(name, move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test(kind))
        })
    }
    let of_kind = |kind| {
        // moto answers more slowly.
        let (workers, each) = if kind == Kind::Dynalite { (8, 100) } else { (4, 30) };
        [
            Trial::test(format!("facts::the_documentation_is_enough_to_read_{kind:?}").to_lowercase(), move || {
                documented(kind)
            }),
            trial("one_of_fifty_publishers_wins", kind, races),
            trial("readers_get_whole_facts_after_every_kill", kind, async move |kind| {
                kills(kind, Victim::Task, workers, each).await
            }),
            trial("one_of_many_readers_makes_a_spot_check", kind, spot_checks),
            trial("the_publisher_of_the_facts_is_named", kind, named),
            trial("versions_that_do_not_know_each_other", kind, versions),
        ]
    };
    let killed = trial("readers_get_whole_facts_after_every_sigkill", Kind::Dynalite, async |kind| {
        kills(kind, Victim::Process, 3, 34).await
    });
    Kind::ALL.into_iter().flat_map(of_kind).chain([killed]).collect()
}

/// An instance whose only way out is the endpoint, a host that reaches EC2, and a stand-in as DynamoDB, with the certificate of
/// the real name.
struct Shared {
    kind: Kind,
    _stands: Vec<Stand>,
    lab: Lab,
    vpc: String,
}

impl Shared {
    fn start(kind: Kind) -> Result<Self, Failed> {
        let lab = Lab::start(World::endpoint_only().with_elsewhere(), Mode::Namespaces)?;
        lab.set_fault(Service::DynamoDb, Some(Fault::Refuse));
        let (vpc, addresses) = {
            let world = lab.world();
            (world.vpc.clone(), world.dynamodb_addresses.clone())
        };
        let listen: String = addresses.iter().map(|address| format!("listen {address}:443 ssl; ")).collect();
        // dynalite answers `GET /` as DynamoDB does, and moto does not: nginx does for both.
        let conf = nginx_conf(&lab, &format!("server {{ {listen}location / {{ {HEALTH} {TO_STAND_IN} }} }}"))?;
        let (program, arguments) = kind.command(5000);
        let stands = vec![
            Stand::start(&lab, &program, &arguments.iter().map(String::as_str).collect::<Vec<_>>())?,
            Stand::start(&lab, Path::new("nginx"), &["-c", &conf, "-e", "stderr"])?,
        ];
        let this = Self { kind, _stands: stands, lab, vpc };
        let until = Instant::now() + PATIENCE;
        loop {
            let ran = this.aws(&["dynamodb", "list-tables"])?;
            if ran.code == Some(0) {
                return Ok(this);
            }
            assert!(Instant::now() < until, "{kind:?} does not answer: {ran:?}");
        }
    }

    /// A program on the host that reaches EC2, with the AWS CLI in its path.
    fn elsewhere(&self, program: &Path, arguments: &[&str]) -> Result<Ran, Failed> {
        let mut command = self.lab.elsewhere(program)?;
        let mut path = tool("aws").parent().ok_or("a directory")?.as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").ok_or("no PATH")?);
        command.args(arguments).env("PATH", path);
        command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_CA_BUNDLE", self.lab.ca_bundle());
        command.env("AWS_MAX_ATTEMPTS", "1");
        Ok(lab::run(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE)?)
    }

    fn aws(&self, arguments: &[&str]) -> Result<Ran, Failed> {
        self.elsewhere(&tool("aws"), &[arguments, &["--output", "json"]].concat())
    }

    fn onnet(&self, arguments: &[&str]) -> Result<Ran, Failed> {
        self.elsewhere(Path::new(ONNET), arguments)
    }

    /// Runs what `onnet policy` prints.
    fn make_table(&self) -> Done {
        let printed = self.onnet(&["policy", "--facts-table", TABLE, "--facts-role", "table"])?;
        assert_eq!(printed.code, Some(0), "{printed:?}");
        let (table, of_expiry) =
            printed.stdout.split_at(printed.stdout.find("aws dynamodb update-time-to-live").ok_or("TTL")?);
        assert!(table.contains("aws dynamodb create-table") && table.contains("aws dynamodb wait"), "{table}");
        let shell = |commands: &str| self.elsewhere(Path::new("sh"), &["-e", "-c", commands]);
        let ran = shell(table)?;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let ran = shell(of_expiry)?;
        match self.kind {
            Kind::Moto => assert_eq!(ran.code, Some(0), "{ran:?}"),
            Kind::Dynalite => {
                // dynalite 4.0.0 has no deletion by time to live.
                assert!(ran.stderr.contains("UnknownOperationException"), "dynalite has it now: {ran:?}");
                anstream::eprintln!("dynalite: skipped, for it has no such operation: {of_expiry}");
            }
        }
        Ok(())
    }

    /// The facts as somebody else's program reads them.
    fn read(&self, key: &str) -> Result<Ran, Failed> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/facts/reader.py").display().to_string();
        let aws = tool("aws").display().to_string();
        self.elsewhere(&tool("python"), &[&script, &aws, TABLE, &self.vpc, key])
    }

    /// `onnet check` in the instance: the report, and the facts of the VPC that it saved.
    fn check(&self, key: &str, code: i32) -> Result<(Value, Value), Failed> {
        let file = self.lab.directory().join("saved.json");
        let arguments = ["check", "--facts-table", TABLE, "--facts-trust", key, "--format", "json", "--save"];
        let ran = self.lab.onnet(Path::new(ONNET), &[&arguments[..], &[&file.display().to_string()]].concat())?;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let saved: Value = serde_json::from_slice(&fs::read(file)?)?;
        Ok((serde_json::from_str(&ran.stdout)?, saved["vpc"].clone()))
    }
}

fn documented(kind: Kind) -> Done {
    let shared = Shared::start(kind)?;
    shared.make_table()?;
    let key = Key::new(shared.lab.directory().join("publisher.pem"))?;
    let (file, public) = (key.file.display().to_string(), key.signing.public().to_string());
    let publish = |more: &[&str]| {
        let arguments = ["publish", "--facts-table", TABLE, "--vpc", &shared.vpc, "--facts-sign-key", &file];
        shared.onnet(&[&arguments[..], more].concat())
    };
    let ran = publish(&["--publisher", "first"])?;
    assert!(ran.stdout.contains(&format!("{}: published, 2 route tables (", shared.vpc)), "{ran:?}");
    assert!(ran.code == Some(0) && ran.stdout.contains(&format!("--facts-trust {public}\n")), "{ran:?}");
    let ran = publish(&["--publisher", "second"])?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("first published it less than half a period ago"), "{ran:?}");

    // By the documentation, and by onnet.
    let read = shared.read(&public)?;
    assert_eq!(read.code, Some(0), "{read:?}");
    let read: Value = serde_json::from_str(&read.stdout)?;
    assert_eq!((&read["head"]["vpc"], &read["head"]["publisher"]), (&json!(shared.vpc), &json!("first")), "{read:#}");
    assert_eq!((&read["head"]["schema"], &read["head"]["account"]), (&json!(1), &json!("111122223333")), "{read:#}");
    let (report, facts) = shared.check(&public, 0)?;
    assert_eq!(
        (&report["outcome"], &report["proof"]),
        (&json!("on_net"), &json!("inferred")),
        "{:#}",
        report["findings"]
    );
    let seen = |observed: &Value| observed["seen"]["value"].clone();
    let theirs = &read["facts"];
    let tables = seen(&facts["route_tables"]);
    let tables = tables.as_array().ok_or("tables")?;
    assert!(!tables.is_empty() && theirs["route_tables"].as_object().is_some_and(|all| all.len() == 2), "{theirs:#}");
    let of_table = |id: &Value| Ok::<_, Failed>(theirs["route_tables"][text(id)?].clone());
    assert_eq!(tables[0], of_table(&tables[0]["id"])?, "the main table");
    for name in ["vpc_endpoints", "endpoint_interfaces", "service_prefix_lists"] {
        assert_eq!(seen(&facts[name]), theirs[name], "{name}");
    }
    let lists: BTreeMap<&String, Value> =
        facts["prefix_lists"].as_object().ok_or("lists")?.iter().map(|(id, list)| (id, seen(list))).collect();
    assert!(!lists.is_empty());
    assert_eq!(json!(lists), theirs["prefix_lists"]);

    fleet(&shared, &public)?;

    // Another signature: neither uses the facts. Published again they count again.
    let item_key = json!({ "pk": { "S": shared.vpc }, "sk": { "S": "head" } }).to_string();
    let value = json!({ ":it": { "B": "somebody else's" } }).to_string();
    let update = ["dynamodb", "update-item", "--table-name", TABLE, "--key", &item_key, "--update-expression"];
    let ran = shared.aws(&[&update[..], &["SET signature = :it", "--expression-attribute-values", &value]].concat())?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = shared.read(&public)?;
    assert!(ran.code != Some(0) && ran.stderr.contains("not signed by this key"), "{ran:?}");
    let (report, _) = shared.check(&public, 3)?;
    assert_eq!(report["findings"][0]["code"], "facts-untrusted", "{:#}", report["findings"]);
    let ran = publish(&["--publisher", "first"])?;
    assert!(ran.stdout.contains(": published, "), "{ran:?}");
    assert_eq!(shared.read(&public)?.code, Some(0));
    shared.check(&public, 0)?;
    Ok(())
}

/// What the instance reports, and `onnet fleet` elsewhere.
fn fleet(shared: &Shared, key: &str) -> Done {
    let fleet = |arguments: &[&str]| shared.onnet(&[&["fleet", "--facts-table", TABLE], arguments].concat());
    let ran = fleet(&[])?;
    assert_eq!(ran.code, Some(3), "nobody reports yet: {ran:?}");
    assert!(ran.stdout.contains("no instance reports in the table onnet-facts"), "{ran:?}");
    let arguments = ["--facts-table", TABLE, "--facts-trust", key, "--ec2-every", "5m"];
    let daemon = Daemon::start(&shared.lab, Path::new(ONNET), &arguments)?;
    daemon.outcome(0, "on_net")?;
    let until = Instant::now() + PATIENCE;
    let line = "ONNET OK - 1 instance: 1 on-net | on_net=1 at_risk=0 undetermined=0 dropped=0 off_net=0\n";
    loop {
        let ran = fleet(&["--format", "nagios"])?;
        if ran.code == Some(0) {
            assert_eq!(ran.stdout, line);
            break;
        }
        assert!(Instant::now() < until, "{ran:?}");
    }
    drop(daemon);
    let ran = fleet(&["--vpc", &shared.vpc])?;
    assert!(ran.code == Some(0) && ran.stdout.contains("1 instance: 1 on-net"), "{ran:?}");
    assert_eq!(fleet(&["--vpc", "vpc-0dead"])?.code, Some(3));

    // What a newer version reports besides.
    let ran = fleet(&["--format", "json"])?;
    let json: Value = serde_json::from_str(&ran.stdout)?;
    let item_key =
        json!({ "pk": json!({ "S": json["instances"][0]["reported"]["instance"] }), "sk": { "S": "status" } });
    let values = json!({ ":more": { "S": "more" } }).to_string();
    let key = item_key.to_string();
    let update = ["dynamodb", "update-item", "--table-name", TABLE, "--key", &key, "--update-expression"];
    let ran = shared.aws(&[&update[..], &["SET more = :more", "--expression-attribute-values", &values]].concat())?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = fleet(&["--format", "nagios"])?;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), line));
    Ok(())
}

/// During an upgrade the table has what this version does not know.
async fn versions(kind: Kind) -> Done {
    let site = Site::start(kind).await?;
    let vpc = "vpc-upgrade";
    let says = async |part: &str| {
        let read = version(&site.read(vpc).await);
        assert!(read.as_ref().is_err_and(|gap| gap.contains(part)), "{part}: {read:?}");
    };
    let newer = |document: &mut Value| {
        *document = json!({ "schema": 2, "observed_at": document["observed_at"], "facts": ["of another kind"] });
    };
    site.vpcs.set(vpc, 1);
    assert!(matches!(site.publish("old", vpc).await, Ok(Once::Published { .. })));

    // Items and attributes.
    let more = |name| vec![(name, stand_in::text("more"))];
    site.set(vpc, "head", more("more")).await;
    site.set(vpc, "head.v2", more("document")).await;
    site.set(vpc, "chunk.of-another-kind", more("data")).await;
    assert_eq!(version(&site.read(vpc).await), Ok(1));
    site.vpcs.set(vpc, 2);
    assert!(matches!(site.publish("old", vpc).await, Ok(Once::Published { .. })));
    assert_eq!(version(&site.read(vpc).await), Ok(2));
    assert!(site.head(vpc).await.is_some_and(|head| head.contains_key("more")), "it is somebody else's");

    // Fields of the document.
    site.edit(vpc, |document| document["more"] = json!(true)).await;
    says("unknown field `more`").await;
    site.edit(vpc, |document| {
        document.as_object_mut().expect("an object").remove("more");
        document["contents"]["more"] = json!(true);
    })
    .await;
    says("unknown field `more`").await;

    // A schema, of a publisher that goes on.
    site.edit(vpc, newer).await;
    site.set(vpc, "head", vec![("publisher", stand_in::text("new"))]).await;
    let schema = "have schema 2, and this version of onnet reads 1";
    says(schema).await;
    let before = site.head(vpc).await;
    let once = site.publish("old", vpc).await;
    assert_eq!(once, Ok(Once::Others { publisher: "new".to_owned() }), "onnet publish of this version");
    let key = || Some(site.key.signing.clone());
    let daemon = |role| {
        let settings = FactsSettings { period: Duration::from_secs(1), ..site.settings(role) };
        Arc::new(FactsTable::new(settings))
    };
    for role in [Role::Publish(key()), Role::Auto(key())] {
        let table = daemon(role);
        let begun = Instant::now();
        // The newer one renews its lease.
        for counter in 100.. {
            let facts = site.facts(&table, "old", vpc).await;
            assert!(version(&facts).is_err_and(|gap| gap.contains(schema)));
            if begun.elapsed() > Duration::from_millis(1500) {
                break;
            }
            let counter = aws_sdk_dynamodb::types::AttributeValue::N((counter + 1).to_string());
            site.set(vpc, "head", vec![("counter", counter)]).await;
        }
        let document = |item: Option<stand_in::Item>| item.map(|item| stand_in::bytes(&item, "document"));
        assert_eq!(document(site.head(vpc).await), document(before.clone()), "{:?}", table.name());
    }

    // And of one that does not go on.
    let table = daemon(Role::Publish(key()));
    let begun = Instant::now();
    while version(&site.facts(&table, "old", vpc).await) != Ok(2) {
        assert!(begun.elapsed() < PATIENCE, "nobody publishes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(site.whole(vpc).await?, "old");
    site.edit(vpc, newer).await;
    let overdue = stand_in::ago(PERIOD);
    site.set(vpc, "head", vec![("publisher", stand_in::text("new")), ("observed_at", stand_in::text(&overdue))]).await;
    assert!(matches!(site.publish("old", vpc).await, Ok(Once::Published { .. })));
    assert_eq!(version(&site.read(vpc).await), Ok(2));
    assert_eq!(site.whole(vpc).await?, "old");
    Ok(())
}
