//! Listings in pages: a listing without a proved end does not count, for every operation that has pages.

use super::{DELAY, config, gates, keys};
use crate::fakes::{
    authority::Authority,
    ec2::{Ec2, good, parameter, refusal},
    server::{Server, Step},
};
use onnet::{
    model::{Gap, Observed},
    observe::{
        ec2::{Patience, vpc_facts},
        inventory::{Scope, inventory_of},
    },
};
use std::time::Duration;
use tokio::time::Instant;

/// A page: the token that requests it, its items, and the token of the next page. An item is a number; `2*` has the id of `2`
/// and other contents.
type Page = (Option<&'static str>, &'static [&'static str], Option<&'static str>);

/// A server's behaviour, its pages, and the items that are found or the reason why there are none.
type Case = (&'static str, &'static [Page], Result<&'static [&'static str], &'static str>);

const CASES: [Case; 14] = [
    ("one page", &[(None, &["1", "2"], None)], Ok(&["1", "2"])),
    (
        "every page once",
        &[(None, &["1"], Some("a")), (Some("a"), &["2"], Some("b")), (Some("b"), &["3"], None)],
        Ok(&["1", "2", "3"]),
    ),
    ("an empty token at the end", &[(None, &["1"], Some("a")), (Some("a"), &["2"], Some(""))], Ok(&["1", "2"])),
    (
        "a page without items in between",
        &[(None, &["1"], Some("a")), (Some("a"), &[], Some("b")), (Some("b"), &["2"], None)],
        Ok(&["1", "2"]),
    ),
    (
        "pages in another order",
        &[(None, &["3"], Some("a")), (Some("a"), &["1"], Some("b")), (Some("b"), &["2"], None)],
        Ok(&["1", "2", "3"]),
    ),
    (
        "a page twice",
        &[(None, &["1"], Some("a")), (Some("a"), &["1", "2"], Some("b")), (Some("b"), &["2", "1"], None)],
        Ok(&["1", "2"]),
    ),
    ("an item twice on one page", &[(None, &["1", "1", "2"], None)], Ok(&["1", "2"])),
    (
        "the token that was asked with",
        &[(None, &["1"], Some("a")), (Some("a"), &["2"], Some("a")), (Some("b"), &["3"], None)],
        Err("malformed"),
    ),
    (
        "two tokens in turn",
        &[(None, &["1"], Some("a")), (Some("a"), &["2"], Some("b")), (Some("b"), &["3"], Some("a"))],
        Err("malformed"),
    ),
    (
        "the first token again at the end of three",
        &[
            (None, &["1"], Some("a")),
            (Some("a"), &["2"], Some("b")),
            (Some("b"), &["3"], Some("c")),
            (Some("c"), &["4"], Some("a")),
        ],
        Err("malformed"),
    ),
    (
        "one id with two contents on two pages",
        &[(None, &["1", "2"], Some("a")), (Some("a"), &["2*"], None)],
        Err("conflicting"),
    ),
    ("one id with two contents on one page", &[(None, &["1", "1*"], None)], Err("conflicting")),
    ("no list on the last page", &[(None, &["1"], Some("a")), (Some("a"), &["none"], None)], Err("malformed")),
    ("a refusal instead of the last page", &[(None, &["1"], Some("a"))], Err("denied")),
];

/// An operation: its name, the element that is its list, and how an item of it is written.
struct Operation {
    action: &'static str,
    list: &'static str,
    item: fn(u8, bool) -> String,
}

const OPERATIONS: [Operation; 11] = [
    Operation {
        action: "DescribeRouteTables",
        list: "routeTableSet",
        item: |id, other| {
            let target = if other { "nat-1" } else { "nat-2" };
            format!(
                "<routeTableId>rtb-{id}</routeTableId><vpcId>vpc-1</vpcId><routeSet><item>\
                 <destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><natGatewayId>{target}</natGatewayId></item></routeSet>"
            )
        },
    },
    Operation {
        action: "DescribeVpcEndpoints",
        list: "vpcEndpointSet",
        item: |id, other| {
            let state = if other { "deleting" } else { "available" };
            format!(
                "<vpcEndpointId>vpce-{id}</vpcEndpointId><vpcEndpointType>Gateway</vpcEndpointType><vpcId>vpc-1</vpcId>\
                 <serviceName>com.amazonaws.us-east-1.dynamodb</serviceName><state>{state}</state>"
            )
        },
    },
    Operation {
        action: "DescribePrefixLists",
        list: "prefixListSet",
        item: |id, other| {
            let cidr = if other { "52.94.0.0/22" } else { "52.94.0.0/23" };
            format!("{}<cidrSet><item>{cidr}</item></cidrSet>", prefix_list(id, false))
        },
    },
    Operation { action: "DescribeManagedPrefixLists", list: "prefixListSet", item: prefix_list },
    Operation {
        action: "GetManagedPrefixListEntries",
        list: "entrySet",
        item: |id, _| format!("<cidr>198.51.{id}.0/24</cidr>"),
    },
    Operation {
        action: "DescribeNetworkInterfaces",
        list: "networkInterfaceSet",
        item: |id, other| {
            let address = if other { "10.0.1.5" } else { "10.0.0.5" };
            format!("<networkInterfaceId>eni-{id}</networkInterfaceId><privateIpAddress>{address}</privateIpAddress>")
        },
    },
    Operation {
        action: "DescribeSubnets",
        list: "subnetSet",
        item: |id, other| {
            let cidr = if other { "10.0.0.0/23" } else { "10.0.0.0/24" };
            format!("<subnetId>subnet-{id}</subnetId><vpcId>vpc-1</vpcId><cidrBlock>{cidr}</cidrBlock>")
        },
    },
    Operation {
        action: "DescribeSecurityGroups",
        list: "securityGroupInfo",
        item: |id, other| {
            let rule = if other { "<item><ipProtocol>-1</ipProtocol></item>" } else { "" };
            format!("<groupId>sg-{id}</groupId><ipPermissionsEgress>{rule}</ipPermissionsEgress>")
        },
    },
    Operation {
        action: "DescribeNetworkAcls",
        list: "networkAclSet",
        item: |id, other| {
            let subnet = if other { "subnet-1" } else { "subnet-2" };
            let associations = format!("<associationSet><item><subnetId>{subnet}</subnetId></item></associationSet>");
            format!("<networkAclId>acl-{id}</networkAclId><entrySet/>{associations}")
        },
    },
    Operation {
        action: "DescribeVpcBlockPublicAccessExclusions",
        list: "vpcBlockPublicAccessExclusionSet",
        item: |id, other| {
            let mode = if other { "allow-egress" } else { "allow-bidirectional" };
            format!(
                "<exclusionId>vpcbpa-exclude-{id}</exclusionId><resourceArn>arn:x</resourceArn><state>create-complete</state>\
                 <internetGatewayExclusionMode>{mode}</internetGatewayExclusionMode>"
            )
        },
    },
    Operation {
        action: "DescribeNatGateways",
        list: "natGatewaySet",
        item: |id, other| {
            let state = if other { "available" } else { "pending" };
            format!("<natGatewayId>nat-{id}</natGatewayId><vpcId>vpc-1</vpcId><state>{state}</state>")
        },
    },
];

fn prefix_list(id: u8, other: bool) -> String {
    let name = if other { "com.amazonaws.us-east-1.ipv6.dynamodb" } else { "com.amazonaws.us-east-1.dynamodb" };
    format!("<prefixListId>pl-{id}</prefixListId><prefixListName>{name}</prefixListName>")
}

impl Operation {
    /// EC2, whose listing by this operation has these pages.
    async fn serve(&'static self, pages: &'static [Page]) -> Server {
        let mut ec2 = Ec2::new();
        if self.action == "DescribeManagedPrefixLists" {
            ec2 = ec2.with("DescribePrefixLists", refusal(403, "UnauthorizedOperation"));
        }
        Server::plain(move |request| {
            if parameter(request, "Action").as_deref() != Some(self.action) {
                return ec2.answer(request);
            }
            let token = parameter(request, "NextToken");
            let page = pages.iter().find(|(asked, ..)| *asked == token.as_deref());
            page.map_or_else(|| refusal(403, "UnauthorizedOperation"), |page| self.answer(page))
        })
        .await
    }

    fn answer(&self, (_, items, next): &Page) -> Vec<Step> {
        let items = items.iter().map(|item| match item.strip_suffix('*') {
            Some(id) => format!("<item>{}</item>", (self.item)(id.parse().unwrap(), true)),
            None if *item == "none" => String::new(),
            None => format!("<item>{}</item>", (self.item)(item.parse().unwrap(), false)),
        });
        let items: String = items.collect();
        let list =
            if items.is_empty() && next.is_none() { String::new() } else { format!("<{0}>{items}</{0}>", self.list) };
        good(self.action, &(list + &next.map(|token| format!("<nextToken>{token}</nextToken>")).unwrap_or_default()))
    }

    /// The ids that it found, or the reason for none.
    async fn found(&self, server: &Server) -> Result<Vec<String>, Gap> {
        let config = config(&format!("http://{}", server.address), &Authority::new(), keys());
        let deadline = Instant::now() + Duration::from_secs(30);
        let inventory = inventory_of(&config, &Scope::Everything, "us-east-1".into(), deadline).await;
        let facts = inventory.facts;
        let mut found = match self.action {
            "DescribeRouteTables" => ids(&facts.route_tables, |table| table.id.to_string())?,
            "DescribeVpcEndpoints" => ids(&facts.vpc_endpoints, |endpoint| endpoint.id.to_string())?,
            "DescribePrefixLists" | "DescribeManagedPrefixLists" => {
                // Without the list that a route of the other answers shows.
                let mut lists = ids(&facts.service_prefix_lists, ToString::to_string)?;
                lists.retain(|id| id != "pl-ddb");
                lists
            }
            "GetManagedPrefixListEntries" => facts.prefix_lists[&"pl-mine".into()]
                .get()
                .map_err(Clone::clone)?
                .entries
                .iter()
                .map(ToString::to_string)
                .collect(),
            "DescribeNetworkInterfaces" => ids(&facts.endpoint_interfaces, |interface| interface.id.to_string())?,
            "DescribeSubnets" => ids(&inventory.subnets, |subnet| subnet.id.to_string())?,
            "DescribeSecurityGroups" => ids(&gates(server).await.security_groups, |group| group.id.to_string())?,
            "DescribeNetworkAcls" => ids(&gates(server).await.network_acls, |acl| acl.id.to_string())?,
            "DescribeVpcBlockPublicAccessExclusions" => ids(&gates(server).await.exclusions, |one| one.id.clone())?,
            "DescribeNatGateways" => ids(&gates(server).await.nat_gateways, |nat| nat.id.to_string())?,
            other => panic!("{other}"),
        };
        found.sort();
        Ok(found)
    }

    /// The id of an item in the form of the listing.
    fn id(&self, item: &str) -> String {
        match self.action {
            "DescribeRouteTables" => format!("rtb-{item}"),
            "DescribeVpcEndpoints" => format!("vpce-{item}"),
            "DescribePrefixLists" | "DescribeManagedPrefixLists" => format!("pl-{item}"),
            "GetManagedPrefixListEntries" => format!("198.51.{item}.0/24"),
            "DescribeNetworkInterfaces" => format!("eni-{item}"),
            "DescribeSubnets" => format!("subnet-{item}"),
            "DescribeSecurityGroups" => format!("sg-{item}"),
            "DescribeNetworkAcls" => format!("acl-{item}"),
            "DescribeVpcBlockPublicAccessExclusions" => format!("vpcbpa-exclude-{item}"),
            "DescribeNatGateways" => format!("nat-{item}"),
            other => panic!("{other}"),
        }
    }
}

fn ids<T>(observed: &Observed<Vec<T>>, id: impl Fn(&T) -> String) -> Result<Vec<String>, Gap> {
    Ok(observed.get().map_err(Clone::clone)?.iter().map(id).collect())
}

#[tokio::test]
async fn a_listing_counts_only_where_its_end_is_proved() {
    for operation in &OPERATIONS {
        for (name, pages, expected) in CASES {
            // An entry has no id except its contents.
            if operation.action == "GetManagedPrefixListEntries" && name.starts_with("one id with two contents") {
                continue;
            }
            let server = operation.serve(pages).await;
            let found = operation.found(&server).await;
            let expected = match expected {
                Ok(items) => Ok(items.iter().map(|item| operation.id(item)).collect::<Vec<_>>()),
                // The other API was called instead, and the first denial names the permission to grant.
                Err(_) if operation.action == "DescribeManagedPrefixLists" => Err("denied"),
                // The other API is called instead, and does not answer here.
                Err(reason) => Err(reason),
            };
            let action = operation.action;
            assert_eq!(
                found.as_deref().map_err(Gap::reason),
                expected.as_deref().map_err(|r| *r),
                "{action}, {name}: {found:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_gap_names_the_operation_and_the_fault() {
    let tables = &OPERATIONS[0];
    for (name, fault) in [
        ("the token that was asked with", "page 2 names the token of an earlier page"),
        ("one id with two contents on two pages", "rtb-2"),
    ] {
        let pages = CASES.iter().find(|case| case.0 == name).unwrap().1;
        let gap = tables.found(&tables.serve(pages).await).await.unwrap_err().to_string();
        assert!(gap.contains("ec2:DescribeRouteTables") && gap.contains(fault), "{name}: {gap}");
    }
}

/// The world in which half a list counted as the whole: the table of the subnet is on the page that did not arrive.
#[tokio::test]
async fn a_table_on_a_page_that_never_came_is_not_taken_for_absent() {
    let tables = &OPERATIONS[0];
    let pages: &[Page] = &[(None, &["1"], Some("a")), (Some("a"), &["2"], Some("a")), (Some("b"), &["3"], None)];
    let server = tables.serve(pages).await;
    assert!(tables.found(&server).await.is_err());
    let asked = server.requests.lock().unwrap();
    let of_tables = asked.iter().filter(|request| request.body.contains("DescribeRouteTables")).count();
    assert_eq!(of_tables, 2, "a token that came before is not followed");
}

/// Each of the six pages arrives within the limit for one, but all of them together exceed the deadline.
#[tokio::test]
async fn as_long_as_pages_come_the_longest_time_counts_and_not_the_deadline() {
    let ec2 = Ec2::new();
    let server = Server::plain(move |request| {
        if parameter(request, "Action").as_deref() != Some("DescribeRouteTables") {
            return ec2.answer(request);
        }
        let page: u8 = parameter(request, "NextToken").map_or(1, |token| token.parse().unwrap());
        let token = (page < 6).then(|| (page + 1).to_string());
        let items = (OPERATIONS[0].item)(page, false);
        let next = token.map(|token| format!("<nextToken>{token}</nextToken>")).unwrap_or_default();
        let page = good("DescribeRouteTables", &format!("<routeTableSet><item>{items}</item></routeTableSet>{next}"));
        [vec![Step::Wait(DELAY)], page].concat()
    })
    .await;
    let config = config(&format!("http://{}", server.address), &Authority::new(), keys());
    let ask = async |more: u64| {
        let deadline = Instant::now() + DELAY * 5;
        let patience = Patience { deadline, longest: deadline + Duration::from_secs(more) };
        vpc_facts(&config, &"vpc-1".into(), "us-east-1", patience).await.0.route_tables
    };
    assert_eq!(ask(60).await.get().unwrap().len(), 6);
    assert_eq!(ask(0).await.gap().map(Gap::reason), Some("timed_out"));
}
