//! The table of shared facts, and the policies of those who use it: each may write what is its own, by the item's leading key.
//!
//! `ForAllValues` holds for a request without the key, so each such condition has a `Null` beside it.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html>

use super::{Condition, Document, Principal, Statement, data_source};
use crate::model::{AccountId, VpcId};
use std::collections::BTreeSet;
use strum::VariantArray;

/// One thing that is to be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum FactsPiece {
    /// The table itself.
    Table,
    /// The policy of a role that reads facts and writes its instance's status.
    Reader,
    /// The policy of a role that compares facts with what EC2 says.
    SpotCheck,
    /// The policy of a role that publishes facts.
    Publisher,
    /// The policy of a role that reads the status of all instances.
    Fleet,
    /// What the policy of a VPC endpoint allows.
    Endpoint,
    /// The table's own policy, which roles of other accounts need besides theirs.
    TablePolicy,
}

impl FactsPiece {
    /// Each, in the order in which they are printed.
    const ALL: &'static [Self] = Self::VARIANTS;
}

/// Where a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableHome {
    /// The Region.
    pub region: String,
    /// The account that owns it.
    pub account: AccountId,
}

/// Whose rights to which table.
#[derive(Clone, Debug)]
pub struct FactsRights {
    /// The partition of the ARNs.
    pub partition: String,
    /// The table's name.
    pub table: String,
    /// Where it is, if that is known.
    pub home: Option<TableHome>,
    /// The VPCs. None: the one that the credentials of an instance name.
    pub vpcs: BTreeSet<VpcId>,
    /// The ARNs of the instances. None: the one whose credentials they are.
    pub instances: BTreeSet<String>,
    /// The accounts of the roles.
    pub accounts: BTreeSet<AccountId>,
}

/// The index that finds the status of a VPC's instances.
const INDEX: &str = "by-vpc";

const GET: &str = "dynamodb:GetItem";
const PUT: &str = "dynamodb:PutItem";
const UPDATE: &str = "dynamodb:UpdateItem";

const VPC_OF_CREDENTIALS: &str = "${aws:Ec2InstanceSourceVpc}";
const INSTANCE_OF_CREDENTIALS: &str = "${ec2:SourceInstanceARN}";

impl FactsRights {
    /// The accounts of roles that are not the table's.
    pub fn other_accounts(&self) -> Vec<&AccountId> {
        let owner = self.home.as_ref().map(|home| &home.account);
        self.accounts.iter().filter(|account| owner.is_some_and(|owner| owner != *account)).collect()
    }

    fn arn(&self) -> String {
        let (region, account) =
            self.home.as_ref().map_or(("*", "*"), |TableHome { region, account }| (region, account.as_str()));
        format!("arn:{}:dynamodb:{region}:{account}:table/{}", self.partition, self.table)
    }

    fn index(&self) -> String {
        format!("{}/index/{INDEX}", self.arn())
    }

    /// The leading keys of facts.
    fn vpc_keys(&self) -> Vec<String> {
        let keys: Vec<String> = self.vpcs.iter().map(ToString::to_string).collect();
        if keys.is_empty() { vec![VPC_OF_CREDENTIALS.to_owned()] } else { keys }
    }

    /// The leading keys of spot checks, each of one VPC.
    fn spot_check_keys(&self) -> Vec<String> {
        self.vpc_keys().into_iter().map(spot_checks_of).collect()
    }

    /// The leading keys of status items.
    fn instance_keys(&self) -> Vec<String> {
        let keys: Vec<String> = self.instances.iter().cloned().collect();
        if keys.is_empty() { vec![INSTANCE_OF_CREDENTIALS.to_owned()] } else { keys }
    }

    fn by_key(&self, sid: &'static str, action: Vec<&'static str>, keys: Vec<String>) -> Statement {
        let leading = "dynamodb:LeadingKeys";
        let condition = vec![
            Condition { operator: "ForAllValues:StringEquals", key: leading, values: keys },
            Condition { operator: "Null", key: leading, values: vec!["false".to_owned()] },
        ];
        Statement { condition, ..allow(sid, action, self.arn()) }
    }

    /// What asks EC2 about a VPC, and whatever else of EC2 is listed.
    fn of_ec2(&self, more: &[&'static str]) -> [Statement; 2] {
        let mut actions = vec![
            "ec2:DescribeRouteTables",
            "ec2:DescribeVpcEndpoints",
            "ec2:DescribePrefixLists",
            "ec2:DescribeManagedPrefixLists",
            "ec2:DescribeNetworkInterfaces",
        ];
        actions.extend(more);
        let lists = format!("arn:{}:ec2:*:*:prefix-list/*", self.partition);
        [
            allow("OnnetReadRoutes", actions, "*".to_owned()),
            allow("OnnetReadPrefixLists", vec!["ec2:GetManagedPrefixListEntries"], lists),
        ]
    }

    fn statements(&self, piece: FactsPiece) -> Vec<Statement> {
        let fleet = || allow("OnnetFactsFleet", vec!["dynamodb:Query", "dynamodb:Scan"], self.index());
        match piece {
            FactsPiece::Table => Vec::new(),
            FactsPiece::Reader => vec![
                self.by_key("OnnetFactsRead", vec![GET], self.vpc_keys()),
                self.by_key("OnnetFactsStatus", vec![PUT], self.instance_keys()),
            ],
            FactsPiece::SpotCheck => {
                let take = self.by_key("OnnetFactsSpotCheck", vec![GET, UPDATE], self.spot_check_keys());
                std::iter::once(take).chain(self.of_ec2(&[])).collect()
            }
            FactsPiece::Publisher => {
                let publish = self.by_key("OnnetFactsPublish", vec![GET, PUT, UPDATE], self.vpc_keys());
                // The subnets are for `onnet publish --all`.
                std::iter::once(publish).chain(self.of_ec2(&["ec2:DescribeSubnets"])).collect()
            }
            FactsPiece::Fleet => vec![fleet()],
            FactsPiece::Endpoint => {
                let of_anyone = |statement| Statement { principal: Some(Principal::Anyone), ..statement };
                vec![of_anyone(allow("OnnetFacts", vec![GET, PUT, UPDATE], self.arn())), of_anyone(fleet())]
            }
            // Each account's own policies say which of its roles. Instances and what runs elsewhere use the table alike.
            FactsPiece::TablePolicy => {
                let root = |account: &AccountId| format!("arn:{}:iam::{account}:root", self.partition);
                let accounts: Vec<String> = self.other_accounts().into_iter().map(root).collect();
                let all = |own: &str, keys: Vec<String>| {
                    let others = keys.into_iter().filter(|key| key != own);
                    std::iter::once(own.to_owned()).chain(others).collect()
                };
                let statements = vec![
                    self.by_key("OnnetFacts", vec![GET, PUT, UPDATE], all(VPC_OF_CREDENTIALS, self.vpc_keys())),
                    self.by_key("OnnetFactsStatus", vec![PUT], all(INSTANCE_OF_CREDENTIALS, self.instance_keys())),
                    self.by_key(
                        "OnnetFactsSpotCheck",
                        vec![GET, UPDATE],
                        all(&spot_checks_of(VPC_OF_CREDENTIALS.to_owned()), self.spot_check_keys()),
                    ),
                    fleet(),
                ];
                let of_accounts =
                    |statement| Statement { principal: Some(Principal::Named(accounts.clone())), ..statement };
                statements.into_iter().map(of_accounts).collect()
            }
        }
    }

    /// Who gets it.
    fn heading(&self, piece: FactsPiece) -> String {
        match piece {
            FactsPiece::Table => match &self.home {
                None => "The table: for the account that is to own it, once.".to_owned(),
                Some(TableHome { account, .. }) => format!("The table: for its owner {account}, once."),
            },
            FactsPiece::Reader => {
                "Reader: for the role of each instance that reads facts there and writes its own status.".to_owned()
            }
            FactsPiece::SpotCheck => {
                "Spot checks: for the role of instances with `--facts-spot-check-every`, beside the reader's.".to_owned()
            }
            FactsPiece::Publisher => {
                "Publisher: for the role of `onnet publish`; of agents that publish, beside the reader's.".to_owned()
            }
            FactsPiece::Fleet => "Fleet reader: for the role that reads the status of all instances.".to_owned(),
            FactsPiece::Endpoint => {
                "Endpoint: for the policy of each VPC endpoint of DynamoDB that does not allow everything, besides what it has."
                    .to_owned()
            }
            FactsPiece::TablePolicy => {
                let accounts: Vec<&str> = self.other_accounts().into_iter().map(AccountId::as_str).collect();
                format!(
                    "The table's own policy: for its owner; needed besides, since roles of {} are another account's.",
                    accounts.join(", ")
                )
            }
        }
    }

    /// The commands that make the table.
    fn commands(&self) -> String {
        let table = &self.table;
        let region = self.home.as_ref().map(|home| format!(" --region {}", home.region)).unwrap_or_default();
        format!(
            "aws dynamodb create-table{region} --table-name {table} --billing-mode PAY_PER_REQUEST \\\n  \
             --attribute-definitions AttributeName=pk,AttributeType=S AttributeName=sk,AttributeType=S \\\n    \
             AttributeName=vpc,AttributeType=S AttributeName=instance,AttributeType=S \\\n  \
             --key-schema AttributeName=pk,KeyType=HASH AttributeName=sk,KeyType=RANGE \\\n  \
             --global-secondary-indexes 'IndexName={INDEX},KeySchema=[{{AttributeName=vpc,KeyType=HASH}},\
             {{AttributeName=instance,KeyType=RANGE}}],Projection={{ProjectionType=ALL}}'\n\
             aws dynamodb wait table-exists{region} --table-name {table}\n\
             aws dynamodb update-time-to-live{region} --table-name {table} \\\n  \
             --time-to-live-specification Enabled=true,AttributeName=expires\n"
        )
    }

    /// The same, in Terraform.
    fn resource(&self) -> String {
        let attribute = |name| format!("\n  attribute {{\n    name = \"{name}\"\n    type = \"S\"\n  }}\n");
        let attributes: String = ["pk", "sk", "vpc", "instance"].map(attribute).concat();
        format!(
            "resource \"aws_dynamodb_table\" \"onnet_facts\" {{\n  name         = \"{}\"\n  \
             billing_mode = \"PAY_PER_REQUEST\"\n  hash_key     = \"pk\"\n  range_key    = \"sk\"\n{attributes}\n  \
             global_secondary_index {{\n    name            = \"{INDEX}\"\n    hash_key        = \"vpc\"\n    \
             range_key       = \"instance\"\n    projection_type = \"ALL\"\n  }}\n\n  ttl {{\n    \
             attribute_name = \"expires\"\n    enabled        = true\n  }}\n}}\n",
            self.table
        )
    }
}

fn spot_checks_of(vpc: String) -> String {
    format!("spot-check.{vpc}")
}

fn allow(sid: &'static str, action: Vec<&'static str>, resource: String) -> Statement {
    Statement { sid, effect: "Allow", principal: None, action, resource, condition: Vec::new() }
}

/// A piece as the AWS CLI takes it: a policy document, or the commands that make the table.
pub fn facts_json(rights: &FactsRights, piece: FactsPiece) -> String {
    match piece {
        FactsPiece::Table => rights.commands(),
        FactsPiece::Reader
        | FactsPiece::SpotCheck
        | FactsPiece::Publisher
        | FactsPiece::Fleet
        | FactsPiece::Endpoint
        | FactsPiece::TablePolicy => super::super::json(&Document::of(rights.statements(piece))),
    }
}

/// A piece for Terraform's AWS provider: a data source, or the resource that is the table.
pub fn facts_terraform(rights: &FactsRights, piece: FactsPiece) -> String {
    let name = match piece {
        FactsPiece::Table => return rights.resource(),
        FactsPiece::Reader => "onnet_facts_reader",
        FactsPiece::SpotCheck => "onnet_facts_spot_check",
        FactsPiece::Publisher => "onnet_facts_publisher",
        FactsPiece::Fleet => "onnet_facts_fleet",
        FactsPiece::Endpoint => "onnet_facts_endpoint",
        FactsPiece::TablePolicy => "onnet_facts_table",
    };
    data_source(name, Document::of(rights.statements(piece)))
}

/// Every piece that is needed, each below a line that says who gets it. To a shell and to Terraform these lines are comments.
pub fn facts_pieces(rights: &FactsRights, print: fn(&FactsRights, FactsPiece) -> String) -> String {
    let has_others = !rights.other_accounts().is_empty();
    let is_needed = |piece: &FactsPiece| *piece != FactsPiece::TablePolicy || has_others;
    let shown = |piece| format!("# {}\n{}", rights.heading(piece), print(rights, piece));
    FactsPiece::ALL.iter().copied().filter(is_needed).map(shown).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
    use super::*;
    use serde_json::Value;

    const INSTANCE: &str = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0";

    fn by_name() -> FactsRights {
        FactsRights {
            partition: "aws".to_owned(),
            table: "onnet-facts".to_owned(),
            home: None,
            vpcs: BTreeSet::new(),
            instances: BTreeSet::new(),
            accounts: BTreeSet::new(),
        }
    }

    /// For credentials that name neither a VPC nor an instance.
    fn named() -> FactsRights {
        FactsRights {
            vpcs: ["vpc-0bbc736e", "vpc-0a1b2c3d"].map(VpcId::from).into(),
            instances: [INSTANCE.to_owned()].into(),
            ..by_name()
        }
    }

    fn of_other_account() -> FactsRights {
        let home = TableHome { region: "us-east-1".to_owned(), account: "444455556666".into() };
        FactsRights {
            home: Some(home),
            accounts: ["111122223333", "444455556666"].map(AccountId::from).into(),
            ..named()
        }
    }

    fn policy(rights: &FactsRights, piece: FactsPiece) -> Vec<Value> {
        let policy: Value = serde_json::from_str(&facts_json(rights, piece)).unwrap();
        policy["Statement"].as_array().unwrap().clone()
    }

    fn actions_of(statement: &Value) -> Vec<&str> {
        let action = &statement["Action"];
        let all = action.as_array().map_or(std::slice::from_ref(action), Vec::as_slice);
        all.iter().map(|action| action.as_str().unwrap()).collect()
    }

    /// The files that the end-to-end run asks an independent evaluator about.
    #[test]
    fn the_policies_are_those_that_were_evaluated() {
        let other = of_other_account();
        let files = [
            ("facts.txt", facts_pieces(&by_name(), facts_json)),
            ("facts.tf", facts_pieces(&by_name(), facts_terraform)),
            ("facts-other-account.txt", facts_pieces(&other, facts_json)),
            ("facts-other-account.tf", facts_pieces(&other, facts_terraform)),
            ("facts-reader.json", facts_json(&by_name(), FactsPiece::Reader)),
            ("facts-spot-check.json", facts_json(&by_name(), FactsPiece::SpotCheck)),
            ("facts-publisher.json", facts_json(&by_name(), FactsPiece::Publisher)),
            ("facts-fleet.json", facts_json(&by_name(), FactsPiece::Fleet)),
            ("facts-endpoint.json", facts_json(&by_name(), FactsPiece::Endpoint)),
            ("facts-reader-named.json", facts_json(&named(), FactsPiece::Reader)),
            ("facts-spot-check-named.json", facts_json(&named(), FactsPiece::SpotCheck)),
            ("facts-publisher-named.json", facts_json(&named(), FactsPiece::Publisher)),
            ("facts-table.json", facts_json(&other, FactsPiece::TablePolicy)),
        ];
        for (name, printed) in files {
            let path = format!("{}/../../tests/files/policy/{name}", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("ONNET_BLESS").is_some() {
                std::fs::write(&path, &printed).unwrap();
            }
            assert_eq!(printed, std::fs::read_to_string(&path).unwrap(), "{name}");
        }
    }

    #[test]
    fn whoever_is_allowed_items_is_allowed_those_of_certain_keys() {
        for rights in [by_name(), named(), of_other_account()] {
            for piece in [FactsPiece::Reader, FactsPiece::SpotCheck, FactsPiece::Publisher, FactsPiece::TablePolicy] {
                for statement in policy(&rights, piece) {
                    if !statement["Resource"].as_str().unwrap().ends_with(":table/onnet-facts") {
                        continue;
                    }
                    let condition = &statement["Condition"];
                    assert_eq!(condition["Null"]["dynamodb:LeadingKeys"], "false", "{statement}");
                    let keys = &condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"];
                    assert!(keys.is_string() || keys.is_array(), "{statement}");
                    assert!(!keys.to_string().contains('*'), "{statement}");
                }
            }
        }
    }

    #[test]
    fn nobody_may_scan_or_query_the_table_or_ask_for_several_items_at_once() {
        for rights in [by_name(), named(), of_other_account()] {
            for piece in FactsPiece::ALL.iter().copied().filter(|piece| *piece != FactsPiece::Table) {
                for statement in policy(&rights, piece) {
                    let resource = statement["Resource"].as_str().unwrap();
                    for action in actions_of(&statement) {
                        let fits = match action {
                            "dynamodb:GetItem" | "dynamodb:PutItem" | "dynamodb:UpdateItem" => {
                                resource.ends_with(":table/onnet-facts")
                            }
                            "dynamodb:Query" | "dynamodb:Scan" => resource.ends_with(":table/onnet-facts/index/by-vpc"),
                            other => other.starts_with("ec2:Describe") || other == "ec2:GetManagedPrefixListEntries",
                        };
                        assert!(fits, "{action} on {resource}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_publisher_may_read_from_ec2_what_the_readme_lists() {
        let readme = include_str!("../../../../README.md");
        let listed = readme.split("\"Sid\": \"Probe\"").next().unwrap();
        let listed = listed.split("\"Sid\": \"ReadRoutes\"").nth(1).unwrap();
        let mut listed: Vec<&str> = listed.split('"').filter(|text| text.starts_with("ec2:")).collect();
        let statements = policy(&by_name(), FactsPiece::Publisher);
        let mut allowed: Vec<&str> =
            statements.iter().flat_map(actions_of).filter(|action| action.starts_with("ec2:")).collect();
        listed.sort_unstable();
        allowed.sort_unstable();
        assert_eq!(allowed, listed);
    }

    #[test]
    fn an_arn_is_of_the_tables_own_account_and_region_and_a_name_of_all() {
        for (rights, table) in [
            (by_name(), "arn:aws:dynamodb:*:*:table/onnet-facts"),
            (of_other_account(), "arn:aws:dynamodb:us-east-1:444455556666:table/onnet-facts"),
        ] {
            for piece in [FactsPiece::Reader, FactsPiece::SpotCheck, FactsPiece::Publisher, FactsPiece::Endpoint] {
                assert_eq!(policy(&rights, piece)[0]["Resource"], table, "{piece:?}");
            }
            assert_eq!(policy(&rights, FactsPiece::Fleet)[0]["Resource"], format!("{table}/index/by-vpc"));
        }
    }

    #[test]
    fn the_tables_own_policy_is_for_other_accounts_alone() {
        for statement in policy(&of_other_account(), FactsPiece::TablePolicy) {
            assert_eq!(statement["Principal"]["AWS"], "arn:aws:iam::111122223333:root", "{statement}");
        }
        let own = FactsRights { accounts: ["444455556666".into()].into(), ..of_other_account() };
        assert!(!facts_pieces(&own, facts_json).contains("Principal\": {"));
        assert!(facts_pieces(&of_other_account(), facts_json).contains("needed besides"));
    }

    /// An unquoted `${…}` would be Terraform's own.
    #[test]
    fn terraform_gets_the_same_statements_with_its_own_spelling_of_variables() {
        for rights in [by_name(), named(), of_other_account()] {
            for piece in FactsPiece::ALL.iter().copied().filter(|piece| *piece != FactsPiece::Table) {
                let text = facts_terraform(&rights, piece);
                assert!(!text.contains("${"), "{text}");
                let quoted = |value: &Value| {
                    let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                    let list: Vec<String> = list.iter().map(|one| one.to_string().replace("${", "&{")).collect();
                    format!("[{}]", list.join(", "))
                };
                let statements = policy(&rights, piece);
                assert_eq!(text.matches("  statement {").count(), statements.len());
                for statement in statements {
                    assert!(text.contains(&format!("sid       = {}\n", statement["Sid"])), "{text}");
                    assert!(text.contains(&format!("actions   = {}\n", quoted(&statement["Action"]))), "{text}");
                    assert!(text.contains(&format!("resources = {}\n", quoted(&statement["Resource"]))), "{text}");
                    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
                        for (key, values) in keys.as_object().unwrap() {
                            let condition = format!(
                                "      test     = \"{operator}\"\n      variable = \"{key}\"\n      values   = {}\n",
                                quoted(values)
                            );
                            assert!(text.contains(&condition), "{condition}{text}");
                        }
                    }
                    if let Some(accounts) = statement.get("Principal").and_then(|named| named.get("AWS")) {
                        assert!(text.contains(&format!("identifiers = {}\n", quoted(accounts))), "{text}");
                    }
                }
            }
        }
    }
}
