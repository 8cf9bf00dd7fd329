//! The JSON contracts: documents match the shipped schemas, and the schemas match the types.

use crate::common::{below_tests, golden, report_json, scenario, scenarios};
use onnet_core::{
    import::files,
    judge,
    model::{FindingCatalogue, SCHEMA},
    present::{self, Contract},
};
use serde_json::{Value, json};
use std::fs;

/// Where the file of a schema is, which `onnet schema` prints.
fn file(contract: Contract) -> String {
    format!("../src/commands/schema/{}.json", contract.name())
}

fn shipped(contract: Contract) -> jsonschema::Validator {
    let text = fs::read(below_tests(&file(contract))).unwrap();
    jsonschema::validator_for(&serde_json::from_slice(&text).unwrap()).unwrap()
}

fn holds(schema: &jsonschema::Validator, what: &str, document: &Value) {
    let errors: Vec<String> =
        schema.iter_errors(document).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {}", errors.join("; "));
}

#[test]
fn the_shipped_schemas_are_those_of_the_types() {
    for contract in Contract::ALL {
        golden(&file(contract), &present::schema(contract)).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

#[test]
fn every_scenarios_report_and_snapshot_hold_against_the_schema() {
    let (report, snapshot) = (shipped(Contract::Report), shipped(Contract::Snapshot));
    for name in scenarios::all().keys() {
        let document = report_json(&scenario(name));
        holds(&report, name, &document);
        holds(&snapshot, name, &document["snapshot"]);
    }
}

#[test]
fn explanations_and_audits_hold_against_the_schema() {
    let (explain, audit) = (shipped(Contract::Explain), shipped(Contract::Audit));
    for dir in ["files/two_vpcs", "files/aws_cli_examples"] {
        let inventory = files::read(&below_tests(dir), Some("us-east-1")).unwrap();
        holds(&audit, dir, &serde_json::to_value(judge::audit(&inventory, None)).unwrap());
        for subnet in inventory.subnets.get().unwrap() {
            for address in ["52.94.0.10", "192.0.2.1", "10.0.3.7", "2001:db8::1"] {
                let explanation = judge::explain(&inventory, &subnet.id, address.parse().unwrap()).unwrap();
                holds(&explain, address, &serde_json::to_value(&explanation).unwrap());
            }
        }
    }
}

#[test]
fn the_catalogue_of_findings_holds_against_the_schema() {
    let findings = judge::catalogue().to_vec();
    let document = serde_json::to_value(FindingCatalogue { schema: SCHEMA, findings }).unwrap();
    holds(&shipped(Contract::ExplainFinding), "all findings", &document);
}

#[test]
fn a_schema_refuses_what_is_not_its_document() {
    for contract in Contract::ALL {
        assert!(!shipped(contract).is_valid(&json!({"schema": "1"})), "{}", contract.name());
    }
    let mut report = report_json(&scenario("no_route_drops"));
    report["outcome"] = json!("fine");
    assert!(!shipped(Contract::Report).is_valid(&report));
}
