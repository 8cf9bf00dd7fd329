//! The EC2 API's query protocol: forms in, XML out, with the element names of API version 2016-11-15.

mod gates;

use super::{
    fakes::http::{Request, Response},
    faults::Fault,
    services::Shared,
    world::{AssociatedWith, Destination, Endpoint, PrefixList, Refused, RouteTable, Target, World},
};
use ipnet::{IpNet, Ipv6Net};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

pub type Parameters = BTreeMap<String, String>;

/// The form of a request.
pub fn parameters(body: &str) -> Parameters {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

pub fn answer(shared: &Shared, request: &Request, fault: Option<Fault>) -> Response {
    let parameters = parameters(&request.body);
    let action = parameters.get("Action").map(String::as_str).unwrap_or_default();
    let denied = shared.switchboard.is_denied(action) || fault == Some(Fault::Denied);
    match fault {
        Some(Fault::Throttle) => return throttled(),
        Some(Fault::BadCredentials) => {
            return error(401, "AuthFailure", "AWS was not able to validate the provided access credentials");
        }
        Some(Fault::Garbage) => {
            return Response::new(200, "text/xml;charset=UTF-8", format!("<{action}Response><routeTableSet><item <"));
        }
        _ if request.header("authorization").is_none() => {
            return error(401, "MissingAuthenticationToken", "Request is missing Authentication Token");
        }
        _ if denied => {
            let message = format!(
                "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/onnet is not authorized to perform: ec2:{action} because no identity-based policy allows the ec2:{action} action"
            );
            return error(403, "UnauthorizedOperation", &message);
        }
        _ => {}
    }
    performed(&mut shared.world(), &parameters)
}

pub fn throttled() -> Response {
    error(503, "RequestLimitExceeded", "Request limit exceeded.")
}

/// Answers a request that is allowed.
pub fn performed(world: &mut World, parameters: &Parameters) -> Response {
    let action = parameters.get("Action").map(String::as_str).unwrap_or_default();
    match perform(world, action, parameters) {
        Ok(body) => {
            let body = world.omits.iter().fold(body, |body, element| without(&body, element));
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response \
                 xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{REQUEST_ID}</requestId>{body}</{action}Response>"
            );
            Response::new(200, "text/xml;charset=UTF-8", text)
        }
        Err(Refused { code, message }) => error(400, code, &message),
    }
}

const REQUEST_ID: &str = "59dbff89-35bd-4eac-99ed-be587example";

fn error(status: u16, code: &str, message: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{}</Message>\
         </Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>",
        escape(message)
    );
    Response::new(status, "text/xml;charset=UTF-8", text)
}

fn perform(world: &mut World, action: &str, parameters: &Parameters) -> Result<String, Refused> {
    let call = Form(parameters);
    match action {
        "DescribeRouteTables" => describe_route_tables(world, &call),
        "DescribeVpcEndpoints" => describe_vpc_endpoints(world, &call),
        "DescribePrefixLists" => describe_prefix_lists(world, &call),
        "DescribeManagedPrefixLists" => describe_managed_prefix_lists(world, &call),
        "GetManagedPrefixListEntries" => get_managed_prefix_list_entries(world, &call),
        "DescribeNetworkInterfaces" => describe_network_interfaces(world, &call),
        "DescribeSubnets" => describe_subnets(world, &call),
        "DescribeVpcs" => describe_vpcs(world, &call),
        "DescribeSecurityGroups" => gates::describe_security_groups(world, &call),
        "DescribeNetworkAcls" => gates::describe_network_acls(world, &call),
        "DescribeVpcBlockPublicAccessExclusions" => gates::describe_exclusions(world, &call),
        "DescribeNatGateways" => gates::describe_nat_gateways(world, &call),
        "DescribeVpcAttribute" => gates::describe_vpc_attribute(world, &call),
        "CreateVpcEndpoint" => create_vpc_endpoint(world, &call),
        "ModifyVpcEndpoint" => {
            let (add, remove) = (call.list("AddRouteTableId"), call.list("RemoveRouteTableId"));
            let id = call.required("VpcEndpointId")?;
            world.modify_endpoint(id, &add, &remove)?;
            set_types(world, id, &call)?;
            Ok(done())
        }
        "DeleteVpcEndpoints" => {
            for id in call.list("VpcEndpointId") {
                world.delete_endpoint(&id)?;
            }
            Ok("<unsuccessful/>".to_owned())
        }
        "CreateRoute" => {
            world.create_route(call.required("RouteTableId")?, call.destination()?, call.target()?)?;
            Ok(done())
        }
        "DeleteRoute" => {
            world.delete_route(call.required("RouteTableId")?, &call.destination()?)?;
            Ok(done())
        }
        "AssociateRouteTable" => {
            let id = world.associate(call.required("RouteTableId")?, call.required("SubnetId")?)?;
            Ok(leaf("associationId", &id) + "<associationState><state>associated</state></associationState>")
        }
        "DisassociateRouteTable" => {
            world.disassociate(call.required("AssociationId")?)?;
            Ok(done())
        }
        _ => {
            let message = format!("The action {action} is not valid for this web service.");
            Err(Refused { code: "InvalidAction", message })
        }
    }
}

fn done() -> String {
    leaf("return", "true")
}

/// A request's parameters, by the shapes they come in.
struct Form<'a>(&'a Parameters);

impl Form<'_> {
    fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn required(&self, name: &str) -> Result<&str, Refused> {
        let message = || format!("The request must contain the parameter {name}");
        self.optional(name).ok_or_else(|| Refused { code: "MissingParameter", message: message() })
    }

    /// `RouteTableId.1`, `RouteTableId.2`, …
    fn list(&self, name: &str) -> Vec<String> {
        (1..).map_while(|n| self.0.get(&format!("{name}.{n}")).cloned()).collect()
    }

    /// `Filter.1.Name` with `Filter.1.Value.1`, …; values of one filter are alternatives.
    fn filters(&self) -> Vec<(String, Vec<String>)> {
        let filter =
            |n| Some((self.0.get(&format!("Filter.{n}.Name"))?.clone(), self.list(&format!("Filter.{n}.Value"))));
        (1..).map_while(filter).collect()
    }

    fn destination(&self) -> Result<Destination, Refused> {
        if let Some(list) = self.optional("DestinationPrefixListId") {
            return Ok(Destination::List(list.to_owned()));
        }
        let v6 = self.optional("DestinationIpv6CidrBlock");
        let cidr = v6.map_or_else(|| self.required("DestinationCidrBlock"), Ok)?;
        let net: Result<IpNet, _> = cidr.parse();
        net.map(|net| Destination::Cidr(net.trunc())).map_err(|_| Refused {
            code: "InvalidParameterValue",
            message: format!(
                "Value ({cidr}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
            ),
        })
    }

    fn target(&self) -> Result<Target, Refused> {
        let kinds = [
            ("GatewayId", "gatewayId"),
            ("VpcEndpointId", "gatewayId"),
            ("NatGatewayId", "natGatewayId"),
            ("TransitGatewayId", "transitGatewayId"),
            ("NetworkInterfaceId", "networkInterfaceId"),
            ("VpcPeeringConnectionId", "vpcPeeringConnectionId"),
            ("EgressOnlyInternetGatewayId", "egressOnlyInternetGatewayId"),
        ];
        let given = kinds.iter().find_map(|(name, field)| Some(Target { field, id: self.optional(name)?.to_owned() }));
        given.ok_or_else(|| Refused { code: "MissingParameter", message: "The request must contain a target".into() })
    }

    /// Those of `items` that pass every filter and id list. `values` gives what a filter compares; `None`: no such filter.
    fn select<'i, T>(
        &self,
        items: &'i [T],
        (ids, id_filter): (&str, &str),
        values: impl Fn(&T, &str) -> Option<Vec<String>>,
        known: &[&str],
    ) -> Result<Vec<&'i T>, Refused> {
        let mut filters = self.filters();
        if let Some((name, _)) = filters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(Refused { code: "InvalidParameterValue", message: format!("The filter '{name}' is invalid") });
        }
        let ids = self.list(ids);
        if !ids.is_empty() {
            filters.push((id_filter.to_owned(), ids));
        }
        let passes = |item: &&T| {
            let agrees = |(name, wanted): &(String, Vec<String>)| {
                values(item, name).unwrap_or_default().iter().any(|value| wanted.iter().any(|one| matches(one, value)))
            };
            filters.iter().all(agrees)
        };
        Ok(items.iter().filter(passes).collect())
    }

    /// One page of `items` as a set element, and the token of the next page where there is one.
    fn page<T>(&self, world: &World, set: &str, items: &[T], xml: impl Fn(&T) -> String) -> Result<String, Refused> {
        let number = |name: &str| self.optional(name).map(str::parse::<usize>).transpose();
        let invalid =
            |_| Refused { code: "InvalidParameterValue", message: "MaxResults or NextToken is invalid".into() };
        let start = number("NextToken").map_err(invalid)?.unwrap_or(0).min(items.len());
        let size = number("MaxResults").map_err(invalid)?.unwrap_or(usize::MAX).min(world.page_size).max(1);
        let end = (start + size).min(items.len());
        let more = if end < items.len() { leaf("nextToken", &end.to_string()) } else { String::new() };
        Ok(list(set, &items[start..end], xml) + &more)
    }
}

/// A filter's value may hold `*`, as in `com.amazonaws.*.dynamodb`.
fn matches(pattern: &str, value: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == value,
        Some((head, tail)) => value.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(tail, &rest[at..]))
        }),
    }
}

/// As of an Automated Internet Firewall that inspects a route's traffic.
const FIREWALL: &str = "<igwFirewall><firewallArn>arn:aws:network-firewall:us-east-1:111122223333:firewall/lab</firewallArn>\
                        <status>complete</status></igwFirewall>";

fn describe_route_tables(world: &mut World, call: &Form<'_>) -> Result<String, Refused> {
    if let Some(left) = world.lagging_answers.checked_sub(1) {
        world.lagging_answers = left;
        let mut older = world.clone();
        older.lagging_answers = 0;
        for table in &mut older.route_tables {
            table.routes.retain(|route| !route.target.id.starts_with("vpce-"));
        }
        return describe_route_tables(&mut older, call);
    }
    let values = |table: &RouteTable, filter: &str| {
        let subnets = table.associations.iter().filter_map(|one| match &one.with {
            AssociatedWith::Subnet(id) => Some(id.clone()),
            AssociatedWith::Main => None,
        });
        Some(match filter {
            "vpc-id" => vec![world.vpc.clone()],
            "route-table-id" => vec![table.id.clone()],
            "association.subnet-id" => subnets.collect(),
            "association.main" => {
                table.associations.iter().map(|one| (one.with == AssociatedWith::Main).to_string()).collect()
            }
            "owner-id" => vec![world.account.clone()],
            _ => return None,
        })
    };
    let known = ["vpc-id", "route-table-id", "association.subnet-id", "association.main", "owner-id"];
    let found = call.select(&world.route_tables, ("RouteTableId", "route-table-id"), values, &known)?;
    call.page(world, "routeTableSet", &found, |table| {
        let associations = list("associationSet", &table.associations, |association| {
            let (main, subnet) = match &association.with {
                AssociatedWith::Main => ("true", String::new()),
                AssociatedWith::Subnet(id) => ("false", leaf("subnetId", id)),
            };
            leaf("routeTableAssociationId", &association.id)
                + &leaf("routeTableId", &table.id)
                + &subnet
                + &leaf("main", main)
                + "<associationState><state>associated</state></associationState>"
        });
        let routes = list("routeSet", &table.routes, |route| {
            let destination = match &route.destination {
                Destination::Cidr(IpNet::V4(cidr)) => leaf("destinationCidrBlock", &cidr.to_string()),
                Destination::Cidr(IpNet::V6(cidr)) => leaf("destinationIpv6CidrBlock", &cidr.to_string()),
                Destination::List(id) => leaf("destinationPrefixListId", id),
            };
            destination
                + &leaf(route.target.field, &route.target.id)
                + &leaf("state", route.state)
                + if world.internet_firewall && route.target.id.starts_with("igw-") { FIREWALL } else { "" }
                + &leaf("origin", route.origin)
        });
        leaf("routeTableId", &table.id)
            + &leaf("vpcId", &world.vpc)
            + &leaf("ownerId", &world.account)
            + &routes
            + &associations
            + "<propagatingVgwSet/><tagSet/>"
    })
}

fn describe_vpc_endpoints(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let values = |endpoint: &Endpoint, filter: &str| {
        Some(vec![match filter {
            "vpc-id" => world.vpc.clone(),
            "vpc-endpoint-id" => endpoint.id.clone(),
            "service-name" => endpoint.service.clone(),
            "vpc-endpoint-type" => endpoint.kind.clone(),
            "vpc-endpoint-state" => endpoint.state.clone(),
            _ => return None,
        }])
    };
    let known = ["vpc-id", "vpc-endpoint-id", "service-name", "vpc-endpoint-type", "vpc-endpoint-state"];
    let found = call.select(&world.endpoints, ("VpcEndpointId", "vpc-endpoint-id"), values, &known)?;
    call.page(world, "vpcEndpointSet", &found, |endpoint| endpoint_xml(world, endpoint))
}

const POLICY: &str =
    r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

fn endpoint_xml(world: &World, endpoint: &Endpoint) -> String {
    let ids = |set, ids: Vec<String>| list(set, &ids, |id| escape(id).into_owned());
    let policy = world.policies.endpoint.get(&endpoint.id);
    let policy = policy.map_or_else(|| POLICY.to_owned(), |policy| policy.document.to_string());
    leaf("vpcEndpointId", &endpoint.id)
        + &leaf("vpcEndpointType", &endpoint.kind)
        + &leaf("vpcId", &world.vpc)
        + &leaf("serviceName", &endpoint.service)
        + &world.service_regions.get(&endpoint.id).map(|region| leaf("serviceRegion", region)).unwrap_or_default()
        + &leaf("state", &endpoint.state)
        + &leaf("policyDocument", &policy)
        + &ids("routeTableIdSet", endpoint.route_tables.clone())
        + &ids("subnetIdSet", endpoint.interfaces.iter().map(|eni| eni.subnet.clone()).collect())
        + "<groupSet/>"
        // Real answers have it true of gateway endpoints too: it tells nothing of the type.
        + &leaf("privateDnsEnabled", "true")
        + &leaf("requesterManaged", "false")
        + &ids("networkInterfaceIdSet", endpoint.interfaces.iter().map(|eni| eni.id.clone()).collect())
        + &endpoint.address_type.as_ref().map(|kind| leaf("ipAddressType", kind)).unwrap_or_default()
        + &endpoint.record_type.as_ref().map(|kind| dns_options(kind)).unwrap_or_default()
        + "<dnsEntrySet/>"
        + &leaf("creationTimestamp", "2026-01-01T00:00:00.000Z")
        + "<tagSet/>"
        + &leaf("ownerId", &world.account)
}

fn dns_options(record_type: &str) -> String {
    format!("<dnsOptions>{}</dnsOptions>", leaf("dnsRecordIpType", record_type))
}

fn describe_prefix_lists(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    // The lists of AWS's services only.
    let lists: Vec<PrefixList> = world.prefix_lists.iter().filter(|list| list.owner == "AWS").cloned().collect();
    let known = ["prefix-list-id", "prefix-list-name"];
    let found = call.select(&lists, ("PrefixListId", "prefix-list-id"), list_values, &known)?;
    call.page(world, "prefixListSet", &found, |one| {
        leaf("prefixListId", &one.id)
            + &leaf("prefixListName", &one.name)
            + &list("cidrSet", &one.cidrs, |cidr| cidr.to_string())
    })
}

fn list_values(list: &PrefixList, filter: &str) -> Option<Vec<String>> {
    Some(vec![match filter {
        "prefix-list-id" => list.id.clone(),
        "prefix-list-name" => list.name.clone(),
        "owner-id" => list.owner.clone(),
        _ => return None,
    }])
}

fn describe_managed_prefix_lists(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let known = ["prefix-list-id", "prefix-list-name", "owner-id"];
    let found = call.select(&world.prefix_lists, ("PrefixListId", "prefix-list-id"), list_values, &known)?;
    call.page(world, "prefixListSet", &found, |one| {
        let arn_owner = one.owner.to_lowercase();
        let arn = format!("arn:aws:ec2:{}:{arn_owner}:prefix-list/{}", world.region, one.id);
        // AWS's own lists carry neither a version nor a maximum. The entries of the others are kept by an IPAM resolver.
        let versioned = match one.owner.as_str() {
            "AWS" => String::new(),
            _ => {
                leaf("version", "1")
                    + &leaf("maxEntries", "20")
                    + &leaf("ipamPrefixListResolverTargetId", "ipam-resolver-target-0123456789abcdef0")
                    + &leaf("ipamPrefixListResolverSyncEnabled", "true")
            }
        };
        leaf("prefixListId", &one.id)
            + &leaf("prefixListName", &one.name)
            + &leaf("prefixListArn", &arn)
            + &leaf("addressFamily", if one.cidrs.iter().any(|cidr| cidr.addr().is_ipv6()) { "IPv6" } else { "IPv4" })
            + &leaf("state", "create-complete")
            + &leaf("ownerId", &one.owner)
            + &versioned
            + "<tagSet/>"
    })
}

fn get_managed_prefix_list_entries(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let id = call.required("PrefixListId")?;
    let Some(found) = world.prefix_lists.iter().find(|list| list.id == id) else {
        let message = format!("The prefix list ID '{id}' does not exist.");
        return Err(Refused { code: "InvalidPrefixListID.NotFound", message });
    };
    call.page(world, "entrySet", &found.cidrs, |cidr| leaf("cidr", &cidr.to_string()) + "<description/>")
}

/// A network interface of the VPC, whatever it belongs to.
struct NetworkInterface {
    id: String,
    subnet: String,
    address: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
    kind: &'static str,
    mac: String,
}

fn describe_network_interfaces(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let own = world.all_interfaces().map(|interface| NetworkInterface {
        id: interface.id.clone(),
        subnet: interface.subnet.clone(),
        address: interface.address,
        ipv6: interface.ipv6,
        kind: "interface",
        mac: interface.mac_text(),
    });
    let endpoints = world.endpoints.iter().flat_map(|endpoint| &endpoint.interfaces).map(|eni| NetworkInterface {
        id: eni.id.clone(),
        subnet: eni.subnet.clone(),
        address: Some(eni.address),
        ipv6: None,
        kind: "vpc_endpoint",
        mac: "06:00:00:00:01:01".to_owned(),
    });
    let all: Vec<NetworkInterface> = own.chain(endpoints).collect();
    let asked = call.list("NetworkInterfaceId");
    if let Some(unknown) = asked.iter().find(|id| !all.iter().any(|one| one.id == **id)) {
        let message = format!("The networkInterface ID '{unknown}' does not exist");
        return Err(Refused { code: "InvalidNetworkInterfaceID.NotFound", message });
    }
    let values = |one: &NetworkInterface, filter: &str| {
        Some(vec![match filter {
            "vpc-id" => world.vpc.clone(),
            "network-interface-id" => one.id.clone(),
            "subnet-id" => one.subnet.clone(),
            "interface-type" => one.kind.to_owned(),
            _ => return None,
        }])
    };
    let known = ["vpc-id", "network-interface-id", "subnet-id", "interface-type"];
    let found = call.select(&all, ("NetworkInterfaceId", "network-interface-id"), values, &known)?;
    call.page(world, "networkInterfaceSet", &found, |one| {
        let address = one.address.map(|address| leaf("privateIpAddress", &address.to_string())).unwrap_or_default();
        let addresses = match one.address {
            Some(_) => format!("<item>{address}<primary>true</primary></item>"),
            None => String::new(),
        };
        let addresses = format!("<privateIpAddressesSet>{addresses}</privateIpAddressesSet>");
        leaf("networkInterfaceId", &one.id)
            + &leaf("subnetId", &one.subnet)
            + &leaf("vpcId", &world.vpc)
            + &leaf("ownerId", &world.account)
            + &leaf("requesterManaged", if one.kind == "vpc_endpoint" { "true" } else { "false" })
            + &leaf("status", "in-use")
            + &leaf("macAddress", &one.mac)
            + &address
            + &leaf("interfaceType", one.kind)
            + &addresses
            + &leaf("availabilityZone", &format!("{}a", world.region))
            + &leaf("sourceDestCheck", "true")
            + "<description/><groupSet/>"
            + &set_of("ipv6AddressesSet", one.ipv6.map(|address| leaf("ipv6Address", &address.to_string())))
            + "<tagSet/>"
    })
}

fn describe_subnets(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let values = |subnet: &super::world::Subnet, filter: &str| {
        Some(vec![match filter {
            "vpc-id" => world.vpc.clone(),
            "subnet-id" => subnet.id.clone(),
            _ => return None,
        }])
    };
    let found = call.select(&world.subnets, ("SubnetId", "subnet-id"), values, &["vpc-id", "subnet-id"])?;
    let firewall = if world.internet_firewall {
        leaf("networkFirewallConnectivityType", world.gates.connectivity)
    } else {
        String::new()
    };
    let public_access = leaf("internetGatewayBlockMode", world.gates.public_access);
    call.page(world, "subnetSet", &found, |subnet| {
        leaf("subnetId", &subnet.id)
            + &leaf("vpcId", &world.vpc)
            + &leaf("ownerId", &world.account)
            + &subnet.cidr.map(|range| leaf("cidrBlock", &range.to_string())).unwrap_or_default()
            + &leaf("availabilityZone", &format!("{}{}", world.region, subnet.zone))
            + &leaf("availabilityZoneId", if subnet.zone == 'a' { "use1-az1" } else { "use1-az2" })
            + &leaf("availableIpAddressCount", "4089")
            + &leaf("defaultForAz", "true")
            + &leaf("mapPublicIpOnLaunch", "true")
            + &leaf("assignIpv6AddressOnCreation", &subnet.ipv6.is_some().to_string())
            + &leaf("ipv6Native", &subnet.cidr.is_none().to_string())
            + &leaf("enableDns64", &subnet.dns64.to_string())
            + &leaf("subnetArn", &format!("arn:aws:ec2:{}:{}:subnet/{}", world.region, world.account, subnet.id))
            + &leaf("state", "available")
            + &format!("<blockPublicAccessStates>{public_access}</blockPublicAccessStates>")
            + &firewall
            + &set_of("ipv6CidrBlockAssociationSet", subnet.ipv6.map(|range| ipv6_range("subnet-cidr-assoc-0", range)))
            + "<tagSet/>"
    })
}

fn describe_vpcs(world: &World, call: &Form<'_>) -> Result<String, Refused> {
    let vpcs = [world.vpc.clone()];
    let values = |vpc: &String, filter: &str| (filter == "vpc-id").then(|| vec![vpc.clone()]);
    let found = call.select(&vpcs, ("VpcId", "vpc-id"), values, &["vpc-id"])?;
    call.page(world, "vpcSet", &found, |vpc| {
        let cidr = leaf("cidrBlock", &world.vpc_cidr.to_string());
        let state = "<cidrBlockState><state>associated</state></cidrBlockState>";
        let of_vpc = |range: &Ipv6Net| ipv6_range("vpc-cidr-assoc-0", *range);
        leaf("vpcId", vpc)
            + &leaf("ownerId", &world.account)
            + &cidr
            + &format!("<cidrBlockAssociationSet><item>{cidr}{state}</item></cidrBlockAssociationSet>")
            + &world.vpc_ipv6.map(|range| list("ipv6CidrBlockAssociationSet", &[range], of_vpc)).unwrap_or_default()
            + &leaf("isDefault", "true")
            + &leaf("state", "available")
    })
}

/// A range of IPv6, as of a subnet or a VPC.
fn ipv6_range(association: &str, range: Ipv6Net) -> String {
    leaf("associationId", association)
        + &leaf("ipv6CidrBlock", &range.to_string())
        + "<ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState>"
}

fn create_vpc_endpoint(world: &mut World, call: &Form<'_>) -> Result<String, Refused> {
    let vpc = call.required("VpcId")?;
    if vpc != world.vpc {
        return Err(Refused { code: "InvalidVpcId.NotFound", message: format!("The Vpc Id {vpc} does not exist") });
    }
    let kind = call.optional("VpcEndpointType").unwrap_or("Gateway");
    let id = world.create_endpoint(kind, call.required("ServiceName")?, &call.list("RouteTableId"))?;
    set_types(world, &id, call)?;
    let endpoint = world.endpoint(&id)?;
    Ok(format!("<vpcEndpoint>{}</vpcEndpoint>", endpoint_xml(world, endpoint)))
}

/// The address families of an endpoint, and the records of its service's names, where the call has them.
fn set_types(world: &mut World, id: &str, call: &Form<'_>) -> Result<(), Refused> {
    if let Some(kind) = call.optional("IpAddressType") {
        world.set_address_type(id, kind)?;
    }
    if let Some(kind) = call.optional("DnsOptions.DnsRecordIpType") {
        world.set_record_type(id, kind)?;
    }
    Ok(())
}

/// XML without any element of this name; none lies within another.
fn without(xml: &str, name: &str) -> String {
    let (empty, open, close) = (format!("<{name}/>"), format!("<{name}>"), format!("</{name}>"));
    let mut parts = xml.split(&open);
    let head = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(&close).map_or(part, |(_, after)| after));
    rest.fold(head, |head, rest| head + rest).replace(&empty, "")
}

fn leaf(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

fn list<T>(name: &str, items: &[T], xml: impl Fn(&T) -> String) -> String {
    let items: String = items.iter().map(|item| format!("<item>{}</item>", xml(item))).collect();
    format!("<{name}>{items}</{name}>")
}

/// A set with one item or none.
fn set_of(name: &str, item: Option<String>) -> String {
    match item {
        Some(item) => format!("<{name}><item>{item}</item></{name}>"),
        None => format!("<{name}/>"),
    }
}

/// Text as it may stand in XML.
pub fn escape(text: &str) -> Cow<'_, str> {
    match text.contains(['&', '<', '>', '"']) {
        true => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").into(),
        false => text.into(),
    }
}
