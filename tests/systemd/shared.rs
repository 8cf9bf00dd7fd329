//! Shared facts under the shipped unit: the key that signs, and the memory that the largest VPC takes.

use super::{
    Done, ENVIRONMENT, ONNET, QUOTA, attacked, is_release,
    lab::{Lab, Mode, Table, World, iam::Policy, run, sealed::signed},
    machine::Machine,
    margin, peak_without_restart,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use libtest_mimic::Failed;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use std::{path::Path, process::Stdio, time::Duration};

const TABLE: &str = "onnet-facts";
const VPC: &str = "vpc-0bbc736e";

const ON_ITEMS: &str = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow",
    "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], "Resource": "*" } }"#;

fn lab(world: World) -> Result<Lab, Failed> {
    let [role, elsewhere] = [ON_ITEMS, ON_ITEMS].map(|text| Policy::inline(text).expect("a literal policy"));
    let world = world.with_role_policies([role]).with_elsewhere_policies([elsewhere]);
    let lab = Lab::start(world, Mode::Namespaces)?;
    lab.create_table(Table::new(TABLE));
    Ok(lab)
}

/// As `onnet.env` says: a key that only root reads, handed over by systemd.
pub(crate) fn signing_key() -> Done {
    let lab = lab(World::on_net().with_elsewhere())?;
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "no random numbers")?;
    let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).map_err(|_| "not a key")?;
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    let environment = format!(
        "{ENVIRONMENT}ONNET_EC2_EVERY=1s\nONNET_FACTS_TABLE={TABLE}\nONNET_FACTS=publish\n\
         ONNET_FACTS_SIGN_KEY=/run/credentials/onnet.service/facts-key\n"
    );
    let files = [
        ("onnet/onnet.env", environment.as_str()),
        ("onnet/facts-key.pem", pem.as_str()),
        ("systemd/system/onnet.service.d/test.conf", QUOTA),
        ("systemd/system/onnet.service.d/key.conf", "[Service]\nLoadCredential=facts-key:/etc/onnet/facts-key.pem\n"),
    ];
    let mut machine = Machine::boot(&lab, Path::new(ONNET), &files)?;
    machine.run("sh", &["-ec", "chown root:root /etc/onnet/facts-key.pem; chmod 600 /etc/onnet/facts-key.pem"])?;
    machine.ctl(&["start", "--no-block", "onnet.service"])?;
    machine.wait_for("onnet.service", "StatusText", |text| text.starts_with("on_net: "))?;
    let blob = |attribute: &str| {
        let tables = &mut *lab.tables();
        let item = tables.named(TABLE).item(VPC, "head")?;
        STANDARD.decode(item.get(attribute)?["B"].as_str()?).ok()
    };
    machine.wait_until("a signed head", |_| blob("signature").map(|_| ()))?;
    let document = blob("document").ok_or("a document")?;
    assert_eq!(blob("signature"), Some(pair.sign(&signed(&document)).as_ref().to_vec()));

    // The same by a reader that trusts this key alone.
    let key = STANDARD.encode(pair.public_key().as_ref());
    let ran = lab.onnet(Path::new(ONNET), &["check", "--facts-table", TABLE, "--facts-trust", &key])?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    Ok(())
}

/// A VPC at EC2's quotas: a publisher needs no more than an instance that asks EC2 for itself, and a reader of one subnet far less.
pub(crate) fn largest() -> Done {
    let lab = lab(World::on_net().with_elsewhere().largest())?;
    let quota = if is_release() { "" } else { "[Service]\nCPUQuota=100%\n" };
    for (role, spot_checks, what) in [
        ("publish", "", "publishing the largest VPC"),
        ("read", "", "reading the largest VPC"),
        ("read", "ONNET_FACTS_SPOT_CHECK_EVERY=1d\n", "a spot check of the largest VPC"),
    ] {
        if role == "read" {
            let mut publish = lab.elsewhere(&attacked())?;
            publish.args(["publish", "--facts-table", TABLE, "--vpc", VPC, "--timeout", "60s"]);
            let publish = publish.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let ran = run(publish, Duration::from_secs(90))?;
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        let environment =
            format!("ONNET_SPLAY=0s\nONNET_TIMEOUT=60s\nONNET_FACTS_TABLE={TABLE}\nONNET_FACTS={role}\n{spot_checks}");
        let files = [("onnet/onnet.env", environment.as_str()), ("systemd/system/onnet.service.d/test.conf", quota)];
        let mut machine = Machine::boot(&lab, &attacked(), &files)?;
        machine.patience = Duration::from_secs(300);
        machine.ctl(&["start", "--no-block", "onnet.service"])?;
        // Unsigned facts of others are a risk; its own are what EC2 said.
        let expected = if role == "publish" { "on_net: " } else { "at_risk: " };
        let found = machine.wait_for("onnet.service", "StatusText", |text| text.starts_with(expected));
        if !spot_checks.is_empty() {
            let is_taken =
                |lab: &Lab| lab.tables().named(TABLE).items().any(|item| item["pk"]["S"] == "spot-check.vpc-0bbc736e");
            assert!(is_taken(&lab), "it was made before the facts were given");
        }
        let peak = peak_without_restart(&machine, what);
        found?;
        assert!(peak? < margin(), "{what}");
        lab.tables().named(TABLE).remove(VPC, "head");
    }
    Ok(())
}
