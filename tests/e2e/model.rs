//! EC2's model against what onnet makes of it: `model.yaml` has every field and value of the shapes that onnet reads.
//!
//! A pinned version of botocore must agree. The newest is compared too, and what it adds is printed.

use crate::{Done, PATIENCE, lab, tool};
use libtest_mimic::Failed;
use onnet_core::{
    import::convert::{self, RawAssociation, RawEndpoint},
    model::{AddressType, AssociationState, EndpointState, EndpointType, Origin, PublicAccess, RouteState},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
};

/// Where the fields are read.
const READERS: [&str; 3] = [
    include_str!("../../src/observe/ec2/convert.rs"),
    include_str!("../../src/observe/ec2/gates.rs"),
    include_str!("../../src/observe/ec2/unmodelled.rs"),
];

/// What onnet makes of the model.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    fields: BTreeMap<String, Fields>,
    values: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    read: BTreeSet<String>,
    #[serde(default)]
    harmless: BTreeMap<String, String>,
}

/// The model, as `model.py` prints it.
#[derive(Deserialize)]
struct Model {
    /// By shape, its fields, each with its shape or that of what its list holds.
    fields: BTreeMap<String, BTreeMap<String, String>>,
    values: BTreeMap<String, BTreeSet<String>>,
}

impl Model {
    /// The model of one of the versions that `tests/e2e/run` installed.
    fn of(version: &str) -> Result<Self, Failed> {
        let directory = tool("..").join(version);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/model.py");
        let mut command = Command::new(tool("python"));
        let ran = lab::run(command.arg(script).arg(directory).stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE)?;
        if ran.code == Some(0) { Ok(serde_json::from_str(&ran.stdout)?) } else { Err(ran.stderr.into()) }
    }
}

pub(crate) fn model() -> Done {
    let known: Known = serde_saphyr::from_str(include_str!("model.yaml"))?;
    let wrong = unread(&known);
    assert!(wrong.is_empty(), "fields that are said to be read are not:\n{}", wrong.join("\n"));
    let pinned = differences(&known, &Model::of("botocore-pinned")?);
    assert!(pinned.is_empty(), "the pinned model:\n{}", pinned.join("\n"));
    match Model::of("botocore-newest") {
        Ok(newest) => {
            for difference in differences(&known, &newest) {
                eprintln!("the newest model of EC2: {difference}");
            }
        }
        Err(why) => eprintln!("the newest model of EC2 is NOT CHECKED: {}", why.message().unwrap_or_default()),
    }
    Ok(())
}

/// Fields that are said to be read and that no reader asks for.
fn unread(known: &Known) -> Vec<String> {
    let read = known.fields.iter().flat_map(|(shape, fields)| fields.read.iter().map(move |field| (shape, field)));
    let is_asked_for = |field: &str| {
        let (name, element) = (snake(field), format!("\"{}\"", camel(field)));
        // By its getter, as a list that may be absent, or as an element of the answer.
        let ways = [format!("{name}()"), format!("::{name})"), format!(".{name}.as_ref()"), element];
        READERS.iter().any(|reader| ways.iter().any(|way| reader.contains(way)))
    };
    read.filter(|(_, field)| !is_asked_for(field)).map(|(shape, field)| format!("{shape}.{field}")).collect()
}

/// `RouteTableIds` → `route_table_ids`.
fn snake(field: &str) -> String {
    let mut snake = String::new();
    for (n, c) in field.char_indices() {
        if c.is_ascii_uppercase() && n > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// `IgwFirewall` → `igwFirewall`, as in the answer.
fn camel(field: &str) -> String {
    let mut letters = field.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// What the model has and onnet does not know, and the other way round.
fn differences(known: &Known, model: &Model) -> Vec<String> {
    let mut found = Vec::new();
    for (shape, fields) in &known.fields {
        let Some(of_model) = model.fields.get(shape) else {
            found.push(format!("there is no shape {shape}"));
            continue;
        };
        let all: BTreeSet<String> = fields.read.iter().chain(fields.harmless.keys()).cloned().collect();
        let types = of_model;
        let of_model: &BTreeSet<String> = &types.keys().cloned().collect();
        found.extend(of_model.difference(&all).map(|field| format!("{shape}.{field} is neither read nor harmless")));
        found.extend(all.difference(of_model).map(|field| format!("{shape}.{field} is not in the model")));
        found.extend(fields.read.iter().filter(|field| fields.harmless.contains_key(*field)).cloned());
        for (field, of) in fields.read.iter().filter_map(|field| Some((field, types.get(field)?))) {
            if model.values.contains_key(of) && !known.values.contains_key(of) {
                found.push(format!("{shape}.{field} is a {of}, whose values are not listed"));
            }
            if model.fields.contains_key(of) && !known.fields.contains_key(of) {
                found.push(format!("{shape}.{field} is a {of}, whose fields are not listed"));
            }
        }
    }
    for (shape, listed) in &known.values {
        let Some(of_model) = model.values.get(shape) else {
            found.push(format!("there is no shape {shape}"));
            continue;
        };
        for value in of_model {
            // Listed exactly where the converter does not know it.
            match (is_known(shape, value), listed.contains_key(value)) {
                (Some(known), listed) if known != listed => {}
                (Some(true), _) => found.push(format!("{shape} {value} is known, and listed as an exception")),
                (Some(false), _) => found.push(format!("{shape} {value} is not known")),
                (None, _) => found.push(format!("no converter is named for {shape}")),
            }
        }
        found.extend(
            listed.keys().filter(|value| !of_model.contains(*value)).map(|value| format!("{shape} has no {value}")),
        );
    }
    found
}

/// Whether the converter knows a value of an enum; `None` where there is no such enum.
fn is_known(shape: &str, value: &str) -> Option<bool> {
    let endpoint = |kind| {
        let raw = RawEndpoint {
            vpc_endpoint_id: Some("vpce-1"),
            vpc_id: Some("vpc-1"),
            vpc_endpoint_type: kind,
            ..RawEndpoint::default()
        };
        raw.convert().unwrap().kind
    };
    Some(match shape {
        "RouteState" => !matches!(convert::route_state(Some(value)), RouteState::Other(_)),
        "RouteOrigin" => !matches!(convert::origin(Some(value)), Origin::Other(_)),
        "RouteTableAssociationStateCode" => {
            let raw = RawAssociation { main: true, state: Some(value), ..RawAssociation::default() };
            !matches!(raw.convert("rtb-1").unwrap().state, AssociationState::Other(_))
        }
        "VpcEndpointType" => !matches!(endpoint(Some(value)), EndpointType::Other(_)),
        "State" => !matches!(EndpointState::parse(value), EndpointState::Other(_)),
        "IpAddressType" => !matches!(AddressType::parse(value), AddressType::Other(_)),
        // In any state that is not known a range may be in effect.
        "SubnetCidrBlockStateCode" => value == "associated" || !convert::in_effect(Some(value)),
        "BlockPublicAccessMode" => {
            let mode = serde_json::from_value(value.replace('-', "_").into());
            !matches!(mode, Ok(PublicAccess::Other(_)) | Err(_))
        }
        // Kept as they are.
        "NetworkFirewallConnectivityType"
        | "InternetGatewayExclusionMode"
        | "VpcBlockPublicAccessExclusionState"
        | "RuleAction"
        | "NatGatewayState"
        | "ConnectivityType"
        | "AvailabilityMode"
        | "NatGatewayApplianceType" => false,
        _ => return None,
    })
}
