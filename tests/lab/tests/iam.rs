//! The lab's IAM engine, and the answers of its DynamoDB.

use crate::{
    Done, Test,
    lab::{
        Lab, Mode, World,
        iam::{
            Context, Decision, Denial, Kind, Policies, Policy, Request,
            matrix::{self, ENDPOINT_POLICY, GUARD, ROLE},
        },
        world::{DYNAMODB_LIST, Destination, Hop, Next, Target, VpcEndpoint},
    },
    named,
};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

pub(super) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&'static str, Test); 4] = [
        ("iam::every_request_of_the_matrix_is_decided_as_by_hand", every_request),
        ("iam::a_denial_has_the_documented_words", words),
        ("iam::what_the_engine_does_not_know_is_refused", refused),
        ("iam::the_world_says_through_which_endpoint_a_request_came", arrivals),
    ];
    let asked: [(&'static str, Test); 2] = [
        ("iam::dynamodb_answers_the_witness_questions_as_the_path_is", witness),
        ("iam::dynamodb_refuses_what_the_policies_of_the_world_deny", other_types),
    ];
    named(tests, true).into_iter().chain(named(asked, namespaces)).collect()
}

fn every_request() -> Done {
    let cases = matrix::cases();
    assert!(cases.len() > 600, "{}", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter(|case| matrix::answer_of(&case.decision()) != case.answer)
        .map(|case| format!("{}: {:?}, by hand {:?}", case.name, case.decision(), case.answer))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    Ok(())
}

/// The formats of AWS's page on access denied messages.
fn words() -> Done {
    let request = Request {
        principal: "arn:aws:sts::111122223333:assumed-role/onnet/i-0a".to_owned(),
        action: "dynamodb:DescribeTable".to_owned(),
        resource: "arn:aws:dynamodb:us-east-1:111122223333:table/onnet-witness.direct".to_owned(),
        context: Context::default(),
    };
    let start = "User: arn:aws:sts::111122223333:assumed-role/onnet/i-0a is not authorized to perform: \
                 dynamodb:DescribeTable on resource: arn:aws:dynamodb:us-east-1:111122223333:table/onnet-witness.direct";
    let arn = "arn:aws:iam::111122223333:policy/onnet-guard";
    for (by, explicit, policy, end) in [
        (Kind::Identity, false, None, "because no identity-based policy allows the dynamodb:DescribeTable action"),
        (Kind::Identity, true, None, "with an explicit deny in an identity-based policy"),
        (
            Kind::Identity,
            true,
            Some(arn),
            "with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/onnet-guard",
        ),
        (Kind::Endpoint, false, None, "because no VPC endpoint policy allows the dynamodb:DescribeTable action"),
        (Kind::Endpoint, true, None, "with an explicit deny in a VPC endpoint policy"),
        (Kind::Boundary, false, None, "because no permissions boundary allows the dynamodb:DescribeTable action"),
        (Kind::Boundary, true, None, "with an explicit deny in a permissions boundary"),
        (
            Kind::ServiceControl,
            false,
            None,
            "because no service control policy allows the dynamodb:DescribeTable action",
        ),
        (Kind::ServiceControl, true, None, "with an explicit deny in a service control policy"),
        (Kind::ResourceControl, true, None, "with an explicit deny in a resource control policy"),
        (Kind::Session, false, None, "because no session policy allows the dynamodb:DescribeTable action"),
        (Kind::Session, true, None, "with an explicit deny in a session policy"),
    ] {
        let denial = Denial { by, explicit, policy: policy.map(str::to_owned) };
        assert_eq!(denial.message(&request), format!("{start} {end}"));
    }
    let managed = Policies { identity: vec![Policy::managed(arn, GUARD)?], ..Policies::default() };
    let denial = Denial { by: Kind::Identity, explicit: true, policy: Some(arn.to_owned()) };
    let through = Request { context: Context::default().with("aws:SourceVpce", "vpce-0a"), ..request };
    assert_eq!(managed.decide(&through, Some("vpce-0a")), Decision::Denied(denial));
    Ok(())
}

fn refused() -> Done {
    let statement = |elements: &str| format!(r#"{{ "Version": "2012-10-17", "Statement": {{ {elements} }} }}"#);
    let good = r#""Effect": "Allow", "Action": "dynamodb:*", "Resource": "*""#;
    Policy::inline(&statement(good))?;
    for bad in [
        r#""Action": "dynamodb:*", "Resource": "*""#,
        r#""Effect": "allow", "Action": "dynamodb:*", "Resource": "*""#,
        r#""Effect": "Allow", "Resource": "*""#,
        r#""Effect": "Allow", "Action": "dynamodb:*""#,
        r#""Effect": "Allow", "Action": "DescribeTable", "Resource": "*""#,
        r#""Effect": "Allow", "Action": "dynamodb:*", "NotAction": "dynamodb:*", "Resource": "*""#,
        r#""Effect": "Allow", "Action": "dynamodb:*", "Resource": "table/Music""#,
        r#""Effect": "Allow", "Action": "dynamodb:*", "Resource": "arn:aws:dynamodb:*:${aws:SourceVpc}:table/a""#,
        &format!(r#"{good}, "Principal": {{ "AWS": "111122223333" }}"#),
        &format!(r#"{good}, "Conditions": {{}}"#),
        &format!(r#"{good}, "Condition": {{ "IpAddress": {{ "aws:SourceIp": "192.0.2.0/24" }} }}"#),
        &format!(r#"{good}, "Condition": {{ "ForSomeValues:StringEquals": {{ "aws:SourceVpc": "vpc-1" }} }}"#),
        &format!(r#"{good}, "Condition": {{ "Null": {{ "aws:SourceVpc": "yes" }} }}"#),
    ] {
        assert!(Policy::inline(&statement(bad)).is_err(), "{bad}");
    }
    assert!(Policy::inline(r#"{ "Version": "2020-01-01", "Statement": [] }"#).is_err());
    Ok(())
}

fn arrivals() -> Done {
    let nat = Ipv4Addr::new(172, 31, 32, 5);
    let other = VpcEndpoint { id: "vpce-0e".to_owned(), vpc: "vpc-0e".to_owned() };
    let own = |world: &World| VpcEndpoint { id: world.endpoints[0].id.clone(), vpc: world.vpc.clone() };
    // The instance's subnet goes through `target`; the second subnet has the main table, with or without an endpoint.
    let through = |world: World, target: Target| {
        let mut world = world.with_explicit_table("rtb-0e5b1a2c");
        world.route_tables[1].routes.retain(|route| route.target.id == "local");
        let everywhere = Destination::Cidr("0.0.0.0/0".parse()?);
        world.create_route("rtb-0e5b1a2c", everywhere, target).map_err(|refused| refused.message)?;
        Ok::<_, Failed>(world)
    };
    let on_net = World::on_net();
    let behind = |next: Next, source| Hop { id: "tgw-0a".to_owned(), source, next };
    let second = on_net.subnets[1].id.clone();
    let instance = on_net.interfaces[0].first_address().ok_or("an address")?;
    let same = |world: World| world;
    for (what, world, endpoint, source) in [
        ("an endpoint", same(World::on_net()), Some(own(&on_net)), instance),
        ("no endpoint", same(World::tutorial()), None, instance),
        (
            "a NAT gateway whose subnet has the endpoint",
            through(World::on_net(), Target::nat("nat-0a"))?.with_nat_gateway("nat-0a", &second, nat),
            Some(own(&on_net)),
            nat.into(),
        ),
        (
            "a NAT gateway whose subnet has none",
            through(World::tutorial(), Target::nat("nat-0a"))?.with_nat_gateway("nat-0a", &second, nat),
            None,
            nat.into(),
        ),
        ("a NAT gateway of which nothing is known", through(World::on_net(), Target::nat("nat-0a"))?, None, instance),
        (
            "an appliance that keeps the source address",
            through(World::on_net(), Target::gateway("tgw-0a"))?.with_hop(behind(Next::Subnet(second.clone()), None)),
            Some(own(&on_net)),
            instance,
        ),
        (
            "another VPC's endpoint, behind NAT",
            through(World::on_net(), Target::gateway("tgw-0a"))?
                .with_hop(behind(Next::Endpoint(other.clone()), Some(nat))),
            Some(other.clone()),
            nat.into(),
        ),
        (
            "another VPC's endpoint, by peering",
            through(World::on_net(), Target::gateway("pcx-0a"))?.with_hop(Hop {
                id: "pcx-0a".to_owned(),
                source: None,
                next: Next::Endpoint(other.clone()),
            }),
            Some(other.clone()),
            instance,
        ),
    ] {
        let arrival = world.arrival(&world.interfaces[0], instance, world.dynamodb_addresses[0]);
        assert_eq!((arrival.endpoint, arrival.source), (endpoint, source), "{what}");
    }
    // The instance's route table sends everything to the NAT gateway, whose subnet has only the endpoint.
    let world = through(World::on_net().isolated(), Target::nat("nat-0a"))?.with_nat_gateway("nat-0a", &second, nat);
    let arrives: Vec<String> = world
        .forwarding(&world.interfaces[0])
        .into_iter()
        .filter(|(_, arrives)| *arrives)
        .map(|(range, _)| range.to_string())
        .collect();
    let list = world.prefix_lists.iter().find(|list| list.id == DYNAMODB_LIST).ok_or("DynamoDB's list")?;
    let mut expected: Vec<String> = list.cidrs.iter().map(ToString::to_string).collect();
    expected.sort_by_key(|cidr| cidr.parse::<ipnet::IpNet>().ok());
    assert_eq!(arrives, expected);
    Ok(())
}

/// DynamoDB's answer about a table: the error's name and message, or `200`.
fn describe(lab: &Lab, table: &str) -> Result<String, Failed> {
    let answer = lab.ask_dynamodb("DescribeTable", &json!({ "TableName": table }).to_string())?;
    Ok(match answer {
        Ok(body) => {
            let body: Value = serde_json::from_str(&body)?;
            assert_eq!(body["Table"]["TableName"], table, "{body}");
            "200".to_owned()
        }
        Err(body) => {
            let body: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
            let name = body["__type"].as_str().and_then(|name| name.rsplit('#').next()).unwrap_or_default();
            let message = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default();
            format!("{name}: {message}")
        }
    })
}

const NOT_FOUND: &str = "ResourceNotFoundException: Requested resource not found: Table: ";
const ONE_ROLE: &str = "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/onnet/i-0123456789abcdef0 is not \
                        authorized to perform: dynamodb:";

fn witness() -> Done {
    let world = World::on_net().with_role_policies([Policy::inline(ROLE)?, Policy::inline(GUARD)?]);
    let (endpoint, second) = (world.endpoints[0].id.clone(), world.subnets[1].id.clone());
    let lab = Lab::start(world, Mode::Namespaces)?;
    let questions = [
        "onnet-witness.vpc.vpc-0bbc736e".to_owned(),
        "onnet-witness.from.172.31.16.10".to_owned(),
        format!("onnet-witness.endpoint.{endpoint}"),
        "onnet-witness.direct".to_owned(),
    ];
    let asked = |what: &str, expected: [&str; 4]| -> Done {
        for (table, expected) in questions.iter().zip(expected) {
            let answer = describe(&lab, table)?;
            let expected = match expected {
                "yes" => format!("{NOT_FOUND}{table} not found"),
                because => format!(
                    "{ONE_ROLE}DescribeTable on resource: arn:aws:dynamodb:us-east-1:111122223333:table/{table} {because}"
                ),
            };
            assert_eq!(answer, expected, "{what}");
        }
        Ok(())
    };
    let no = "because no identity-based policy allows the dynamodb:DescribeTable action";
    let deny = "with an explicit deny in an identity-based policy";
    asked("through the endpoint", ["yes", "yes", "yes", deny])?;
    assert_eq!(describe(&lab, "Music")?.rsplit_once(" because ").ok_or("a denial")?.1, &no["because ".len()..]);

    let nat = Ipv4Addr::new(172, 31, 32, 5);
    lab.edit(|world| {
        *world = world.clone().with_explicit_table("rtb-0e5b1a2c").with_nat_gateway("nat-0a", &second, nat);
        let everywhere = Destination::Cidr("0.0.0.0/0".parse().unwrap());
        world.delete_route("rtb-0e5b1a2c", &everywhere).unwrap();
        world.create_route("rtb-0e5b1a2c", everywhere, Target::nat("nat-0a")).unwrap();
    });
    asked("through NAT, then the endpoint", ["yes", deny, "yes", deny])?;

    lab.edit(|world| world.delete_endpoint(&endpoint).unwrap());
    asked("through NAT and no endpoint", [deny, deny, no, "yes"])?;

    lab.edit(|world| world.tables.push("onnet-witness.direct".to_owned()));
    assert_eq!(describe(&lab, "onnet-witness.direct")?, "200");
    let log: Vec<String> = lab.requests().into_iter().map(|seen| seen.what).collect();
    assert!(log.contains(&"DescribeTable onnet-witness.direct".to_owned()), "{log:?}");
    Ok(())
}

fn other_types() -> Done {
    let lab = Lab::start(World::on_net().with_role_policies([Policy::inline(ROLE)?]), Mode::Namespaces)?;
    let endpoint = lab.world().endpoints[0].id.clone();
    let because = |answer: &str| {
        let at = [" because ", " with an "].iter().find_map(|start| answer.find(start));
        at.map_or_else(|| answer.to_owned(), |at| answer[at + 1..].to_owned())
    };
    let mut answers = Vec::new();
    let table = "onnet-witness.vpc.vpc-0bbc736e";
    let nothing = r#"{ "Version": "2012-10-17", "Statement":
        { "Effect": "Allow", "Principal": "*", "Action": "dynamodb:GetItem", "Resource": "*" } }"#;
    let [none, deny] = [nothing.to_owned(), nothing.replace("Allow", "Deny").replace("GetItem", "*")]
        .map(|text| Policy::inline(&text).unwrap());
    type Change<'a> = &'a dyn Fn(&mut Policies);
    let changes: [(&str, Change<'_>); 8] = [
        ("onnet's statements", &|policies| {
            policies.endpoint.insert(endpoint.clone(), Policy::inline(ENDPOINT_POLICY).unwrap());
        }),
        ("a restrictive endpoint policy", &|policies| {
            policies.endpoint.insert(endpoint.clone(), none.clone());
        }),
        ("an endpoint policy that denies", &|policies| {
            policies.endpoint.insert(endpoint.clone(), deny.clone());
        }),
        ("a boundary", &|policies| policies.boundary = Some(none.clone())),
        ("an SCP", &|policies| policies.service_control = vec![vec![none.clone()]]),
        ("an RCP", &|policies| policies.resource_control = vec![deny.clone()]),
        ("a session policy", &|policies| policies.session = Some(none.clone())),
        ("no policy at all", &|policies| policies.identity.clear()),
    ];
    for (what, change) in changes {
        let before = lab.world().policies.clone();
        change(&mut lab.world().policies);
        answers.push((what, because(&describe(&lab, table)?), lab.ask_dynamodb("ListTables", "{}")?.is_ok()));
        lab.world().policies = before;
    }
    let no = |kind: &str| format!("because no {kind} allows the dynamodb:DescribeTable action");
    assert_eq!(
        answers,
        [
            ("onnet's statements", format!("{NOT_FOUND}{table} not found"), true),
            ("a restrictive endpoint policy", no("VPC endpoint policy"), false),
            ("an endpoint policy that denies", "with an explicit deny in a VPC endpoint policy".to_owned(), false),
            ("a boundary", no("permissions boundary"), false),
            ("an SCP", no("service control policy"), false),
            ("an RCP", "with an explicit deny in a resource control policy".to_owned(), false),
            ("a session policy", no("session policy"), false),
            ("no policy at all", no("identity-based policy"), false),
        ]
    );
    assert!(describe(&lab, "a")?.starts_with("ValidationException: "), "a name of one character");
    Ok(())
}
