//! The life of an endpoint: created, available, moved, joined by a second one, deleted; and each of the states that EC2 documents.
//! The lab's endpoints carry packets only while they are available.

use super::worlds::report;
use crate::{
    Done, Test,
    lab::{Lab, Mode, World, world::RouteTable},
    named,
};
use libtest_mimic::Trial;

const OTHER_TABLE: &str = "rtb-0e5b";

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&str, Test); 2] = [
        ("lives::created_moved_joined_by_another_and_deleted", life),
        ("lives::each_state_that_ec2_documents", states),
    ];
    named(tests, namespaces)
}

/// What `onnet check` says: outcome, exit code and exactly these findings.
type Said = (&'static str, i32, &'static [&'static str]);

/// What happens, and what is said then.
type Step = (&'static str, fn(&mut World), Said);

fn tables(world: &World) -> [Vec<String>; 2] {
    let id = |number: usize| world.route_tables[number].id.clone();
    [vec![id(0)], vec![id(1)]]
}

fn create(world: &mut World) {
    let (service, [main, _]) = (world.dynamodb_service(), tables(world));
    world.create_endpoint("Gateway", &service, &main).unwrap();
}

fn set(world: &mut World, state: &str) {
    state.clone_into(&mut world.endpoints[0].state);
}

fn steps() -> Vec<Step> {
    vec![
        ("none", |_| {}, ("off_net", 2, &["no-endpoint"])),
        (
            "created, and not yet available",
            |world| {
                create(world);
                set(world, "pending");
            },
            ("at_risk", 1, &["endpoint-not-available", "probe-failed"]),
        ),
        ("available", |world| set(world, "available"), ("on_net", 0, &[])),
        (
            "moved to the table of another subnet",
            |world| {
                let (id, [main, other]) = (world.endpoints[0].id.clone(), tables(world));
                world.modify_endpoint(&id, &other, &main).unwrap();
            },
            ("off_net", 2, &["endpoint-not-associated"]),
        ),
        ("a second one, for the table that lost the first", create, ("on_net", 0, &[])),
        (
            "the first one deleted",
            |world| {
                let id = world.endpoints[0].id.clone();
                world.delete_endpoint(&id).unwrap();
            },
            ("on_net", 0, &[]),
        ),
        (
            "the second one being deleted",
            |world| set(world, "deleting"),
            ("at_risk", 1, &["endpoint-not-available", "probe-failed"]),
        ),
        (
            "gone, with its routes",
            |world| {
                let id = world.endpoints[0].id.clone();
                world.delete_endpoint(&id).unwrap();
            },
            ("off_net", 2, &["no-endpoint"]),
        ),
    ]
}

fn said(lab: &Lab) -> Result<(String, Option<i32>, Vec<String>), libtest_mimic::Failed> {
    let (report, exit) = report(lab, &["check", "--timeout", "6s"])?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut codes: Vec<String> =
        report["findings"].as_array().into_iter().flatten().map(|finding| text(&finding["code"])).collect();
    codes.sort_unstable();
    codes.dedup();
    Ok((text(&report["outcome"]), exit, codes))
}

fn life() -> Done {
    let mut world = World::tutorial();
    let routes = world.route_tables[0].routes.clone();
    world.route_tables.push(RouteTable { id: OTHER_TABLE.to_owned(), associations: Vec::new(), routes });
    let other = world.subnets[1].id.clone();
    world.associate(OTHER_TABLE, &other).unwrap();
    let lab = Lab::start(world, Mode::Namespaces)?;
    for (step, edit, (outcome, exit, findings)) in steps() {
        lab.edit(edit);
        let wanted = (outcome.to_owned(), Some(exit), findings.iter().map(ToString::to_string).collect());
        assert_eq!(said(&lab)?, wanted, "{step}");
    }
    Ok(())
}

/// The route leads to the endpoint whatever its state.
fn states() -> Done {
    const STATES: [(&str, Said); 10] = [
        ("available", ("on_net", 0, &[])),
        ("pendingAcceptance", ("at_risk", 1, &["endpoint-not-available", "probe-failed"])),
        ("pending", ("at_risk", 1, &["endpoint-not-available", "probe-failed"])),
        ("deleting", ("at_risk", 1, &["endpoint-not-available", "probe-failed"])),
        ("partial", ("at_risk", 1, &["endpoint-not-available", "probe-failed"])),
        ("deleted", ("undetermined", 3, &["endpoint-not-available", "facts-disagree", "probe-failed"])),
        ("rejected", ("undetermined", 3, &["endpoint-not-available", "facts-disagree", "probe-failed"])),
        ("failed", ("undetermined", 3, &["endpoint-not-available", "facts-disagree", "probe-failed"])),
        ("expired", ("undetermined", 3, &["endpoint-not-available", "facts-disagree", "probe-failed"])),
        // Not documented.
        ("parked", ("undetermined", 3, &["endpoint-not-available", "missing-fact", "probe-failed"])),
    ];
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    for (state, (outcome, exit, findings)) in STATES {
        lab.edit(|world| set(world, state));
        let wanted = (outcome.to_owned(), Some(exit), findings.iter().map(ToString::to_string).collect());
        assert_eq!(said(&lab)?, wanted, "{state}");
    }
    Ok(())
}
