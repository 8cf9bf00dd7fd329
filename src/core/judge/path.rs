//! What a winning route means to DynamoDB traffic: which of its targets is an endpoint, and whose.

use super::{
    lookup::{Match, Selection, covers, read, without},
    subnet::no_local_route,
};
use crate::import::convert::is_dynamodb_prefix_list;
use crate::model::{
    AccountId, AddressType, Destination, Drop, EndpointInterface, EndpointInterfaceStep, EndpointState, EndpointType,
    Gap, Instance, InterfaceId, Inventory, Leads, ListFamily, LostBy, Missing, Observed, Origin, Path, PathTarget,
    PrefixList, PrefixListId, Route, RouteState, RouteTable, Target, Verdict, VpcEndpoint, VpcEndpointId, VpcFacts,
    VpcId, is_dynamodb_endpoint_service, is_dynamodb_service, is_dynamodbs_of_an_unknown_partition,
};
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// The facts that give a route's target its meaning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) facts: &'a VpcFacts,
    /// The Region whose service counts.
    pub(super) region: Result<&'a str, &'a Gap>,
    pub(super) seen_by: SeenBy<'a>,
}

/// Who listed the endpoints. EC2 lists those of a VPC to the account that owns it, and to no other.
#[derive(Clone, Copy, Debug)]
pub(super) enum SeenBy<'a> {
    /// The account of an instance.
    Instance(&'a Observed<Instance>),
    /// The accounts of an inventory.
    Accounts(&'a Inventory),
}

impl<'a> SeenBy<'a> {
    /// The accounts that asked, as far as that is known.
    ///
    /// # Errors
    /// Why the instance's is not known.
    fn accounts(self) -> Result<BTreeSet<&'a AccountId>, &'a Gap> {
        match self {
            Self::Instance(instance) => {
                instance.get()?.interfaces.iter().map(|interface| interface.owner.get()).collect()
            }
            Self::Accounts(inventory) => Ok(inventory.accounts.iter().collect()),
        }
    }

    /// The ranges of a VPC, as far as they are known, each with what has it.
    fn own_ranges(self, vpc: &VpcId) -> impl Iterator<Item = (&'a str, IpNet)> {
        let (instance, inventory) = match self {
            Self::Instance(instance) => (instance.seen(), None),
            Self::Accounts(inventory) => (None, Some(inventory)),
        };
        let interfaces = instance.into_iter().flat_map(|instance| &instance.interfaces);
        let of_interfaces = interfaces.filter(move |interface| interface.vpc == *vpc).flat_map(|interface| {
            let ranges = interface.subnet_cidrs.seen().into_iter().flatten();
            let addresses = interface.addresses.iter().map(|address| (interface.id.as_str(), IpNet::from(*address)));
            ranges.map(|range| (interface.subnet.as_str(), *range)).chain(addresses)
        });
        let listed = inventory.into_iter().flat_map(|inventory| &inventory.own_ranges);
        of_interfaces.chain(listed.filter(move |own| own.vpc == *vpc).map(|own| (own.of.as_str(), own.range)))
    }

    /// Which account owns which VPC, by the VPC itself and by its subnets.
    fn owners(self) -> impl Iterator<Item = (&'a VpcId, &'a AccountId)> {
        let inventory = match self {
            Self::Instance(_) => None,
            Self::Accounts(inventory) => Some(inventory),
        };
        let of_vpcs = inventory.into_iter().flat_map(|inventory| &inventory.vpc_owners);
        let of_vpcs = of_vpcs.flat_map(|(vpc, owners)| owners.iter().map(move |owner| (vpc, owner)));
        let subnets = inventory.and_then(|inventory| inventory.subnets.seen()).into_iter().flatten();
        of_vpcs.chain(subnets.filter_map(|subnet| Some((&subnet.vpc, subnet.owner.as_ref()?))))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn of_inventory(inventory: &'a Inventory) -> Self {
        Self { facts: &inventory.facts, region: Ok(&inventory.region), seen_by: SeenBy::Accounts(inventory) }
    }

    /// Whether an endpoint is one of the Region's DynamoDB.
    ///
    /// # Errors
    /// The fact that is missing: its service, or the Region.
    pub(super) fn is_dynamodb(&self, endpoint: &VpcEndpoint) -> Result<bool, Missing> {
        let Some(service) = endpoint.service.as_ref().filter(|service| !service.is_empty()) else {
            return Err(Missing::new(format!("the service of {}", endpoint.id), &absent("ServiceName")));
        };
        match (self.region, &endpoint.service_region) {
            (Ok(region), _) if is_dynamodbs_of_an_unknown_partition(service, region) => {
                Err(Missing::new(format!("whose service {} is of", endpoint.id), &undocumented("ServiceName", service)))
            }
            (Ok(region), Some(other)) if is_dynamodb_endpoint_service(service, region) && other != region => {
                let one = format!("its service is {service}");
                let gap = Gap::Conflicting { one, other: format!("its ServiceRegion is {other}") };
                Err(Missing::new(format!("the service of {}", endpoint.id), &gap))
            }
            (Ok(region), _) => Ok(is_dynamodb_endpoint_service(service, region)),
            (Err(gap), _) => Err(Missing::new(format!("the Region that {} would have to serve", endpoint.id), gap)),
        }
    }

    /// Why a list does not count as DynamoDB's although its id is listed as one of DynamoDB's: it has another name, or none beside one that
    /// has its name.
    pub(super) fn named_otherwise(&self, list: &PrefixList) -> Option<Gap> {
        if list.name.is_none() && self.is_beside_a_named_one(list) {
            let one = format!("{} has no name, and a route leads it to DynamoDB's endpoint", list.id);
            return Some(Gap::Conflicting {
                one,
                other: "another list has DynamoDB's name and ranges of its family".into(),
            });
        }
        let is_other = |name: &&str| self.region.is_ok_and(|region| !is_dynamodb_prefix_list(name, region));
        let name = list.name.as_deref().filter(is_other)?;
        let one = format!("{} is listed as a prefix list of DynamoDB's", list.id);
        Some(Gap::Conflicting { one, other: format!("its name is {name}") })
    }

    /// Whether every endpoint of `vpc` is listed, and none can be DynamoDB's.
    pub(super) fn lists_no_dynamodb_endpoint(&self, vpc: &VpcId) -> bool {
        let may_be_ours = |endpoint: &VpcEndpoint| endpoint.vpc == *vpc && self.is_dynamodb(endpoint).unwrap_or(true);
        let listed = self.facts.vpc_endpoints.seen();
        listed.is_some_and(|endpoints| !endpoints.iter().any(may_be_ours)) && self.hidden(vpc).is_none()
    }

    /// DynamoDB's prefix list in a sentence.
    pub(super) fn list_words(&self) -> String {
        self.region.map_or("DynamoDB's prefix list".to_owned(), |region| format!("DynamoDB's prefix list in {region}"))
    }

    /// The verdict of a selection of `table` for an address, or for a range whose addresses all match the same
    /// routes.
    pub(super) fn verdict(&self, table: &RouteTable, selection: &Selection<'_>, range: IpNet) -> Verdict {
        let missing = self.lacking_local_route(table, range).or_else(|| self.lacking_route(table, selection, range));
        if let Some(missing) = missing {
            return Verdict::Undetermined(vec![missing]);
        }
        match selection {
            Selection::NoRoute => Verdict::Dropped(Drop::NoRoute),
            Selection::One { winner, losers } if is_within_vpc(winner, losers) => {
                let what = format!(
                    "whether {} counts for {range}, which is in a range of the VPC's own",
                    winner.route.destination
                );
                let one = "by AWS's guide the longest prefix wins".to_owned();
                let other = "within a VPC's own range only routes for whole subnets can be added".to_owned();
                undetermined(what, &Gap::Conflicting { one, other })
            }
            Selection::One { winner, .. } if winner.route.state == RouteState::Filtered => {
                self.with_and_without(table, selection, range)
            }
            Selection::One { winner, .. } => self.follow(table, winner, range),
            Selection::Tied { tied, .. } => self.tied(table, tied, range),
            Selection::NeedsLists(lists) => Verdict::Undetermined(
                lists
                    .iter()
                    .map(|(id, gap)| Missing::new(format!("the entries of prefix list {id}, which could win"), gap))
                    .collect(),
            ),
        }
    }

    /// The local route of a range of the VPC's own, which every table has and this one has not: one of the two answers is older than
    /// the last change. <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>
    /// A network interface has addresses of such ranges alone.
    fn lacking_local_route(&self, table: &RouteTable, range: IpNet) -> Option<Missing> {
        let overlaps = |own: &IpNet| own.contains(&range) || range.contains(own);
        let own = self.seen_by.own_ranges(&table.vpc).find(|(_, own)| overlaps(own));
        let (of, own) = own.or_else(|| self.endpoints_address(&table.vpc, range))?;
        let is_its =
            |route: &Route| route.is_local() && matches!(&route.destination, Destination::Cidr(cidr) if overlaps(cidr));
        (!table.routes.iter().any(is_its)).then(|| no_local_route(table, of, &own))
    }

    /// An address within `range` that an endpoint of the VPC has, and the network interface by which it has it.
    fn endpoints_address(&self, vpc: &VpcId, range: IpNet) -> Option<(&str, IpNet)> {
        let (endpoints, interfaces) = (self.facts.vpc_endpoints.seen()?, self.facts.endpoint_interfaces.seen()?);
        let (_, interface) = holder(endpoints, interfaces, vpc, range)?;
        let address = interface.addresses.iter().find(|address| range.contains(*address))?;
        Some((interface.id.as_str(), (*address).into()))
    }

    /// A route that is `filtered` wins: the verdict is known where it is the same with the route in effect and without it, and so for
    /// each filtered route that would win after it.
    fn with_and_without(&self, table: &RouteTable, selection: &Selection<'_>, range: IpNet) -> Verdict {
        let (mut selection, mut verdicts) = (selection.clone(), Vec::new());
        while let Selection::One { winner, .. } = &selection
            && winner.route.state == RouteState::Filtered
        {
            verdicts.push(self.lead(table, winner, range));
            let target = &winner.route.target;
            let is_it = |route: &Route| route.target == *target && route.state == RouteState::Filtered;
            selection = without(&selection, table, &self.facts.prefix_lists, range, is_it);
        }
        let last = self.verdict(table, &selection, range);
        if verdicts.iter().all(|verdict| *verdict == last) {
            return last;
        }
        undetermined(format!("whether the filtered route for {range} is in effect"), &undocumented("State", "filtered"))
    }

    /// A route that a DynamoDB gateway endpoint says `table` has to it, and that the table has not, where it would win: EC2 is
    /// eventually consistent, and one of the two answers is older than the last change.
    fn lacking_route(&self, table: &RouteTable, selection: &Selection<'_>, range: IpNet) -> Option<Missing> {
        let leads_to = |endpoint: &VpcEndpoint| {
            table.routes.iter().any(|route| route.target == Target::VpcEndpoint(endpoint.id.clone()))
        };
        let endpoint = self.facts.vpc_endpoints.seen()?.iter().find(|endpoint| {
            endpoint.kind == EndpointType::Gateway
                && endpoint.route_tables.contains(&table.id)
                && endpoint.state != EndpointState::Deleting
                && why_not_carried(&endpoint.state).is_none()
                && self.is_dynamodb(endpoint) == Ok(true)
                && !leads_to(endpoint)
        })?;
        let wins = match selection {
            Selection::NoRoute => true,
            Selection::One { winner, .. } => self.list_would_win(winner, range),
            Selection::Tied { tied, .. } => tied.first().is_some_and(|tied| self.list_would_win(tied, range)),
            Selection::NeedsLists(_) => false,
        };
        let one = format!("DescribeVpcEndpoints lists {} among its route tables", table.id);
        let why = Gap::Conflicting { one, other: format!("{} has no route to it", table.id) };
        let what = format!("whether {} carries traffic", endpoint.id);
        (wins && self.may_be_in_lists(range)).then_some(Missing { what, why })
    }

    /// Whether an entry of DynamoDB's lists could beat or tie with the winner for this range.
    fn list_would_win(&self, winner: &Match<'_>, range: IpNet) -> bool {
        let is_static =
            matches!(winner.route.destination, Destination::Cidr(_)) && !winner.route.origin.is_propagated();
        match self.longest_entry(range) {
            Some(length) if is_static => length > winner.prefix.prefix_len(),
            Some(length) => length >= winner.prefix.prefix_len(),
            None => true,
        }
    }

    /// Whether DynamoDB's lists have the range, or are not all known.
    fn may_be_in_lists(&self, range: IpNet) -> bool {
        let unread = |id| read(&self.facts.prefix_lists, id).is_err();
        self.longest_entry(range).is_some()
            || self.facts.service_prefix_lists.seen().is_none_or(|lists| lists.iter().any(unread))
    }

    /// Whether another of DynamoDB's lists has a name, and ranges of the same address family.
    fn is_beside_a_named_one(&self, list: &PrefixList) -> bool {
        let lists = self.facts.service_prefix_lists.seen().into_iter().flatten();
        let named = lists.filter_map(|id| read(&self.facts.prefix_lists, id).ok());
        let named = named.filter(|other| other.id != list.id && other.name.is_some());
        let mut ranges = named.flat_map(|other| &other.entries);
        ranges.any(|range| list.entries.iter().any(|own| own.addr().is_ipv4() == range.addr().is_ipv4()))
    }

    /// Whether DynamoDB's lists are known to have the address.
    pub(super) fn is_in_lists(&self, address: IpAddr) -> bool {
        self.longest_entry(address.into()).is_some()
    }

    /// The length of the longest entry of DynamoDB's lists that has the range.
    fn longest_entry(&self, range: IpNet) -> Option<u8> {
        let lists = self.facts.service_prefix_lists.seen().into_iter().flatten();
        let entries = lists.filter_map(|id| read(&self.facts.prefix_lists, id).ok()).flat_map(|list| &list.entries);
        entries.filter(|entry| covers(entry, &range)).map(IpNet::prefix_len).max()
    }

    /// A tie is ambiguous only if each path is known; what is missing could turn it into agreement.
    fn tied(&self, table: &RouteTable, tied: &[Match<'_>], range: IpNet) -> Verdict {
        let mut paths = Vec::new();
        let mut missing = Vec::new();
        for m in tied {
            if let Some(why) = m.unknown_origin() {
                let route = m.route.destination.to_string();
                let what = format!("whether the route {route} → {} in {} is static", m.route.target.id(), table.id);
                missing.push(Missing { what, why });
            }
            match self.follow(table, m, range) {
                Verdict::Via(path) => paths.push(path),
                Verdict::Ambiguous(more) => paths.extend(more),
                Verdict::Undetermined(more) => missing.extend(more),
                // A path that drops is still one that AWS may choose; it is named by its target.
                Verdict::Dropped(_) => {
                    paths.push(PathTarget::Blackhole(m.route.target.id().into()).into());
                }
            }
        }
        if missing.is_empty() { Verdict::Ambiguous(paths) } else { Verdict::Undetermined(missing) }
    }

    fn follow(&self, table: &RouteTable, m: &Match<'_>, range: IpNet) -> Verdict {
        let (of_range, other) = match range {
            IpNet::V4(_) => (ListFamily::Ipv4, "IPv6"),
            IpNet::V6(_) => (ListFamily::Ipv6, "IPv4"),
        };
        if m.route.family.is_some_and(|family| family != of_range) {
            let one = format!("its address family is {other}");
            let gap = Gap::Conflicting { one, other: format!("{} is one of its ranges", m.prefix) };
            return undetermined(format!("the ranges of {}", m.route.destination), &gap);
        }
        match &m.route.state {
            RouteState::Active => {}
            RouteState::Blackhole => {
                return match self.is_available(table, m.route) {
                    Some(gap) => undetermined(format!("whether packets to {} are dropped", m.route.destination), &gap),
                    None => Verdict::Dropped(Drop::Blackhole { target: m.route.target.id().into() }),
                };
            }
            RouteState::Filtered => {
                let what = format!("whether the filtered route to {} is in effect", m.route.destination);
                return undetermined(what, &undocumented("State", "filtered"));
            }
            RouteState::Absent => {
                return undetermined(format!("the state of the route to {}", m.route.destination), &absent("State"));
            }
            RouteState::Other(state) => {
                let what = format!("what state {state:?} of the route to {} means", m.route.destination);
                return undetermined(what, &undocumented("State", state));
            }
        }
        self.lead(table, m, range)
    }

    /// What says that the target of a `blackhole` route of `table` is there: one of the two answers is older than the last change.
    fn is_available(&self, table: &RouteTable, route: &Route) -> Option<Gap> {
        let Target::VpcEndpoint(id) = &route.target else { return None };
        let mut endpoints = self.facts.vpc_endpoints.seen()?.iter().filter(|endpoint| endpoint.id == *id);
        endpoints.find(|endpoint| {
            endpoint.state == EndpointState::Available
                && (endpoint.kind != EndpointType::Gateway || endpoint.route_tables.contains(&table.id))
        })?;
        let one = format!("the route to {id} is a blackhole: its target is gone");
        Some(Gap::Conflicting {
            one,
            other: format!("DescribeVpcEndpoints lists {id} as available, with {}", table.id),
        })
    }

    /// Where a route leads that is in effect.
    fn lead(&self, table: &RouteTable, m: &Match<'_>, range: IpNet) -> Verdict {
        match m.route.target.leads() {
            Leads::WithinVpc => self.within_vpc(&table.vpc, range),
            Leads::ToEndpoint(id) => self.endpoint(table, &id, m.route, range),
            Leads::Through(target) => via(target),
            Leads::ToUnknown { field, value } if NOT_ENDPOINTS.contains(&field.as_str()) => {
                via(PathTarget::Other { field, value })
            }
            Leads::ToUnknown { field, value } => {
                undetermined(format!("where the route to {} leads", m.route.destination), &undocumented(&field, &value))
            }
        }
    }

    /// Traffic that stays within the VPC: an interface endpoint's, if one of its network interfaces has the address.
    ///
    /// Recognised by address, never by name: people point names at interface endpoints by hosted zones, and DynamoDB's
    /// has no private DNS of its own. Of endpoints in `vpc` alone: other VPCs may use the same addresses.
    pub(super) fn within_vpc(&self, vpc: &VpcId, range: IpNet) -> Verdict {
        let interfaces = match self.facts.endpoint_interfaces.get() {
            Ok(interfaces) => interfaces,
            Err(gap) => return undetermined("the network interfaces of the VPC's interface endpoints", gap),
        };
        let endpoints = match self.facts.vpc_endpoints.get() {
            Ok(endpoints) => endpoints,
            Err(gap) => return undetermined("the VPC's endpoints", gap),
        };
        let is_host = range.prefix_len() == range.max_prefix_len();
        if is_host && let Some(gap) = contradictory(endpoints, interfaces, vpc, range.addr()) {
            return undetermined(format!("whose {} is", range.addr()), &gap);
        }
        if is_host && let Some((endpoint, _)) = holder(endpoints, interfaces, vpc, range) {
            return self.by_address(endpoint, range);
        }
        match self.unlisted(endpoints, interfaces, vpc, range).or_else(|| self.hidden(vpc)) {
            Some(missing) => Verdict::Undetermined(vec![missing]),
            None => via(PathTarget::Local),
        }
    }

    /// The endpoint that has the address. Of DynamoDB's, interface endpoints alone have any.
    /// <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>
    fn by_address(&self, endpoint: &VpcEndpoint, range: IpNet) -> Verdict {
        let what = || format!("what kind of endpoint {} is", endpoint.id);
        let kind = match &endpoint.kind {
            EndpointType::Absent => return undetermined(what(), &absent("VpcEndpointType")),
            EndpointType::Other(kind) => return undetermined(what(), &undocumented("VpcEndpointType", kind)),
            EndpointType::Interface => None,
            EndpointType::Gateway => Some("a gateway endpoint"),
            EndpointType::GatewayLoadBalancer => Some("a Gateway Load Balancer endpoint"),
            EndpointType::Resource => Some("a resource endpoint"),
            EndpointType::ServiceNetwork => Some("a service-network endpoint"),
            EndpointType::Tunnel => Some("a tunnel endpoint"),
        };
        let verdict = self.by_endpoint(endpoint, PathTarget::InterfaceEndpoint(endpoint.id.clone()), range);
        match kind.filter(|_| verdict.is_on_net()) {
            Some(kind) => {
                let one = format!("it is {kind} of DynamoDB's service");
                undetermined(what(), &Gap::Conflicting { one, other: format!("it has the address {}", range.addr()) })
            }
            None => verdict,
        }
    }

    /// Why endpoints of `vpc` may be there that were not listed: another account owns it.
    pub(super) fn hidden(&self, vpc: &VpcId) -> Option<Missing> {
        let what = format!("whether {vpc} has an interface endpoint with this address");
        let tables = match self.facts.route_tables.get() {
            Ok(tables) => tables,
            Err(gap) => return Some(Missing::new(what, gap)),
        };
        let of_tables = tables.iter().filter_map(|table| Some((&table.vpc, table.owner.as_ref()?)));
        let owners: BTreeSet<_> = of_tables.chain(self.seen_by.owners()).collect();
        let mut of_vpc = owners.iter().filter(|(of, _)| *of == vpc).map(|(_, owner)| *owner).peekable();
        if of_vpc.peek().is_none() {
            // EC2 names the owner. Files may be of an older AWS CLI, which does not.
            let is_instances = matches!(self.seen_by, SeenBy::Instance(_));
            return is_instances.then(|| Missing { what, why: absent("OwnerId") });
        }
        let listed: BTreeSet<_> = self
            .facts
            .vpc_endpoints
            .seen()
            .into_iter()
            .flatten()
            .filter_map(|endpoint| endpoint.owner.as_ref())
            .collect();
        let observer = self.facts.shared.as_ref().and_then(|shared| shared.observers.get(vpc));
        let asked =
            observer.map_or_else(|| self.seen_by.accounts(), |observer| Ok(BTreeSet::from([&observer.account])));
        let owner = match asked {
            Ok(asked) if asked.is_empty() && listed.is_empty() => {
                // No answer says who asked. Where one account owns everything, that one did.
                of_vpc.find(|owner| owners.iter().any(|(_, other)| other != owner))
            }
            Ok(asked) => of_vpc.find(|owner| !asked.contains(owner) && !listed.contains(owner)),
            Err(gap) if of_vpc.any(|owner| !listed.contains(owner)) => return Some(Missing::new(what, gap)),
            Err(_) => None,
        };
        let detail = format!("account {} owns {vpc}, and EC2 lists its endpoints to that account alone", owner?);
        Some(Missing { what, why: Gap::NotVisible { detail } })
    }

    /// An interface that a DynamoDB endpoint of `vpc` names and whose addresses of the family of `range` are not known: the two lists
    /// are of different times, or one of them is a part.
    fn unlisted(
        &self,
        endpoints: &[VpcEndpoint],
        interfaces: &[EndpointInterface],
        vpc: &VpcId,
        range: IpNet,
    ) -> Option<Missing> {
        let ours = |e: &&VpcEndpoint| {
            // Where Region or service is not known, any of them may be DynamoDB's.
            e.vpc == *vpc && e.may_have_addresses() && self.is_dynamodb(e).unwrap_or(true)
        };
        endpoints.iter().filter(ours).find_map(|endpoint| {
            endpoint.interfaces.iter().find_map(|id| {
                let family = if range.addr().is_ipv4() { "IPv4" } else { "IPv6" };
                let Some(listed) = interfaces.iter().find(|interface| interface.id == *id) else {
                    let detail = "it is not among the endpoints' network interfaces that were listed".to_owned();
                    let what = format!("the addresses of {id}, which {} names", endpoint.id);
                    return Some(Missing { what, why: Gap::NotFound { detail } });
                };
                let of_family = |address: &IpAddr| address.is_ipv4() == range.addr().is_ipv4();
                let lacks = has_family(endpoint, range) && !listed.addresses.iter().any(of_family);
                let detail =
                    format!("it is listed without any, and the IpAddressType of {} says that it has one", endpoint.id);
                let what = format!("the {family} address of {id}");
                lacks.then_some(Missing { what, why: Gap::NotFound { detail } })
            })
        })
    }

    /// The instance's own network interface that has the address.
    pub(super) fn own_interface(&self, address: IpAddr) -> Option<&InterfaceId> {
        let SeenBy::Instance(instance) = self.seen_by else { return None };
        let mut interfaces = instance.seen()?.interfaces.iter();
        interfaces.find(|interface| interface.addresses.contains(&address)).map(|interface| &interface.id)
    }

    /// The network interface of an interface endpoint that has the address.
    pub(super) fn endpoint_interface(&self, vpc: &VpcId, address: IpAddr) -> Option<EndpointInterfaceStep> {
        let (endpoints, interfaces) = (self.facts.vpc_endpoints.seen()?, self.facts.endpoint_interfaces.seen()?);
        let (endpoint, interface) = holder(endpoints, interfaces, vpc, address.into())?;
        Some(EndpointInterfaceStep { interface: interface.id.clone(), endpoint: endpoint.id.clone() })
    }

    /// A `vpce-` target says nothing of its type: a firewall's endpoint has the same form. Only `DescribeVpcEndpoints` has the type.
    fn endpoint(&self, table: &RouteTable, id: &VpcEndpointId, by: &Route, range: IpNet) -> Verdict {
        let vpc = &table.vpc;
        let endpoints = match self.facts.vpc_endpoints.get() {
            Ok(endpoints) => endpoints,
            Err(gap) => return undetermined(format!("what kind of endpoint {id} is"), gap),
        };
        let Some(endpoint) = endpoints.iter().find(|e| e.id == *id) else {
            let detail =
                "DescribeVpcEndpoints lists it only to the account that owns it, as in a shared VPC".to_owned();
            let gap = Gap::NotVisible { detail };
            return undetermined(format!("what kind of endpoint {id} is"), &gap);
        };
        if endpoints.iter().any(|other| other.id == *id && other != endpoint) {
            return undetermined(format!("what kind of endpoint {id} is"), &listed_twice(id.as_str()));
        }
        if endpoint.vpc != *vpc {
            let one = format!("DescribeVpcEndpoints lists it in {}", endpoint.vpc);
            let gap = Gap::Conflicting { one, other: format!("a route table of {vpc} points at it") };
            return undetermined(format!("whether {id} carries traffic"), &gap);
        }
        if let (EndpointType::Gateway, Some(owner), Some(of_table)) = (&endpoint.kind, &endpoint.owner, &table.owner)
            && owner != of_table
        {
            // The account that owns the VPC owns both.
            let one = format!("account {owner} owns it");
            let gap = Gap::Conflicting { one, other: format!("account {of_table} owns {}", table.id) };
            return undetermined(format!("whether {id} carries traffic"), &gap);
        }
        match &endpoint.kind {
            EndpointType::Gateway => {
                let verdict = self.by_endpoint(endpoint, PathTarget::GatewayEndpoint(id.clone()), range);
                if let Some(gap) = self.another_list(endpoint, by, range).filter(|_| verdict.is_on_net()) {
                    return undetermined(format!("whether {id} carries traffic"), &gap);
                }
                if verdict.path().is_none() || endpoint.route_tables.contains(&table.id) {
                    return verdict;
                }
                // EC2 is eventually consistent: one of the two answers is older than the last change.
                let one = format!("a route of {} leads to it", table.id);
                let other = format!("DescribeVpcEndpoints does not list {} among its route tables", table.id);
                undetermined(format!("whether {id} carries traffic"), &Gap::Conflicting { one, other })
            }
            EndpointType::GatewayLoadBalancer => Verdict::Via(Path {
                service: endpoint.service.clone(),
                ..PathTarget::GatewayLoadBalancerEndpoint(id.clone()).into()
            }),
            EndpointType::Interface => target_of_no_route(table, id, "an interface endpoint"),
            EndpointType::Resource => target_of_no_route(table, id, "a resource endpoint"),
            EndpointType::ServiceNetwork => target_of_no_route(table, id, "a service-network endpoint"),
            EndpointType::Tunnel => target_of_no_route(table, id, "a tunnel endpoint"),
            EndpointType::Absent => undetermined(format!("what kind of endpoint {id} is"), &absent("VpcEndpointType")),
            EndpointType::Other(kind) => {
                undetermined(format!("what kind of endpoint {id} is"), &undocumented("VpcEndpointType", kind))
            }
        }
    }

    /// Why a route does not lead to a gateway endpoint as it says: AWS adds routes for the prefix list of its service, and no other
    /// route can. <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>
    fn another_list(&self, endpoint: &VpcEndpoint, by: &Route, range: IpNet) -> Option<Gap> {
        let service = endpoint.service.as_deref();
        if service.is_some_and(|service| service.ends_with("-fips")) {
            let one = format!("{} is a gateway endpoint", endpoint.id);
            let other = "its service, for FIPS, has interface endpoints alone".to_owned();
            return Some(Gap::Conflicting { one, other });
        }
        let origin = match by.origin {
            Origin::CreateRouteTable => Some("CreateRouteTable"),
            Origin::EnableVgwRoutePropagation => Some("EnableVgwRoutePropagation"),
            Origin::Advertisement => Some("Advertisement"),
            Origin::CreateRoute | Origin::Absent | Origin::Other(_) => None,
        };
        if let Some(origin) = origin {
            let other = "AWS sets the routes to a gateway endpoint with CreateRoute".to_owned();
            return Some(Gap::Conflicting { one: format!("the Origin of the route to it is {origin}"), other });
        }
        let list = match &by.destination {
            Destination::PrefixList(list) => list,
            Destination::Cidr(cidr) => {
                let other = "only the prefix list of its service leads to a gateway endpoint".to_owned();
                return Some(Gap::Conflicting { one: format!("a route for {cidr} leads to it"), other });
            }
        };
        if let Some(own) = self.own_list_besides(list, endpoint, range) {
            let other = format!("DynamoDB's prefix list is {own}");
            return Some(Gap::Conflicting { one: format!("{list} leads to it"), other });
        }
        let is_ours = self.is_dynamodb(endpoint) == Ok(true);
        if let Some(gap @ Gap::Conflicting { .. }) = self.facts.service_prefix_lists.gap().filter(|_| is_ours) {
            return Some(gap.clone());
        }
        let read = read(&self.facts.prefix_lists, list).ok();
        let is_listed = is_ours && self.facts.service_prefix_lists.seen().is_some_and(|lists| lists.contains(list));
        if let Some(list) = read.filter(|_| is_listed) {
            return self.named_otherwise(list);
        }
        let name = read.and_then(|list| list.name.as_deref());
        let is_its_own = name.zip(service).is_none_or(|(name, service)| name.replacen(".ipv6.", ".", 1) == service);
        let other = format!("its service is {}", service.unwrap_or("not named"));
        (!is_its_own)
            .then(|| Gap::Conflicting { one: format!("{list} ({}) leads to it", name.unwrap_or("unnamed")), other })
    }

    /// The list of the endpoint's service for the family of `range`, where that service is DynamoDB, its list is known, and `list` is
    /// another one.
    fn own_list_besides(&self, list: &PrefixListId, endpoint: &VpcEndpoint, range: IpNet) -> Option<&PrefixListId> {
        self.is_dynamodb(endpoint).ok().filter(|is_dynamodb| *is_dynamodb)?;
        let same_family = |entry: &IpNet| entry.addr().is_ipv4() == range.addr().is_ipv4();
        let lists = self.facts.service_prefix_lists.seen().filter(|lists| !lists.contains(list))?;
        lists
            .iter()
            .find(|id| read(&self.facts.prefix_lists, id).is_ok_and(|list| list.entries.iter().any(same_family)))
    }

    fn by_endpoint(&self, endpoint: &VpcEndpoint, target: PathTarget, range: IpNet) -> Verdict {
        let gap = why_not_carried(&endpoint.state)
            .or_else(|| failed(endpoint))
            .or_else(|| of_another_family(endpoint, range));
        if let Some(gap) = gap {
            return undetermined(format!("whether {} carries traffic", endpoint.id), &gap);
        }
        match self.is_dynamodb(endpoint) {
            Ok(is_dynamodb_endpoint) => {
                Verdict::Via(Path { target, service: endpoint.service.clone(), is_dynamodb_endpoint })
            }
            Err(missing) => Verdict::Undetermined(vec![missing]),
        }
    }
}

/// Target fields of EC2's model that have no kind of their own here and are known not to be endpoints of DynamoDB.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Route.html>
const NOT_ENDPOINTS: [&str; 2] = ["OdbNetworkArn", "IpAddress"];

/// The service's name for endpoints. AWS gives the prefix list the same one; the pattern serves where it is unread.
pub(super) fn service_name(facts: &VpcFacts, region: &str) -> String {
    let lists = facts.service_prefix_lists.seen().into_iter().flatten();
    lists
        .filter_map(|id| facts.prefix_lists.get(id)?.seen()?.name.clone())
        .find(|name| is_dynamodb_service(name, region))
        .unwrap_or_else(|| format!("com.amazonaws.{region}.dynamodb"))
}

/// The endpoint of `vpc` that has an address within `range`, and the network interface by which it has it.
fn holder<'f>(
    endpoints: &'f [VpcEndpoint],
    interfaces: &'f [EndpointInterface],
    vpc: &VpcId,
    range: IpNet,
) -> Option<(&'f VpcEndpoint, &'f EndpointInterface)> {
    let mut holding = interfaces.iter().filter(|interface| interface.addresses.iter().any(|own| range.contains(own)));
    holding.find_map(|interface| {
        let owner = endpoints.iter().find(|e| e.vpc == *vpc && e.interfaces.contains(&interface.id))?;
        Some((owner, interface))
    })
}

/// Why it is not known whose a private address is: the two listings contradict each other or themselves.
fn contradictory(
    endpoints: &[VpcEndpoint],
    interfaces: &[EndpointInterface],
    vpc: &VpcId,
    address: IpAddr,
) -> Option<Gap> {
    let having = || interfaces.iter().filter(|interface| interface.addresses.contains(&address));
    let owners_of = |interface: &EndpointInterface| {
        let id = interface.id.clone();
        endpoints.iter().filter(move |endpoint| endpoint.interfaces.contains(&id))
    };
    // Another VPC may use the same addresses.
    let may_be_here = |interface: &&EndpointInterface| {
        let mut owners = owners_of(interface).peekable();
        owners.peek().is_none() || owners.any(|endpoint| endpoint.vpc == *vpc)
    };
    let mut here = having().filter(may_be_here);
    if let Some((one, other)) = here.next().and_then(|one| Some((one, here.find(|other| other.id != one.id)?))) {
        return Some(Gap::Conflicting {
            one: format!("{} has the address", one.id),
            other: format!("{} has it too", other.id),
        });
    }
    having().find_map(|interface| {
        if interfaces.iter().any(|other| other.id == interface.id && other != interface) {
            return Some(listed_twice(interface.id.as_str()));
        }
        let mut owners = owners_of(interface);
        let Some(first) = owners.next() else {
            let one = format!("{} is listed as an endpoint's network interface", interface.id);
            return Some(Gap::Conflicting { one, other: "no endpoint names it".to_owned() });
        };
        let other = owners.find(|other| *other != first && (first.vpc == *vpc || other.vpc == *vpc))?;
        let one = format!("{} names {}", first.id, interface.id);
        Some(if other.id == first.id {
            listed_twice(first.id.as_str())
        } else {
            Gap::Conflicting { one, other: format!("{} names it too", other.id) }
        })
    })
}

/// Whether an entry of a prefix list wins over the VPC's local route.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>
fn is_within_vpc(winner: &Match<'_>, losers: &[(Match<'_>, LostBy)]) -> bool {
    matches!(winner.route.destination, Destination::PrefixList(_))
        && losers.iter().any(|(loser, _)| loser.route.is_local())
}

/// A route leads to an endpoint of a kind that is the target of none.
fn target_of_no_route(table: &RouteTable, id: &VpcEndpointId, kind: &str) -> Verdict {
    let one = format!("a route of {} leads to it", table.id);
    let gap = Gap::Conflicting { one, other: format!("{kind} is the target of no route") };
    undetermined(format!("whether {id} carries traffic"), &gap)
}

fn listed_twice(id: &str) -> Gap {
    Gap::Conflicting { one: format!("{id} is listed twice"), other: "with different contents".to_owned() }
}

/// Why an endpoint in this state may not carry the traffic that a route or an address leads to it; `None` where it can. In
/// any state but `available` it is at risk.
fn why_not_carried(state: &EndpointState) -> Option<Gap> {
    match state {
        EndpointState::Available
        | EndpointState::Pending
        | EndpointState::PendingAcceptance
        | EndpointState::Deleting
        | EndpointState::Partial => None,
        EndpointState::Deleted | EndpointState::Rejected | EndpointState::Failed | EndpointState::Expired => {
            let other = "traffic is still routed to it".to_owned();
            Some(Gap::Conflicting { one: format!("its state is {state}"), other })
        }
        EndpointState::Absent => Some(absent("State")),
        EndpointState::Other(state) => Some(undocumented("State", state)),
    }
}

/// What EC2 says of a failure, against a route or an address that leads traffic to the endpoint: what of it failed is not known.
fn failed(endpoint: &VpcEndpoint) -> Option<Gap> {
    let failure = endpoint.failure.as_ref()?;
    let other = format!("its state is {}, and traffic is routed to it", endpoint.state);
    Some(Gap::Conflicting { one: format!("EC2 gives a failure of it: {failure}"), other })
}

/// Why an endpoint does not serve the family of `range`.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>
fn of_another_family(endpoint: &VpcEndpoint, range: IpNet) -> Option<Gap> {
    let kind = match (endpoint.address_type.as_ref()?, range) {
        (AddressType::Dualstack, _) | (AddressType::Ipv4, IpNet::V4(_)) | (AddressType::Ipv6, IpNet::V6(_)) => None,
        (AddressType::Ipv4, IpNet::V6(_)) => Some("ipv4"),
        (AddressType::Ipv6, IpNet::V4(_)) => Some("ipv6"),
        (AddressType::Other(word), _) => return Some(undocumented("IpAddressType", word)),
    };
    let other = format!("{range} is routed to it");
    kind.map(|kind| Gap::Conflicting { one: format!("its IpAddressType is {kind}"), other })
}

/// Whether each network interface of an endpoint is known to have an address of the family of `range`.
fn has_family(endpoint: &VpcEndpoint, range: IpNet) -> bool {
    match (endpoint.address_type.as_ref(), range) {
        (Some(AddressType::Dualstack), _)
        | (Some(AddressType::Ipv4), IpNet::V4(_))
        | (Some(AddressType::Ipv6), IpNet::V6(_)) => true,
        (Some(AddressType::Ipv4 | AddressType::Ipv6 | AddressType::Other(_)) | None, _) => false,
    }
}

fn absent(field: &str) -> Gap {
    Gap::NotFound { detail: format!("the answer has no {field}") }
}

fn undocumented(field: &str, value: &str) -> Gap {
    Gap::UndocumentedValue { field: field.to_owned(), value: value.to_owned() }
}

/// What follows where a fact is missing.
pub(super) fn undetermined(what: impl Into<String>, gap: &Gap) -> Verdict {
    Verdict::Undetermined(vec![Missing::new(what, gap)])
}

fn via(target: PathTarget) -> Verdict {
    Verdict::Via(target.into())
}
