//! EC2: the facts of good answers, and the gap of each bad one.

use super::{config, facts, facts_within, keys};
use crate::fakes::{
    authority::Authority,
    ec2::{Ec2, XML, document, good, parameter, refusal},
    fixtures::{BARE_LISTS, INTERFACES, NO_ENDPOINTS, SUBNETS, TABLES},
    http::Request,
    server::{Server, Step, answer, closed_port, head},
};
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use onnet::{
    model::{
        AssociatedWith, AssociationState, Destination, EndpointState, EndpointType, Gap, Inventory, Observed, Origin,
        RouteState, Target,
    },
    observe::{
        ec2::{vpc_facts, vpcs_facts},
        inventory::{Scope, inventory_of},
    },
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

fn actions(server: &Server) -> Vec<String> {
    let mut actions: Vec<_> =
        server.requests.lock().unwrap().iter().map(|request| parameter(request, "Action").unwrap()).collect();
    actions.sort();
    actions
}

#[tokio::test]
async fn good_answers_become_facts() {
    let server = Ec2::new().start().await;
    let facts = facts(&server).await;

    let table = &facts.route_tables.get().unwrap()[0];
    assert_eq!((table.id.as_str(), table.vpc.as_str()), ("rtb-1", "vpc-1"));
    assert_eq!(table.owner.as_ref().unwrap().as_str(), "111122223333");
    let associations: Vec<_> = table.associations.iter().map(|a| (a.with.clone(), a.state.clone())).collect();
    assert_eq!(
        associations,
        [
            (AssociatedWith::Main, AssociationState::Associated),
            (AssociatedWith::Subnet("subnet-1".into()), AssociationState::Changing),
            (AssociatedWith::Gateway("igw-1".into()), AssociationState::Absent),
            (AssociatedWith::PublicIpv4Pool("ipv4pool-ec2-1".into()), AssociationState::Absent),
        ]
    );
    let cidr = |text: &str| Destination::Cidr(text.parse().unwrap());
    let other = |field: &str, value: &str| Target::Other { field: field.into(), value: value.into() };
    let routes: Vec<_> = table.routes.iter().map(|r| (r.destination.clone(), r.target.clone())).collect();
    assert_eq!(
        routes,
        [
            (cidr("10.0.0.0/16"), Target::Local),
            (Destination::PrefixList("pl-ddb".into()), Target::VpcEndpoint("vpce-1".into())),
            (Destination::PrefixList("pl-mine".into()), Target::NatGateway("nat-1".into())),
            (cidr("::/0"), Target::EgressOnlyInternetGateway("eigw-1".into())),
            (cidr("192.0.2.0/24"), Target::Instance("i-1".into())),
            (cidr("198.51.100.0/24"), other("none", "none")),
            (cidr("0.0.0.0/0"), Target::InternetGateway("igw-1".into())),
            (cidr("203.0.113.0/24"), other("OdbNetworkArn", "arn:odb")),
        ]
    );
    assert_eq!(table.firewalled, ["igw-1".into()], "read from the answer itself: the SDK's model does not have it");
    assert_eq!(table.routes[4].state, RouteState::Blackhole);
    assert_eq!(table.routes[5].origin, Origin::EnableVgwRoutePropagation);
    assert_eq!(table.routes[7].origin, Origin::Other("NewOrigin".into()));
    assert_eq!(table.routes[7].state, RouteState::Filtered);

    let endpoints = facts.vpc_endpoints.get().unwrap();
    let kinds: Vec<_> = endpoints.iter().map(|e| (e.kind.clone(), e.state.clone())).collect();
    assert_eq!(
        kinds,
        [
            (EndpointType::Gateway, EndpointState::Available),
            (EndpointType::Interface, EndpointState::Available),
            (EndpointType::GatewayLoadBalancer, EndpointState::PendingAcceptance),
            (EndpointType::Resource, EndpointState::Available),
            (EndpointType::Absent, EndpointState::Absent),
        ]
    );
    assert_eq!(endpoints[3].service.as_deref(), Some("arn:rcfg"));

    let interfaces = facts.endpoint_interfaces.get().unwrap();
    assert_eq!(
        interfaces[0].addresses,
        ["10.0.0.5".parse::<std::net::IpAddr>().unwrap(), "2001:db8::5".parse().unwrap()]
    );
    assert_eq!(facts.service_prefix_lists.get().unwrap(), &["pl-ddb".into()]);
    let lists: Vec<_> =
        facts.prefix_lists.iter().map(|(id, list)| (id.as_str(), list.get().unwrap().entries.len())).collect();
    assert_eq!(lists, [("pl-ddb", 2), ("pl-mine", 1)], "S3's list is not requested");
    assert_eq!(
        actions(&server),
        [
            "DescribeNetworkInterfaces",
            "DescribePrefixLists",
            "DescribeRouteTables",
            "DescribeVpcEndpoints",
            "GetManagedPrefixListEntries"
        ],
        "no call more than needed"
    );
    let filtered = server
        .requests
        .lock()
        .unwrap()
        .iter()
        .filter(|r| r.body.contains("vpc-id") && r.body.contains("vpc-1"))
        .count();
    assert_eq!(filtered, 2, "tables and endpoints are those of the VPC");
}

#[tokio::test]
async fn without_interface_endpoints_there_is_nothing_to_ask() {
    let server = Ec2::new().with_set("DescribeVpcEndpoints", NO_ENDPOINTS).start().await;
    let facts = facts(&server).await;
    assert!(facts.endpoint_interfaces.get().unwrap().is_empty());
    assert!(!actions(&server).contains(&"DescribeNetworkInterfaces".to_owned()));
}

/// A check needs no others, and one that is not shown would be missing.
#[tokio::test]
async fn the_interfaces_of_other_services_and_types_are_not_asked_for() {
    let of = |kind: &str, service: &str| {
        format!(
            "<vpcEndpointSet><item><vpcEndpointId>vpce-9</vpcEndpointId><vpcEndpointType>{kind}</vpcEndpointType>\
             <vpcId>vpc-1</vpcId>{service}<state>available</state>\
             <networkInterfaceIdSet><item>eni-9</item></networkInterfaceIdSet></item></vpcEndpointSet>"
        )
    };
    for endpoints in
        [of("Interface", "<serviceName>com.amazonaws.us-east-1.ecr.api</serviceName>"), of("GatewayLoadBalancer", "")]
    {
        let server = Ec2::new().with_set("DescribeVpcEndpoints", &endpoints).start().await;
        assert!(facts(&server).await.endpoint_interfaces.get().unwrap().is_empty(), "{endpoints}");
        assert!(asked(&server, "DescribeNetworkInterfaces").is_empty(), "{endpoints}");
    }
}

#[tokio::test]
async fn an_interface_that_ec2_does_not_show_is_a_gap() {
    let server = Ec2::new().with_set("DescribeNetworkInterfaces", &INTERFACES.replace("eni-1", "eni-2")).start().await;
    let gap = facts(&server).await.endpoint_interfaces.gap().cloned();
    assert!(matches!(&gap, Some(Gap::NotFound { detail }) if detail.contains("eni-1")), "{gap:?}");
}

#[tokio::test]
async fn lists_that_come_without_entries_are_asked_for() {
    let server = Ec2::new().with_set("DescribePrefixLists", BARE_LISTS).start().await;
    let facts = facts(&server).await;
    assert_eq!(facts.service_prefix_lists.get().unwrap(), &["pl-ddb".into(), "pl-ddb6".into()]);
    let ids: Vec<_> = facts.prefix_lists.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["pl-ddb", "pl-ddb6", "pl-mine"]);
    let ddb = facts.prefix_lists[&"pl-ddb".into()].get().unwrap();
    assert_eq!(ddb.name.as_deref(), Some("com.amazonaws.us-east-1.dynamodb"));
    assert_eq!(ddb.entries[..], ["192.0.2.128/25".parse().unwrap()], "without the bits of the host");
    assert_eq!(asked(&server, "GetManagedPrefixListEntries").len(), 3, "each once");
}

#[tokio::test]
async fn only_a_customers_list_may_be_empty() {
    let server = Ec2::new()
        .with_set("DescribePrefixLists", BARE_LISTS)
        .with_set("GetManagedPrefixListEntries", "<entrySet/>")
        .start()
        .await;
    let lists = facts(&server).await.prefix_lists;
    assert!(lists[&"pl-mine".into()].get().unwrap().entries.is_empty());
    let gap = lists[&"pl-ddb".into()].gap();
    assert!(matches!(gap, Some(Gap::Malformed { detail }) if detail.contains("pl-ddb")), "{gap:?}");

    let empty = Ec2::new().with_set("GetManagedPrefixListEntries", "<entrySet/>");
    let s3 = BARE_LISTS.replace("ipv6.dynamodb", "s3").replace("pl-ddb6", "pl-mine");
    let of_aws = empty.clone().with_set("DescribePrefixLists", &s3).start().await;
    let denied = empty.with("DescribePrefixLists", refusal(403, "UnauthorizedOperation")).start().await;
    for (server, whose) in [(of_aws, "AWS's"), (denied, "AWS's for all that is known")] {
        let lists = facts(&server).await.prefix_lists;
        let gap = lists[&"pl-mine".into()].gap();
        assert!(matches!(gap, Some(Gap::Malformed { detail }) if detail.contains("pl-mine")), "{whose}: {gap:?}");
    }
}

#[tokio::test]
async fn a_list_of_two_thousand_entries_is_read_and_not_one_more() {
    for (count, reason) in [(2_000, None), (2_001, Some("over_limit"))] {
        let entries: String =
            (0..count).map(|number| format!("<item>10.{}.{}.0/24</item>", number / 256, number % 256)).collect();
        let lists = format!(
            "<prefixListSet><item><prefixListId>pl-ddb</prefixListId>\
             <prefixListName>com.amazonaws.us-east-1.dynamodb</prefixListName><cidrSet>{entries}</cidrSet></item></prefixListSet>"
        );
        let server = Ec2::new().with_set("DescribePrefixLists", &lists).start().await;
        let lists = facts(&server).await.prefix_lists;
        assert_eq!(lists[&"pl-ddb".into()].gap().map(Gap::reason), reason, "{count}");
    }
}

#[tokio::test]
async fn the_facts_of_eight_vpcs_are_asked_for_and_not_of_one_more() {
    let server = Ec2::new().start().await;
    let config = config(&format!("http://{}", server.address), &Authority::new(), keys());
    let of = async |count: usize| {
        let vpcs: Vec<_> = (1..=count).map(|number| format!("vpc-{number}").as_str().into()).collect();
        vpcs_facts(&config, &vpcs, "us-east-1", None, Instant::now() + Duration::from_secs(10)).await
    };
    let (facts, requests) = of(9).await;
    assert_eq!((facts.route_tables.gap().map(Gap::reason), requests.len()), (Some("over_limit"), 0));
    let (facts, _) = of(8).await;
    assert_eq!(facts.route_tables.get().unwrap().len(), 1, "all eight answers are the same");
    let mut vpcs = asked_for_vpc(&server, "DescribeRouteTables");
    vpcs.sort();
    assert_eq!(vpcs, (1..=8).map(|number| Some(format!("vpc-{number}"))).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_empty_element_is_a_field_that_is_not_there() {
    let tables = TABLES.replace("<ownerId>111122223333</ownerId>", "<ownerId/>");
    let server = Ec2::new().with_set("DescribeRouteTables", &tables).start().await;
    assert_eq!(facts(&server).await.route_tables.get().unwrap()[0].owner, None);
}

#[tokio::test]
async fn a_region_without_a_dynamodb_list_is_not_believed() {
    let server = Ec2::new().with_set("DescribePrefixLists", "<prefixListSet/>").start().await;
    let gap = facts(&server).await.service_prefix_lists.gap().cloned();
    assert!(matches!(gap, Some(Gap::NotFound { .. })), "{gap:?}");
}

#[tokio::test]
async fn the_other_api_serves_where_the_first_is_denied() {
    let managed = "<prefixListSet><item><prefixListId>pl-ddb</prefixListId><ownerId>AWS</ownerId>
        <prefixListName>com.amazonaws.us-east-1.dynamodb</prefixListName></item></prefixListSet>";
    let denied = Ec2::new().with("DescribePrefixLists", refusal(403, "UnauthorizedOperation"));
    let server =
        denied.clone().with_set("DescribeManagedPrefixLists", &managed.replace("AWS", "111122223333")).start().await;
    assert!(facts(&server).await.service_prefix_lists.seen().is_none(), "a customer may give a list any name");
    let server = denied.clone().with_set("DescribeManagedPrefixLists", managed).start().await;
    let both = facts(&server).await;
    assert_eq!(both.service_prefix_lists.get().unwrap(), &["pl-ddb".into()]);
    assert_eq!(both.prefix_lists[&"pl-ddb".into()].get().unwrap().entries.len(), 1);

    let server = denied.with("DescribeManagedPrefixLists", refusal(403, "UnauthorizedOperation")).start().await;
    let neither = facts(&server).await;
    assert_eq!(
        neither.service_prefix_lists.gap(),
        Some(&Gap::Denied { action: "ec2:DescribePrefixLists".into() }),
        "the first refusal names the permission to give"
    );
}

#[tokio::test]
async fn endpoints_unknown_means_their_interfaces_were_not_looked_for() {
    let server = Ec2::new().with("DescribeVpcEndpoints", refusal(403, "UnauthorizedOperation")).start().await;
    let facts = facts(&server).await;
    assert_eq!(facts.vpc_endpoints.gap(), Some(&Gap::Denied { action: "ec2:DescribeVpcEndpoints".into() }));
    assert!(matches!(facts.endpoint_interfaces.gap(), Some(Gap::NotTried { .. })));
    assert!(facts.route_tables.seen().is_some(), "the rest is not lost");
}

/// The gap if DescribeRouteTables is answered with `steps`.
async fn gap_of(steps: Vec<Step>) -> Gap {
    let server = Ec2::new().with("DescribeRouteTables", steps).start().await;
    let facts = facts(&server).await;
    assert!(facts.vpc_endpoints.seen().is_some(), "the other calls are not to suffer");
    facts.route_tables.gap().expect("a gap").clone()
}

#[tokio::test]
async fn each_refusal_has_its_reason() {
    for (status, code, reason) in [
        (403, "UnauthorizedOperation", "denied"),
        (400, "AccessDenied", "denied"),
        (401, "AuthFailure", "credentials"),
        (400, "InvalidClientTokenId", "credentials"),
        (400, "RequestExpired", "credentials"),
        (400, "ExpiredToken", "credentials"),
        (503, "RequestLimitExceeded", "throttled"),
        (400, "Throttling", "throttled"),
        (503, "EC2ThrottledException", "throttled"),
        (400, "InvalidParameterValue", "failed"),
        (500, "InternalError", "failed"),
        (302, "Found", "redirected"),
    ] {
        let gap = gap_of(refusal(status, code)).await;
        assert_eq!(gap.reason(), reason, "{status} {code}: {gap}");
        if reason != "denied" && reason != "redirected" {
            assert!(gap.to_string().contains(code), "{gap}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_truncated() {
    let whole = document("DescribeRouteTables", TABLES);
    let gap = gap_of(answer(200, XML, &whole[..whole.len() / 2])).await;
    assert_eq!(gap.reason(), "truncated", "{gap}");
    assert!(gap.to_string().contains("breaks off"), "{gap}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_malformed() {
    for body in [
        "<html><body>Welcome</body></html>",
        "",
        "{}",
        &document("DescribeRouteTables", ""),
        &document("DescribeRouteTables", &TABLES.replace("10.0.0.0/16", "10.0.0.0/64")),
        &document(
            "DescribeRouteTables",
            &TABLES.replace("<destinationPrefixListId>pl-ddb</destinationPrefixListId>", ""),
        ),
        &document("DescribeRouteTables", &TABLES.replace("<routeTableId>rtb-1</routeTableId><vpcId>", "<vpcId>")),
        // Otherwise the main table would serve what the association names.
        &document("DescribeRouteTables", &TABLES.replace("<subnetId>subnet-1</subnetId>", "")),
        &document("DescribeRouteTables", &TABLES.replace("<subnetId>subnet-1</subnetId>", "<newKindId>x</newKindId>")),
        &document("DescribeRouteTables", &TABLES.replace("<subnetId>subnet-1<", "<subnetId>null<")),
        &document(
            "DescribeRouteTables",
            &TABLES.replace("<main>true</main><routeTableId>rtb-1<", "<main>true</main><routeTableId>rtb-9<"),
        ),
    ] {
        let gap = gap_of(answer(200, XML, body)).await;
        assert_eq!(gap.reason(), "malformed", "{body:.60}: {gap}");
    }
}

/// The requests for an action.
fn asked(server: &Server, action: &str) -> Vec<Request> {
    let requests = server.requests.lock().unwrap();
    requests.iter().filter(|request| parameter(request, "Action").as_deref() == Some(action)).cloned().collect()
}

/// The page sizes that the requests for an action asked for.
fn sizes(server: &Server, action: &str) -> Vec<String> {
    asked(server, action).iter().map(|request| parameter(request, "MaxResults").unwrap()).collect()
}

#[tokio::test]
async fn an_answer_of_two_mebibytes_is_read_and_not_one_more() {
    let whole = document("DescribeRouteTables", TABLES);
    for (length, reason, asked) in
        [(2 << 20, None, vec!["100"]), ((2 << 20) + 1, Some("over_limit"), vec!["100", "20", "5"])]
    {
        let body = whole.clone() + &" ".repeat(length - whole.len());
        let server = Ec2::new().with("DescribeRouteTables", answer(200, XML, &body)).start().await;
        let facts = facts(&server).await;
        assert_eq!(facts.route_tables.gap().map(Gap::reason), reason, "{:?}", facts.route_tables.gap());
        assert_eq!(sizes(&server, "DescribeRouteTables"), asked);
    }
}

#[tokio::test]
async fn where_a_page_is_too_long_all_is_asked_for_again_in_smaller_ones() {
    let whole = document("DescribeRouteTables", TABLES);
    let long = answer(200, XML, &(whole.clone() + &" ".repeat(2 << 20)));
    let ec2 = Ec2::new();
    let server = Server::plain(move |request| {
        match (parameter(request, "MaxResults").as_deref(), parameter(request, "NextToken").as_deref()) {
            (Some("100"), None) => long.clone(),
            (Some("20"), None) => good("DescribeRouteTables", &format!("{}<nextToken>20</nextToken>", TABLES)),
            (Some("20"), Some("20")) => long.clone(),
            (Some("5"), None) => good("DescribeRouteTables", TABLES),
            _ => ec2.answer(request),
        }
    })
    .await;
    let facts = facts(&server).await;
    assert_eq!(facts.route_tables.gap(), None);
    assert_eq!(sizes(&server, "DescribeRouteTables"), ["100", "20", "20", "5"]);
}

#[tokio::test]
async fn operations_with_large_pages_have_smaller_ones_too() {
    let whole = document("DescribeVpcEndpoints", NO_ENDPOINTS);
    let long = answer(200, XML, &(whole + &" ".repeat(2 << 20)));
    let server = Ec2::new().with("DescribeVpcEndpoints", long).start().await;
    assert_eq!(facts(&server).await.vpc_endpoints.gap().map(Gap::reason), Some("over_limit"));
    assert_eq!(sizes(&server, "DescribeVpcEndpoints"), ["1000", "100", "5"]);

    let long = answer(200, XML, &(document("DescribePrefixLists", BARE_LISTS) + &" ".repeat(2 << 20)));
    let server = Ec2::new().with("DescribePrefixLists", long).start().await;
    assert_eq!(facts(&server).await.service_prefix_lists.gap().map(Gap::reason), Some("over_limit"));
    let asked = asked(&server, "DescribePrefixLists");
    let sizes: Vec<_> = asked.iter().map(|request| parameter(request, "MaxResults")).collect();
    assert_eq!(sizes, [None, Some("20".to_owned()), Some("5".to_owned())], "all at first");
}

/// At most this number of requests is sent before the first answer.
#[tokio::test]
async fn the_entries_of_four_lists_are_asked_for_at_a_time() {
    let route = |list| {
        format!(
            "<item><destinationPrefixListId>pl-{list}</destinationPrefixListId><natGatewayId>nat-1</natGatewayId></item>"
        )
    };
    let routes: String = (1..=5).map(route).collect();
    let tables = format!(
        "<routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId><routeSet>{routes}</routeSet></item>\
         </routeTableSet>"
    );
    let ec2 = Ec2::new().with_set("DescribeRouteTables", &tables).with("GetManagedPrefixListEntries", vec![Step::Hang]);
    let server = ec2.start().await;
    let facts = facts_within(server.address, Duration::from_secs(2)).await;
    assert!((1..=5).all(|list| facts.prefix_lists[&format!("pl-{list}").into()].gap().is_some()));
    let requests = asked(&server, "GetManagedPrefixListEntries");
    let lists: BTreeSet<_> = requests.iter().map(|request| parameter(request, "PrefixListId")).collect();
    assert_eq!(lists.len(), 4, "{lists:?}");
}

#[tokio::test]
async fn one_request_names_two_hundred_interfaces() {
    for (count, expected) in [(200, vec![200]), (201, vec![200, 1])] {
        let ids: String = (1..=count).map(|number| format!("<item>eni-{number}</item>")).collect();
        let endpoints = format!(
            "<vpcEndpointSet><item><vpcEndpointId>vpce-2</vpcEndpointId><vpcEndpointType>Interface</vpcEndpointType>\
             <vpcId>vpc-1</vpcId><serviceName>com.amazonaws.us-east-1.dynamodb</serviceName><state>available</state>\
             <networkInterfaceIdSet>{ids}</networkInterfaceIdSet></item></vpcEndpointSet>"
        );
        let server = Ec2::new().with_set("DescribeVpcEndpoints", &endpoints).start().await;
        facts(&server).await;
        let requests = asked(&server, "DescribeNetworkInterfaces");
        let named: Vec<_> = requests.iter().map(|request| request.body.matches("=eni-").count()).collect();
        assert_eq!(named, expected);
    }
}

#[tokio::test]
async fn a_bad_route_is_named_by_table_and_field() {
    let gap = gap_of(good("DescribeRouteTables", &TABLES.replace("10.0.0.0/16", "10.0.0.0/64"))).await;
    let text = gap.to_string();
    assert!(text.contains("rtb-1") && text.contains("DestinationCidrBlock") && text.contains("10.0.0.0/64"), "{text}");
}

#[tokio::test]
async fn a_page_of_html_is_a_failure_and_names_the_status() {
    let gap = gap_of(answer(500, "text/html", "<html>oops</html>")).await;
    assert!(matches!(&gap, Gap::Failed { detail } if detail.contains("500")), "{gap:?}");
}

#[tokio::test]
async fn a_connection_cut_in_the_body_is_unreachable() {
    let cut = vec![Step::write(head(200, XML, 9999) + "<?xml"), Step::Close];
    let gap = gap_of(cut).await;
    assert_eq!(gap.reason(), "unreachable", "{gap:?}");
}

#[tokio::test]
async fn silence_is_a_timeout_well_within_the_default_deadline() {
    let began = Instant::now();
    let gap = gap_of(vec![Step::Hang]).await;
    assert_eq!(gap.reason(), "timed_out", "{gap:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_deadline_ends_every_call() {
    let silent = Server::plain(|_| vec![Step::Hang]).await;
    let facts = facts_within(silent.address, Duration::from_millis(300)).await;
    for gap in [facts.route_tables.gap(), facts.vpc_endpoints.gap(), facts.service_prefix_lists.gap()] {
        assert!(matches!(gap, Some(Gap::TimedOut { after }) if !after.as_duration().is_zero()), "{gap:?}");
    }
    assert!(facts.prefix_lists.is_empty());
}

#[tokio::test]
async fn a_refused_connection_is_unreachable_in_the_kernels_words() {
    let facts = facts_within(closed_port(), Duration::from_secs(10)).await;
    let gap = facts.route_tables.gap();
    assert!(matches!(gap, Some(Gap::Unreachable { detail }) if detail.contains("refused")), "{gap:?}");
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("none anywhere")))
    }
}

#[tokio::test]
async fn no_credentials_are_told_as_such() {
    let server = Ec2::new().start().await;
    let config = config(&format!("http://{}", server.address), &Authority::new(), NoCredentials);
    let (facts, _) = vpc_facts(&config, &"vpc-1".into(), "us-east-1", Instant::now() + Duration::from_secs(10)).await;
    assert_eq!(facts.route_tables.gap(), Some(&Gap::Credentials { detail: "none anywhere".into() }));
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn servers_are_verified_by_our_certificates() {
    let authority = Authority::new();
    let ec2 = Ec2::new();
    let server = Server::tls(authority.identity("localhost"), vec![], move |request| ec2.answer(request)).await;
    let url = format!("https://localhost:{}", server.address.port());
    let ask = async |roots: &Authority| {
        let config = config(&url, roots, keys());
        vpc_facts(&config, &"vpc-1".into(), "us-east-1", Instant::now() + Duration::from_secs(10)).await.0
    };
    assert!(ask(&authority).await.route_tables.seen().is_some());
    let strangers = ask(&Authority::new()).await;
    let gap = strangers.route_tables.gap();
    assert!(matches!(gap, Some(Gap::Unreachable { detail }) if detail.contains("certificate")), "{gap:?}");
}

async fn look(server: &Server, scope: Scope) -> Inventory {
    let config = config(&format!("http://{}", server.address), &Authority::new(), keys());
    inventory_of(&config, &scope, "us-east-1".into(), Instant::now() + Duration::from_secs(10)).await
}

fn subnets(inventory: &Inventory) -> Vec<&str> {
    inventory.subnets.get().unwrap().iter().map(|subnet| subnet.id.as_str()).collect()
}

fn asked_for_vpc(server: &Server, action: &str) -> Vec<Option<String>> {
    let requests = server.requests.lock().unwrap();
    let of_action = requests.iter().filter(|request| parameter(request, "Action").as_deref() == Some(action));
    of_action.map(|request| parameter(request, "Filter.1.Value.1")).collect()
}

#[tokio::test]
async fn an_inventory_of_everything_asks_for_no_vpc() {
    let server = Ec2::new().start().await;
    let all = look(&server, Scope::Everything).await;
    assert_eq!(subnets(&all), ["subnet-1", "subnet-2"]);
    let cidrs = &all.subnets.get().unwrap()[0].cidrs;
    assert_eq!(cidrs, &["10.0.0.0/24".parse().unwrap(), "2001:db8::/64".parse().unwrap()], "not the one that has gone");
    assert!(all.facts.route_tables.seen().is_some());
    assert_eq!(asked_for_vpc(&server, "DescribeRouteTables"), [None]);
    assert!(asked(&server, "DescribeRouteTables").iter().all(|request| !request.body.contains("Filter")));
}

#[tokio::test]
async fn what_a_subnet_has_instead_of_ipv4_is_read() {
    let special = SUBNETS
        .replace("<cidrBlock>10.1.0.0/24</cidrBlock>", "<ipv6Native>true</ipv6Native><enableDns64>true</enableDns64>");
    let server = Ec2::new().with_set("DescribeSubnets", &special).start().await;
    let all = look(&server, Scope::Everything).await;
    let of = |number: usize| {
        let subnet = &all.subnets.get().unwrap()[number];
        (subnet.ipv6_native, subnet.dns64)
    };
    assert_eq!((of(0), of(1)), ((false, None), (true, Some(true))), "the first does not say");
    assert!(all.unknown_ranges.is_empty(), "{:?}", all.unknown_ranges);
}

#[tokio::test]
async fn what_an_answer_leaves_out_of_a_subnet_is_not_known() {
    let lacking = SUBNETS.replace("<cidrBlock>10.1.0.0/24</cidrBlock>", "");
    let server = Ec2::new().with_set("DescribeSubnets", &lacking).start().await;
    let all = look(&server, Scope::Everything).await;
    let unknown: Vec<_> = all.unknown_ranges.iter().map(|(subnet, why)| format!("{subnet} {why}")).collect();
    assert_eq!(unknown, ["subnet-2 not found: EC2's answer has no CidrBlock"]);
    assert_eq!(all.subnets.get().unwrap()[1].dns64, None);
}

#[tokio::test]
async fn an_inventory_of_one_vpc_asks_for_it() {
    let server = Ec2::new().start().await;
    look(&server, Scope::Vpc("vpc-1".into())).await;
    assert_eq!(asked_for_vpc(&server, "DescribeRouteTables"), [Some("vpc-1".into())]);
    assert_eq!(asked_for_vpc(&server, "DescribeSubnets"), [Some("vpc-1".into())]);
}

#[tokio::test]
async fn an_inventory_around_a_subnet_is_that_of_its_vpc() {
    let server = Ec2::new().start().await;
    let around = look(&server, Scope::Subnet("subnet-2".into())).await;
    assert_eq!(subnets(&around), ["subnet-2"]);
    assert_eq!(asked_for_vpc(&server, "DescribeRouteTables"), [Some("vpc-2".into())]);

    let unknown = look(&server, Scope::Subnet("subnet-9".into())).await;
    assert_eq!(subnets(&unknown), ["subnet-1", "subnet-2"], "the known ones, to be named");
}

#[tokio::test]
async fn an_inventory_without_subnets_keeps_the_rest() {
    let server = Ec2::new().with("DescribeSubnets", refusal(403, "UnauthorizedOperation")).start().await;
    for scope in [Scope::Everything, Scope::Subnet("subnet-1".into())] {
        let inventory = look(&server, scope).await;
        assert!(matches!(inventory.subnets, Observed::Unseen(Gap::Denied { .. })));
        assert!(inventory.facts.route_tables.seen().is_some());
    }
}
