//! Shared facts: a publisher in another subnet, an instance whose only way out is the DynamoDB endpoint, and a table between them.

use super::{
    witness::until,
    worlds::{Expected, agrees, expect},
};
use crate::{
    Done, ONNET, Test,
    lab::{
        DateField, Lab, Mode, Ran, Table, World,
        daemon::{Daemon, PATIENCE},
        iam::{Policy, matrix::ROLE},
        run,
        sealed::{packed, signed, unpacked},
        tables::Item,
    },
    named,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use libtest_mimic::{Failed, Trial};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

const TABLE: &str = "onnet-facts";
const VPC: &str = "vpc-0bbc736e";

const ON_ITEMS: &str = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow",
    "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], "Resource": "*" } }"#;

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&str, Test); 13] = [
        ("shared::a_publisher_that_dies_is_noticed_after_three_periods", dead_publisher),
        ("shared::a_table_of_another_account_is_read_by_its_arn", other_account),
        ("shared::a_head_older_than_the_one_before_is_not_used", rolled_back),
        ("shared::a_publisher_publishes_again_only_what_changed", only_what_changed),
        ("shared::a_reader_fetches_what_its_own_subnet_needs", own_subnet),
        ("shared::one_of_two_publishers_asks_ec2", one_publisher),
        ("shared::a_publisher_that_dies_at_work_is_replaced_at_once", died_at_work),
        ("shared::what_ec2_contradicts_is_not_used", contradicted),
        ("shared::one_reader_takes_a_spot_check", one_reader),
        ("shared::unsigned_facts_never_replace_signed_ones", unsigned_publisher),
        ("shared::a_publisher_that_cannot_write_gives_the_lease_back", gives_back),
        ("shared::a_fleet_is_as_good_as_its_worst_instance", a_fleet),
        ("shared::a_fleet_of_ten_thousand_has_several_pages", large_fleet),
    ];
    let cases = cases().into_iter().map(|case| {
        let name = format!("shared::{}", case.name);
        Trial::test(name, move || check(&case)).with_ignored_flag(!namespaces)
    });
    cases.chain(named(tests, namespaces)).collect()
}

/// An ed25519 key of a publisher, as a file.
struct Key {
    pair: Ed25519KeyPair,
    file: PathBuf,
}

impl Key {
    fn new(lab: &Lab, name: &str) -> Result<Self, Failed> {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "no random numbers")?;
        let file = lab.directory().join(name);
        let body = STANDARD.encode(der.as_ref());
        fs::write(&file, format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).map_err(|_| "not a key")?;
        Ok(Self { pair, file })
    }

    fn public(&self) -> String {
        STANDARD.encode(self.pair.public_key().as_ref())
    }

    fn sign(&self, document: &[u8]) -> Vec<u8> {
        self.pair.sign(&signed(document)).as_ref().to_vec()
    }
}

fn world() -> World {
    let role = [ROLE, ON_ITEMS].map(|text| Policy::inline(text).expect("a literal policy"));
    let publisher = Policy::inline(ON_ITEMS).expect("a literal policy");
    World::endpoint_only().with_role_policies(role).with_elsewhere().with_elsewhere_policies([publisher])
}

fn lab() -> Result<Lab, Failed> {
    let lab = Lab::start(world(), Mode::Namespaces)?;
    lab.create_table(Table::new(TABLE));
    Ok(lab)
}

/// `onnet` on the host that reaches EC2.
fn elsewhere(lab: &Lab, arguments: &[&str]) -> Result<Ran, Failed> {
    let mut command = lab.elsewhere(Path::new(ONNET))?;
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(run(&mut command, PATIENCE)?)
}

fn publish(lab: &Lab, key: Option<&Key>) -> Result<Ran, Failed> {
    let mut arguments = vec!["publish", "--facts-table", TABLE, "--vpc", VPC];
    let file = key.map(|key| key.file.to_string_lossy().into_owned());
    if let Some(file) = &file {
        arguments.extend(["--facts-sign-key", file]);
    }
    let ran = elsewhere(lab, &arguments)?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(&format!("{VPC}: published, ")), "{ran:?}");
    Ok(ran)
}

fn blob(bytes: &[u8]) -> Value {
    json!({ "B": STANDARD.encode(bytes) })
}

fn bytes_of(item: &Item, attribute: &str) -> Vec<u8> {
    STANDARD.decode(item[attribute]["B"].as_str().expect("a blob")).expect("base64")
}

/// The head as the publisher wrote it.
fn head(lab: &Lab) -> Value {
    let tables = &mut *lab.tables();
    let item = tables.named(TABLE).item(VPC, "head").expect("a head");
    serde_json::from_slice(&unpacked(&bytes_of(item, "document"))).expect("JSON")
}

/// Puts another document into the head, signed by the publisher's key.
fn resigned(lab: &Lab, key: &Key, document: &[u8]) {
    let tables = &mut *lab.tables();
    let table = tables.named(TABLE);
    table.set(VPC, "head", "document", Some(blob(document)));
    table.set(VPC, "head", "signature", Some(blob(&key.sign(document))));
}

/// Changes the head, and has the publisher's key sign it.
fn edit(lab: &Lab, key: &Key, change: impl FnOnce(&mut Value)) {
    let mut head = head(lab);
    change(&mut head);
    resigned(lab, key, &packed(head.to_string().as_bytes()));
}

fn chunk_of(head: &Value, id: &str) -> String {
    let tables = head["contents"]["route_tables"]["complete"].as_array().expect("tables");
    let table = tables.iter().find(|table| table["id"] == id).expect("the table");
    format!("chunk.{}", table["chunk"].as_str().expect("a digest"))
}

fn time_from_now(seconds: i64) -> String {
    let by = Duration::from_secs(seconds.unsigned_abs());
    #[expect(clippy::disallowed_methods, reason = "what a publisher on this machine would write")]
    let now = SystemTime::now();
    humantime::format_rfc3339_micros(if seconds < 0 { now - by } else { now + by }).to_string()
}

/// What becomes of the table after it was published, and what the instance has to say then.
struct Case {
    name: &'static str,
    disturb: fn(&Lab, &Key),
    /// Beside `check --facts-table`.
    arguments: &'static [&'static str],
    trusts: bool,
    expected: Expected,
    /// A part of the text of the findings or gaps.
    says: &'static str,
}

const ALONE: &[&str] = &[];
const WITNESS: &[&str] = &["--witness"];

fn cases() -> Vec<Case> {
    let calm: fn(&Lab, &Key) = |_, _| {};
    let on_net = || expect("on_net", 0, "inferred", &[]);
    let case =
        |name, disturb, arguments, expected, says| Case { name, disturb, arguments, trusts: true, expected, says };
    let untrusted = |name, disturb, says| {
        case(name, disturb, ALONE, expect("undetermined", 3, "inferred", &["facts-untrusted"]), says)
    };
    let missing = |name, disturb, says| {
        case(name, disturb, ALONE, expect("undetermined", 3, "inferred", &["missing-fact"]), says)
    };
    vec![
        case("signed_facts_and_testimony_are_proof", calm, WITNESS, expect("on_net", 0, "proved", &[]), ""),
        case("signed_facts_alone_are_inferred", calm, ALONE, on_net(), ""),
        Case {
            trusts: false,
            ..case(
                "unsigned_facts_alone_are_a_risk",
                calm,
                ALONE,
                expect("at_risk", 1, "inferred", &["facts-unsigned"]),
                "put them",
            )
        },
        Case {
            trusts: false,
            ..case("unsigned_facts_and_testimony_are_proof", calm, WITNESS, expect("on_net", 0, "proved", &[]), "")
        },
        untrusted(
            "facts_without_a_signature",
            |lab, _| lab.tables().named(TABLE).set(VPC, "head", "signature", None),
            "they are not signed",
        ),
        untrusted(
            "facts_signed_by_another_key",
            |lab, _| {
                let other = Key::new(lab, "other.pem").expect("a key");
                edit(lab, &other, |_| {});
            },
            "no key of --facts-trust has signed them",
        ),
        untrusted(
            "an_altered_head",
            |lab, _| {
                let mut head = head(lab);
                head["publisher"] = json!("i-0bad");
                lab.tables().named(TABLE).set(
                    VPC,
                    "head",
                    "document",
                    Some(blob(&packed(head.to_string().as_bytes()))),
                );
            },
            "no key of --facts-trust has signed them",
        ),
        untrusted(
            "an_altered_chunk",
            |lab, _| {
                let chunk = chunk_of(&head(lab), "rtb-0a1b2c3d");
                lab.tables().named(TABLE).set(VPC, &chunk, "data", Some(blob(&packed(b"{}"))));
            },
            "is not what the head says",
        ),
        missing(
            "a_missing_chunk",
            |lab, _| {
                let chunk = chunk_of(&head(lab), "rtb-0a1b2c3d");
                lab.tables().named(TABLE).remove(VPC, &chunk);
            },
            "a chunk of the facts of vpc-0bbc736e, which the head names",
        ),
        untrusted(
            "the_facts_of_another_vpc",
            |lab, key| edit(lab, key, |head| head["vpc"] = json!("vpc-0ther")),
            "the facts of vpc-0ther are under",
        ),
        untrusted(
            "the_facts_of_another_region",
            |lab, key| edit(lab, key, |head| head["region"] = json!("eu-west-1")),
            "are of eu-west-1",
        ),
        untrusted(
            "the_facts_of_an_account_that_does_not_own_the_vpc",
            |lab, key| edit(lab, key, |head| head["account"] = json!("999999999999")),
            "as account 999999999999, which does not own it",
        ),
        untrusted(
            "facts_from_the_future",
            |lab, key| edit(lab, key, |head| head["observed_at"] = json!(time_from_now(60))),
            "which is after",
        ),
        case(
            "facts_older_than_three_periods",
            |lab, key| edit(lab, key, |head| head["observed_at"] = json!(time_from_now(-1000))),
            ALONE,
            expect("undetermined", 3, "inferred", &["stale-evidence"]),
            "too old",
        ),
        case(
            "facts_older_than_three_of_the_readers_own_periods",
            |lab, key| {
                edit(lab, key, |head| {
                    head["period"] = json!(86_400.0);
                    head["observed_at"] = json!(time_from_now(-1000));
                });
            },
            ALONE,
            expect("undetermined", 3, "inferred", &["stale-evidence"]),
            "too old",
        ),
        missing(
            "an_absurd_period",
            |lab, key| edit(lab, key, |head| head["period"] = json!(4_000_000.0)),
            "have a period of",
        ),
        missing(
            "a_newer_schema",
            |lab, key| edit(lab, key, |head| head["schema"] = json!(2)),
            "have schema 2, and this version of onnet reads 1",
        ),
        missing(
            "a_field_of_a_newer_version",
            |lab, key| edit(lab, key, |head| head["more"] = json!(true)),
            "unknown field",
        ),
        missing(
            "a_head_that_is_no_json",
            |lab, key| resigned(lab, key, &packed(b"{\"schema\": 1")),
            "the head of the shared facts",
        ),
        missing("a_head_that_is_not_compressed", |lab, key| resigned(lab, key, b"{}"), "cannot be decompressed"),
        missing(
            "a_head_that_decompresses_to_too_much",
            |lab, key| resigned(lab, key, &packed(&vec![b' '; 5 << 20])),
            "over a limit",
        ),
        missing(
            "a_chunk_that_decompresses_to_too_much",
            |lab, key| {
                let bomb = packed(&vec![b' '; 9 << 20]);
                let digest: String =
                    digest::digest(&digest::SHA256, &bomb).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                let item = json!({ "pk": { "S": VPC }, "sk": { "S": format!("chunk.{digest}") }, "data": blob(&bomb) });
                lab.tables().named(TABLE).put(item.as_object().cloned().expect("an item"));
                edit(lab, key, |head| head["contents"]["route_tables"]["complete"][0]["chunk"] = json!(digest));
            },
            "over a limit",
        ),
        missing(
            "a_listing_that_the_publisher_could_not_read",
            |lab, key| {
                edit(lab, key, |head| {
                    head["contents"]["route_tables"] =
                        json!({ "missing": { "reason": "denied", "action": "ec2:DescribeRouteTables" } });
                });
            },
            "could not read it (denied: ec2:DescribeRouteTables)",
        ),
        missing(
            "attributes_of_another_kind",
            |lab, _| lab.tables().named(TABLE).set(VPC, "head", "document", Some(json!({ "S": "text" }))),
            "without a usable attribute `document`",
        ),
        missing(
            "no_facts_of_the_vpc",
            |lab, _| lab.tables().named(TABLE).remove(VPC, "head"),
            "facts of vpc-0bbc736e in the table",
        ),
        untrusted(
            "dynamodbs_clock_an_hour_behind",
            |lab, _| lab.set_date_field(DateField::Skewed(-3600)),
            "which is after",
        ),
        case(
            "dynamodbs_clock_an_hour_ahead",
            |lab, _| lab.set_date_field(DateField::Skewed(3600)),
            ALONE,
            expect("undetermined", 3, "inferred", &["stale-evidence"]),
            "too old",
        ),
        missing("answers_without_a_date", |lab, _| lab.set_date_field(DateField::Absent), "no Date header"),
        case(
            "the_policy_of_the_endpoint_denies_the_table_and_testimony_stands",
            |lab, _| {
                let policy = r#"{ "Statement": [
                    { "Effect": "Allow", "Principal": "*", "Action": ["dynamodb:ListTables", "dynamodb:DescribeTable"], "Resource": "*" }] }"#;
                let policy = Policy::inline(policy).expect("a literal policy");
                lab.edit(|world| *world = world.clone().with_endpoint_policy(policy));
            },
            WITNESS,
            expect("at_risk", 1, "proved", &["coverage-unknown", "missing-permission"]),
            "the policy of the VPC endpoint denies GetItem on the table onnet-facts",
        ),
        case(
            "untrusted_facts_and_testimony_leave_the_rest_of_the_list_unknown",
            |lab, _| lab.tables().named(TABLE).set(VPC, "head", "signature", None),
            WITNESS,
            expect("at_risk", 1, "proved", &["coverage-unknown", "facts-untrusted"]),
            "they are not signed",
        ),
    ]
}

fn check(case: &Case) -> Done {
    let lab = lab()?;
    let key = Key::new(&lab, "publisher.pem")?;
    publish(&lab, Some(&key))?;
    (case.disturb)(&lab, &key);
    let public = key.public();
    let mut arguments = vec!["check", "--facts-table", TABLE];
    if case.trusts {
        arguments.extend(["--facts-trust", &public]);
    }
    arguments.extend(case.arguments);
    checked(&lab, &arguments, &case.expected, case.says)
}

fn checked(lab: &Lab, arguments: &[&str], expected: &Expected, says: &str) -> Done {
    checked_with(lab, arguments, &[], expected, says)
}

fn checked_with(lab: &Lab, arguments: &[&str], environment: &[(&str, &str)], expected: &Expected, says: &str) -> Done {
    let arguments = [arguments, &["--format", "json", "--timeout", "6s"]].concat();
    let ran = lab.onnet_with(Path::new(ONNET), &arguments, environment)?;
    let report: Value = serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {ran:?}"))?;
    agrees(&report, ran.code, expected)?;
    let findings = report["findings"].to_string();
    assert!(findings.contains(&says.replace('"', "\\\"")), "{says}: {:#}", report["findings"]);
    Ok(())
}

/// Without the names of accounts, of which the lab's DNS has the own account's alone.
fn other_account() -> Done {
    let lab = Lab::start(world(), Mode::Namespaces)?;
    let policy = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": { "AWS": "111122223333" },
        "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], "Resource": "*" } }"#;
    let arn = lab.create_table(Table::new(TABLE).owned_by("444455556666").with_policy(policy));
    let names = [("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")];
    let mut command = lab.elsewhere(Path::new(ONNET))?;
    command.args(["publish", "--facts-table", &arn, "--all"]).envs(names);
    let ran = run(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE)?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let check = |table: &str, more: &[&str], expected: &Expected, says: &str| {
        let arguments = [&["check", "--facts-table", table], more].concat();
        checked_with(&lab, &arguments, &names, expected, says)
    };
    check(&arn, WITNESS, &expect("on_net", 0, "proved", &[]), "")?;
    let elsewhere = "arn:aws:dynamodb:eu-west-1:444455556666:table/onnet-facts";
    let expected = expect("undetermined", 3, "inferred", &["settings-invalid"]);
    check(elsewhere, ALONE, &expected, "is not in us-east-1, where")?;
    let expected = expect("undetermined", 3, "inferred", &["missing-fact"]);
    check(TABLE, ALONE, &expected, "the table onnet-facts of the shared facts")?;
    lab.create_table(Table::new("other-key").with_key("id", None));
    check("other-key", ALONE, &expected, "has another key than pk and sk")
}

/// A daemon on the host that reaches EC2.
struct Publisher(Child);

impl Publisher {
    fn start(lab: &Lab, arguments: &[&str]) -> Result<Self, Failed> {
        let mut command = lab.elsewhere(Path::new(ONNET))?;
        command.args(["run", "--facts-table", TABLE, "--ec2-every", "2s", "--listen", "127.0.0.1:0"]).args(arguments);
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn dead_publisher() -> Done {
    let lab = lab()?;
    let key = Key::new(&lab, "publisher.pem")?;
    let file = key.file.to_string_lossy().into_owned();
    let publisher = Publisher::start(&lab, &["--facts", "publish", "--facts-sign-key", &file])?;
    let arguments = ["--facts-table", TABLE, "--facts-trust", &key.public(), "--ec2-every", "2s", "--witness"];
    let reader = Daemon::start(&lab, Path::new(ONNET), &arguments)?;
    let (_, seen) = reader.outcome(0, "on_net")?;
    assert!(
        lab.requests()
            .iter()
            .all(|seen| seen.what != "DescribeRouteTables" || seen.from != Some([172, 31, 16, 10].into()))
    );
    drop(publisher);
    // Testimony stands; of the rest of the list nothing is known any more.
    let (event, seen) = reader.outcome(seen, "at_risk")?;
    assert_eq!(event["path"], "vpc_endpoint_testified", "{event:#}");
    let _publisher = Publisher::start(&lab, &["--facts", "auto", "--facts-sign-key", &file])?;
    reader.outcome(seen, "on_net")?;
    Ok(())
}

fn rolled_back() -> Done {
    let lab = lab()?;
    let key = Key::new(&lab, "publisher.pem")?;
    publish(&lab, Some(&key))?;
    let before = lab.tables().named(TABLE).item(VPC, "head").cloned().ok_or("a head")?;
    edit(&lab, &key, |head| head["observed_at"] = json!(time_from_now(0)));
    let arguments = ["--facts-table", TABLE, "--facts-trust", &key.public(), "--ec2-every", "2s"];
    let reader = Daemon::start(&lab, Path::new(ONNET), &arguments)?;
    let (_, seen) = reader.outcome(0, "on_net")?;
    lab.tables().named(TABLE).put(before);
    reader.outcome(seen, "at_risk")?;
    let degraded = |event: &Value| event["gap"].as_str().is_some_and(|gap| gap.contains("were read before"));
    assert!(reader.events().iter().any(degraded), "{:#?}", reader.events());
    Ok(())
}

fn only_what_changed() -> Done {
    let lab = lab()?;
    let writes = || lab.requests_to_table(TABLE).get("PutItem").copied().unwrap_or_default();
    let _publisher = Publisher::start(&lab, &["--facts", "publish"])?;
    let observed = || {
        let tables = &mut *lab.tables();
        tables.named(TABLE).item(VPC, "head").and_then(|item| item.get("observed_at").cloned())
    };
    let next = |than: &Option<Value>| -> Result<Option<Value>, Failed> {
        until("facts that are newer", || observed().is_some_and(|now| Some(&now) != than.as_ref()));
        Ok(observed())
    };
    let first = next(&None)?;
    // It reports its own status, too.
    let is_status = |item: &Item| item["sk"]["S"] == "status";
    until("its status", || lab.tables().named(TABLE).items().any(is_status));
    let wrote = writes();
    assert!(wrote > 3, "{wrote}");
    let second = next(&first)?;
    assert_eq!(writes(), wrote, "nothing changed");
    lab.edit(|world| {
        let world: &mut World = world;
        *world = world.clone().with_route("10.9.0.0/16", crate::lab::world::Target::nat("nat-0a1b2c3d"), "active");
    });
    next(&next(&second)?)?;
    assert_eq!(writes(), wrote + 1, "one route table changed");
    Ok(())
}

fn own_subnet() -> Done {
    let lab = lab()?;
    publish(&lab, None)?;
    let head = head(&lab);
    let tables = head["contents"]["route_tables"]["complete"].as_array().cloned().ok_or("tables")?;
    let chunks = lab.tables().named(TABLE).items().count() - 1;
    let text = lab.onnet(Path::new(ONNET), &["check", "--facts-table", TABLE])?.stdout;
    let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("read from the table onnet-facts: vpc-0bbc736e by "), "{text}");
    // Its only way out is the endpoint.
    assert!(text.contains("fails closed"), "{text}");
    let reads = lab.requests_to_table(TABLE).get("GetItem").copied().unwrap_or_default();
    // The publisher's look at the head, the reader's, and the chunks but for the table of the publisher's subnet.
    assert_eq!((tables.len(), reads), (2, 2 + chunks - 1));
    Ok(())
}

fn one_publisher() -> Done {
    let lab = lab()?;
    let _first = Publisher::start(&lab, &["--facts", "publish"])?;
    until("facts", || lab.tables().named(TABLE).item(VPC, "head").is_some_and(|item| item.contains_key("document")));
    // Another one by name: half a period has not passed.
    let ran =
        elsewhere(&lab, &["publish", "--facts-table", TABLE, "--vpc", VPC, "--every", "1m", "--publisher", "other"])?;
    assert!(ran.stdout.contains("i-0fedcba9876543210 published it less than half a period ago"), "{ran:?}");
    Ok(())
}

/// By the rule for all others it would take nine minutes.
fn died_at_work() -> Done {
    let lab = lab()?;
    let text = |text: &str| Some(json!({ "S": text }));
    let holder = || {
        let tables = &mut *lab.tables();
        tables.named(TABLE).item(VPC, "head").and_then(|item| Some(item.get("publisher")?["S"].as_str()?.to_owned()))
    };
    let arguments =
        ["run", "--facts-table", TABLE, "--facts", "publish", "--ec2-every", "10m", "--listen", "127.0.0.1:0"];
    for (leased, published, is_taken) in [(-5, -600, false), (-60, -30, false), (-60, -600, true)] {
        publish(&lab, None)?;
        for (attribute, value) in [
            ("publisher", "i-0dead"),
            ("leased_at", &time_from_now(leased)),
            ("observed_at", &time_from_now(published)),
        ] {
            lab.tables().named(TABLE).set(VPC, "head", attribute, text(value));
        }
        let mut command = lab.elsewhere(Path::new(ONNET))?;
        let silent = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let reads = || lab.requests_to_table(TABLE).get("GetItem").copied().unwrap_or_default();
        let before = reads();
        let _publisher = Publisher(silent.spawn()?);
        if is_taken {
            until("the lease is taken", || holder().as_deref() == Some("i-0fedcba9876543210"));
            // Who publishes is not at work any more.
            let tables =
                || lab.tables().named(TABLE).item(VPC, "head").is_some_and(|item| item.contains_key("leased_at"));
            until("it has published", || !tables());
        } else {
            // It looks at the head, and then reads as others do: the head, and chunks.
            until("it reads", || reads() > before + 3);
            assert_eq!(holder().as_deref(), Some("i-0dead"), "{leased} {published}");
        }
    }
    Ok(())
}

/// An instance that reaches EC2, too.
fn lab_with_ec2() -> Result<Lab, Failed> {
    let [role, publisher] = [ON_ITEMS, ON_ITEMS].map(|text| Policy::inline(text).expect("a literal policy"));
    let world = World::on_net().with_role_policies([role]).with_elsewhere().with_elsewhere_policies([publisher]);
    let lab = Lab::start(world, Mode::Namespaces)?;
    lab.create_table(Table::new(TABLE));
    Ok(lab)
}

/// How often the instance asked EC2 for route tables.
fn asked_ec2(lab: &Lab) -> usize {
    let is_one = |what: &str| what == "DescribeRouteTables";
    lab.requests().iter().filter(|seen| is_one(&seen.what) && seen.from == Some([172, 31, 16, 10].into())).count()
}

/// A publisher goes on with what is not so any more.
fn contradicted() -> Done {
    let lab = lab_with_ec2()?;
    let key = Key::new(&lab, "publisher.pem")?;
    publish(&lab, Some(&key))?;
    let trust = key.public();
    let arguments = ["--facts-table", TABLE, "--facts-trust", &trust, "--ec2-every", "1s"];
    let trusting = Daemon::start(&lab, Path::new(ONNET), &arguments)?;
    trusting.outcome(0, "on_net")?;
    drop(trusting);
    assert_eq!(asked_ec2(&lab), 0, "without spot checks");

    let arguments = [&arguments[..], &["--facts-spot-check-every", "1s"]].concat();
    let reader = Daemon::start(&lab, Path::new(ONNET), &arguments)?;
    let (_, seen) = reader.outcome(0, "on_net")?;
    let seen = meanwhile(
        || edit(&lab, &key, |head| head["observed_at"] = json!(time_from_now(0))),
        || {
            let agrees = |event: &Value| event["message"] == "shared facts are what EC2 says";
            until("a spot check that agrees", || reader.events().iter().any(agrees));
            // The subnet gets a table without the endpoint's route.
            lab.edit(|world| *world = world.clone().with_explicit_table("rtb-0ff0ff00"));
            let (event, seen) = reader.outcome(seen, "undetermined")?;
            assert!(event["why"].as_str().is_some_and(|why| why.contains("EC2 described it otherwise")), "{event:#}");
            // What cannot be compared ends no dispute: EC2 answers in part, then the table does.
            let undisputed =
                |message: &Value| message["to"] == "on_net" || message["message"] == "shared facts are what EC2 says";
            let rounds = |count: usize| {
                let heads = || lab.requests_to_table(TABLE).get("GetItem").copied().unwrap_or_default();
                let before = heads();
                until("rounds", || heads() >= before + count);
            };
            let known = reader.events().len();
            lab.deny("DescribeVpcEndpoints");
            rounds(6);
            lab.allow("DescribeVpcEndpoints");
            rounds(4);
            let later = reader.events();
            assert!(!later[known..].iter().any(undisputed), "{:#?}", &later[known..]);
            Ok(seen)
        },
    )?;
    let honest = || drop(publish(&lab, Some(&key)).expect("facts are published"));
    meanwhile(honest, || Ok(reader.outcome(seen, "off_net")?))?;
    Ok(())
}

/// Does something again and again until something else is done.
fn meanwhile<T>(again: impl Fn() + Sync, work: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Relaxed) {
                again();
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        let result = work();
        is_done.store(true, Relaxed);
        result
    })
}

/// The instance takes the spot check of a day, unless another reader did.
fn one_reader() -> Done {
    let lab = lab_with_ec2()?;
    #[expect(clippy::disallowed_methods, reason = "what a reader on this machine would write")]
    let day = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() / 86_400;
    let (key, every) = (format!("spot-check.{VPC}"), "every.86400000");
    let taken = |number: u64| {
        let item = json!({ "pk": { "S": key }, "sk": { "S": every }, "number": { "N": number.to_string() },
            "reader": { "S": "i-0ther" } });
        lab.tables().named(TABLE).put(item.as_object().cloned().expect("an item"));
    };
    let run = || -> Done {
        // It counts for three of the reader's periods.
        publish(&lab, None)?;
        let arguments = ["--facts-table", TABLE, "--ec2-every", "1s", "--facts-spot-check-every", "1d"];
        let reader = Daemon::start(&lab, Path::new(ONNET), &arguments)?;
        let rounds = |lab: &Lab| lab.requests_to_table(TABLE).get("GetItem").copied().unwrap_or_default();
        let before = rounds(&lab);
        // The head and its chunks, the item of the spot check, and some heads.
        until("rounds", || rounds(&lab) > before + 10);
        drop(reader);
        Ok(())
    };
    // The day may end meanwhile.
    taken(day);
    run()?;
    assert_eq!(asked_ec2(&lab), 0);
    for other in [day - 1, day + 1_000_000] {
        let before = asked_ec2(&lab);
        taken(other);
        run()?;
        assert_eq!(asked_ec2(&lab), before + 1, "once a day");
        let tables = &mut *lab.tables();
        let item = tables.named(TABLE).item(&key, every).ok_or("the item")?;
        assert_ne!(item["reader"]["S"], "i-0ther");
        assert_eq!(item["number"]["N"], day.to_string());
    }
    Ok(())
}

/// What `onnet fleet` prints where the instances report to, and its exit code.
fn fleet(lab: &Lab, arguments: &[&str]) -> Result<Ran, Failed> {
    elsewhere(lab, &[&["fleet", "--facts-table", TABLE], arguments].concat())
}

const ARN: &str = "arn:aws:ec2:us-east-1:111122223333:instance/i-0ther";

fn a_fleet() -> Done {
    let lab = fleet_lab()?;
    let ran = fleet(&lab, &[])?;
    assert_eq!(ran.code, Some(3), "nobody reports yet: {ran:?}");
    assert!(ran.stdout.contains("no instance reports in the table onnet-facts"), "{ran:?}");

    publish(&lab, None)?;
    let arguments = ["--facts-table", TABLE, "--ec2-every", "2s", "--witness"];
    let reader = Daemon::start(&lab, Path::new(ONNET), &arguments)?;
    reader.outcome(0, "on_net")?;
    let keys = || -> Vec<String> {
        let tables = &mut *lab.tables();
        let keys = tables.named(TABLE).items().filter_map(|item| Some(item["pk"]["S"].as_str()?.to_owned()));
        keys.filter(|key| key.starts_with("arn:")).collect()
    };
    until("a status", || keys().len() == 1);
    let arn = keys().remove(0);
    let item = lab.tables().named(TABLE).item(&arn, "status").cloned().ok_or("a status")?;
    for (vpc, code) in [(VPC, 0), ("vpc-0dead", 3)] {
        let ran = fleet(&lab, &["--vpc", vpc])?;
        assert_eq!(ran.code, Some(code), "{vpc}: {ran:?}");
    }
    let ran = fleet(&lab, &["--format", "nagios"])?;
    let line = "ONNET OK - 1 instance: 1 on-net | on_net=1 at_risk=0 undetermined=0 dropped=0 off_net=0\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), line));
    let ran = fleet(&lab, &["--format", "json"])?;
    let json: Value = serde_json::from_str(&ran.stdout)?;
    assert_eq!(json["groups"][0]["subnet"], "subnet-0f1e2d3c", "{json:#}");
    assert_eq!(json["instances"][0]["reported"]["instance"], arn.as_str(), "{json:#}");
    drop(reader);

    // It does not report any more.
    let set = |attribute: &str, value: &str| {
        lab.tables().named(TABLE).set(&arn, "status", attribute, Some(json!({ "S": value })));
    };
    set("reported_at", &time_from_now(-50 * 60));
    let ran = fleet(&lab, &[])?;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("it has not reported since"), "{ran:?}");
    set("reported_at", &time_from_now(3600));
    assert_eq!(fleet(&lab, &[])?.code, Some(3));

    // Another one is off-net, and one item is none of ours.
    lab.tables().named(TABLE).put(item.clone());
    let mut other = item;
    other.insert("pk".to_owned(), json!({ "S": ARN }));
    other.insert("outcome".to_owned(), json!({ "S": "off_net" }));
    lab.tables().named(TABLE).put(other.clone());
    let ran = fleet(&lab, &[])?;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.contains("2 instances: 1 off-net, 1 on-net"), "{ran:?}");
    lab.tables().named(TABLE).remove(ARN, "status");
    other.insert("pk".to_owned(), json!({ "S": "arn:garbage" }));
    other.insert("outcome".to_owned(), json!({ "S": "splendid" }));
    lab.tables().named(TABLE).put(other);
    let ran = fleet(&lab, &[])?;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("the item of arn:garbage is not the status of an instance"), "{ran:?}");
    Ok(())
}

/// Ten thousand instances take several pages.
fn large_fleet() -> Done {
    let lab = fleet_lab()?;
    {
        let tables = &mut *lab.tables();
        let table = tables.named(TABLE);
        for number in 0..10_000 {
            let arn = format!("arn:aws:ec2:us-east-1:111122223333:instance/i-{number:017x}");
            let status = json!({
                "pk": { "S": arn }, "sk": { "S": "status" }, "instance": { "S": arn }, "vpc": { "S": VPC },
                "subnet": { "S": format!("subnet-{:08x}", number % 7) }, "outcome": { "S": if number == 9_999 { "off_net" } else { "on_net" } },
                "summary": { "S": "dynamodb.us-east-1.amazonaws.com goes through the gateway endpoint vpce-9b15e2f2, and so does all of its prefix list" },
                "since": { "S": time_from_now(-600) }, "reported_at": { "S": time_from_now(-60) }, "version": { "S": "0.1.0" },
            });
            table.put(status.as_object().cloned().expect("an item"));
        }
    }
    for arguments in [&["--format", "nagios"][..], &["--format", "nagios", "--vpc", VPC]] {
        let ran = fleet(&lab, arguments)?;
        let line = "ONNET CRITICAL - 10,000 instances: 1 off-net, 9,999 on-net | on_net=9999 at_risk=0 undetermined=0 dropped=0 off_net=1\n";
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), line), "{ran:?}");
    }
    let asked = lab.requests_to_table(TABLE);
    let pages = |operation: &str| asked.get(operation).copied().unwrap_or_default();
    assert!(pages("Scan") > 3 && pages("Query") > 3, "{asked:?}");
    Ok(())
}

fn fleet_lab() -> Result<Lab, Failed> {
    let reads = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow",
        "Action": ["dynamodb:Query", "dynamodb:Scan"], "Resource": "*" } }"#;
    let world = world().with_elsewhere_policies([Policy::inline(reads).expect("a literal policy")]);
    let lab = Lab::start(world, Mode::Namespaces)?;
    lab.create_table(Table::new(TABLE));
    Ok(lab)
}

fn unsigned_publisher() -> Done {
    let lab = lab()?;
    let key = Key::new(&lab, "publisher.pem")?;
    publish(&lab, Some(&key))?;
    edit(&lab, &key, |head| head["observed_at"] = json!(time_from_now(-600)));
    let arguments = ["publish", "--facts-table", TABLE, "--vpc", VPC, "--publisher", "other"];
    let ran = elsewhere(&lab, &arguments)?;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("the facts in the table are signed"), "{ran:?}");
    let signed = |key: &Key| {
        let tables = &mut *lab.tables();
        let item = tables.named(TABLE).item(VPC, "head").expect("a head");
        key.sign(&bytes_of(item, "document")) == bytes_of(item, "signature")
    };
    assert!(signed(&key), "the head is as it was");
    // Another key: what is published by the first one is of no use to its readers.
    let other = Key::new(&lab, "other.pem")?;
    let file = other.file.to_string_lossy().into_owned();
    edit(&lab, &key, |head| head["observed_at"] = json!(time_from_now(0)));
    let ran = elsewhere(&lab, &[&arguments[..], &["--facts-sign-key", &file]].concat())?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(signed(&other) && !signed(&key));
    let trust = key.public();
    let refused = |arguments: &[&str], says: &str| -> Done {
        let ran = elsewhere(&lab, &[&["run", "--facts-table", TABLE], arguments].concat())?;
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains(says), "{says}: {ran:?}");
        Ok(())
    };
    refused(&["--facts", "auto", "--facts-trust", &trust], "need --facts-sign-key")?;
    refused(&["--facts", "publish", "--facts-trust", &trust, "--facts-sign-key", &file], &other.public())?;
    refused(&["--facts-sign-key", &file], "is for --facts publish and --facts auto")?;
    refused(&["--facts", "publish", "--ec2-every", "500ms"], "expected a period from 1s to 1d")
}

fn gives_back() -> Done {
    let reads = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow",
        "Action": ["dynamodb:GetItem", "dynamodb:UpdateItem"], "Resource": "*" } }"#;
    let world = World::endpoint_only()
        .with_role_policies([Policy::inline(ON_ITEMS).expect("a literal policy")])
        .with_elsewhere()
        .with_elsewhere_policies([Policy::inline(reads).expect("a literal policy")]);
    let lab = Lab::start(world, Mode::Namespaces)?;
    lab.create_table(Table::new(TABLE));
    let ran = elsewhere(&lab, &["publish", "--facts-table", TABLE, "--vpc", VPC])?;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("NOT published: denied: dynamodb:PutItem"), "{ran:?}");
    let held = || lab.tables().named(TABLE).item(VPC, "head").is_some_and(|item| item.contains_key("publisher"));
    assert!(!held(), "the lease was given back");
    let _publisher = Publisher::start(&lab, &["--facts", "publish"])?;
    let counter = || -> u64 {
        let tables = &mut *lab.tables();
        let item = tables.named(TABLE).item(VPC, "head").expect("a head");
        item["counter"]["N"].as_str().and_then(|text| text.parse().ok()).expect("a number")
    };
    let before = counter();
    until("a turn that is taken and given back", || counter() >= before + 2 && !held());
    Ok(())
}
