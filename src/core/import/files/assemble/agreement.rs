//! Facts that several listings have of one thing, compared: those of a VPC, and those of a DynamoDB interface endpoint.

use super::Collected;
use crate::{
    import::files::shapes::{ListedEndpoint, ListedInterface},
    model::{EndpointState, EndpointType, Gap, VpcEndpoint, VpcId, may_be_dynamodbs, regions},
};
use std::collections::{BTreeMap, BTreeSet};

/// What one row says of a VPC, and which row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said<'c> {
    what: &'c str,
    by: &'c str,
}

impl Collected {
    /// The Region of each VPC by the zones and ARNs of its subnets and the zones of its network interfaces.
    fn regions_by_zones(&self) -> BTreeMap<&str, BTreeSet<Said<'_>>> {
        let subnets = self.subnets.values().filter_map(|listed| {
            let said = Said { what: listed.region.as_deref()?, by: listed.subnet.id.as_str() };
            Some((listed.subnet.vpc.as_str(), said))
        });
        let interfaces = self.network_interfaces.values().filter_map(|listed| {
            let said = Said { what: listed.region.as_deref()?, by: listed.interface.id.as_str() };
            Some((listed.vpc.as_deref()?, said))
        });
        by_vpc(subnets.chain(interfaces))
    }

    /// The Region of each VPC by its gateway endpoints: one is of its own Region's service.
    fn regions_by_gateways(&self) -> BTreeMap<&str, BTreeSet<Said<'_>>> {
        let gateways = self.endpoints().filter(|endpoint| endpoint.kind == EndpointType::Gateway);
        by_vpc(gateways.filter_map(|endpoint| {
            let what = regions(endpoint.service.as_deref().into_iter()).into_keys().next()?;
            Some((endpoint.vpc.as_str(), Said { what, by: endpoint.id.as_str() }))
        }))
    }

    /// The VPCs of other Regions: by their zones, else by their gateway endpoints. One that is in `region` by anything else is
    /// contradictory.
    pub(super) fn elsewhere(&self, region: &str) -> BTreeSet<VpcId> {
        let (by_zones, by_gateways) = (self.regions_by_zones(), self.regions_by_gateways());
        let is_elsewhere = |said: &BTreeSet<Said<'_>>| said.iter().all(|said| said.what != region);
        let of_gateways = by_gateways.iter().filter(|(vpc, _)| !by_zones.contains_key(*vpc));
        let vpcs = by_zones.iter().chain(of_gateways).filter(|(_, said)| is_elsewhere(said));
        vpcs.map(|(vpc, _)| VpcId::from(*vpc)).collect()
    }

    /// The VPCs of which the files contradict each other about the owner or the Region, which is `region`.
    pub(super) fn contradictory(&self, region: &str) -> BTreeMap<VpcId, Gap> {
        let owners = self.owners().into_iter().filter_map(|(vpc, said)| {
            let first = said.first()?;
            let other = said.iter().find(|other| other.what != first.what)?;
            let [one, other] = [first, other].map(|said| format!("{} is of account {}", said.by, said.what));
            Some((VpcId::from(vpc), Gap::Conflicting { one, other }))
        });
        let mut by_region = self.regions_by_zones();
        for (vpc, said) in self.regions_by_gateways() {
            by_region.entry(vpc).or_default().extend(said);
        }
        let regions = by_region.into_iter().filter_map(|(vpc, said)| {
            let elsewhere = said.iter().find(|said| said.what != region)?;
            let here = said.iter().find(|said| said.what == region)?;
            let [one, other] = [elsewhere, here].map(|said| format!("{} is of {}", said.by, said.what));
            Some((VpcId::from(vpc), Gap::Conflicting { one, other }))
        });
        let endpoints = self.endpoints_in_one_listing_only(region);
        owners.chain(regions).chain(self.interfaces_in_another_vpc()).chain(endpoints).collect()
    }

    /// The VPCs of which one complete listing has an endpoint that may be DynamoDB's and another has not.
    fn endpoints_in_one_listing_only(&self, region: &str) -> impl Iterator<Item = (VpcId, Gap)> {
        let may_be_dynamodbs = |id: &str| {
            let listed = self.vpc_endpoints.items.get(id);
            listed.is_some_and(|(listed, _)| may_be_dynamodbs(listed.endpoint.service.as_deref(), region))
        };
        let differing = self.vpc_endpoints.listings.differing().into_iter();
        let ours = differing.filter(move |(_, id, _)| may_be_dynamodbs(id));
        ours.map(|(vpc, _, gap)| (VpcId::from(vpc), gap))
    }

    /// The VPCs of subnets that a network interface of another VPC is in.
    fn interfaces_in_another_vpc(&self) -> impl Iterator<Item = (VpcId, Gap)> {
        self.network_interfaces.values().filter_map(|listed| {
            let (subnet, _) = self.subnets.items.get(listed.subnet.as_deref()?)?;
            let (id, vpc) = (&subnet.subnet.id, &subnet.subnet.vpc);
            let other = listed.vpc.as_deref().filter(|other| *other != vpc.as_str())?;
            let one = format!("{}, which is in {id}, is in {other}", listed.interface.id);
            Some((vpc.clone(), Gap::Conflicting { one, other: format!("{id} is in {vpc}") }))
        })
    }

    /// The owner of each VPC: the account that owns it owns its subnets, route tables and gateway endpoints.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-share-limitations.html>
    fn owners(&self) -> BTreeMap<&str, BTreeSet<Said<'_>>> {
        let of_subnets = self.subnets.values().map(|listed| &listed.subnet);
        let of_subnets = of_subnets.filter_map(|subnet| {
            Some((subnet.vpc.as_str(), Said { what: subnet.owner.as_ref()?.as_str(), by: subnet.id.as_str() }))
        });
        let of_tables = self.route_tables.values().map(|listed| &listed.table);
        let of_tables = of_tables.filter_map(|table| {
            Some((table.vpc.as_str(), Said { what: table.owner.as_ref()?.as_str(), by: table.id.as_str() }))
        });
        let gateways = self.endpoints().filter(|endpoint| endpoint.kind == EndpointType::Gateway);
        let of_gateways = gateways.filter_map(|endpoint| {
            Some((endpoint.vpc.as_str(), Said { what: endpoint.owner.as_ref()?.as_str(), by: endpoint.id.as_str() }))
        });
        let of_vpcs = self.vpc_owners.iter().flat_map(|(vpc, owners)| {
            owners.iter().map(|owner| (vpc.as_str(), Said { what: owner.as_str(), by: vpc.as_str() }))
        });
        by_vpc(of_subnets.chain(of_tables).chain(of_gateways).chain(of_vpcs))
    }

    /// Why the network interfaces of the endpoints are not known although every one that is named is there.
    pub(super) fn interfaces_conflict(&self, region: &str) -> Option<Gap> {
        let unlisted = |listed: &&ListedInterface| {
            listed.endpoint.as_deref().is_some_and(|id| !self.vpc_endpoints.items.contains_key(id))
        };
        if let Some(listed) = self.network_interfaces.values().find(unlisted) {
            let (id, endpoint) = (&listed.interface.id, listed.endpoint.as_deref().unwrap_or_default());
            let detail = format!("{id} is of {endpoint}, which is not among the VpcEndpoints");
            return Some(Gap::NotVisible { detail });
        }
        let is_dynamodbs = |endpoint: &VpcEndpoint| {
            endpoint.may_have_addresses()
                && may_be_dynamodbs(endpoint.service.as_deref(), region)
                && works(&endpoint.state)
        };
        for with_endpoint in self.vpc_endpoints.values().filter(|listed| is_dynamodbs(&listed.endpoint)) {
            let endpoint = &with_endpoint.endpoint;
            if endpoint.interfaces.is_empty() {
                return Some(Gap::Truncated { detail: format!("{} has no NetworkInterfaceIds", endpoint.id) });
            }
            for interface in &endpoint.interfaces {
                let Some((listed, file)) = self.network_interfaces.items.get(interface.as_str()) else { continue };
                if listed.interface.addresses.is_empty() {
                    let detail = format!("{interface} of {} has no addresses in {}", endpoint.id, file.display());
                    return Some(Gap::Truncated { detail });
                }
                let conflict = another_things(endpoint, listed)
                    .or_else(|| in_another_subnet(with_endpoint, listed))
                    .or_else(|| self.outside_its_subnet(endpoint, listed))
                    .or_else(|| self.shared_address(endpoint, listed));
                if let Some((one, other)) = conflict {
                    return Some(Gap::Conflicting { one, other });
                }
            }
        }
        None
    }

    /// What the listing of subnets has against the addresses of a network interface.
    fn outside_its_subnet(&self, endpoint: &VpcEndpoint, listed: &ListedInterface) -> Option<(String, String)> {
        let interface = &listed.interface;
        let (subnet, _) = self.subnets.items.get(listed.subnet.as_deref()?)?;
        let (id, vpc) = (&subnet.subnet.id, &subnet.subnet.vpc);
        if *vpc != endpoint.vpc {
            let one = format!("{} of {} is in {id} of {vpc}", interface.id, endpoint.id);
            return Some((one, format!("{} is in {}", endpoint.id, endpoint.vpc)));
        }
        let outside = |address| !subnet.subnet.cidrs.iter().any(|cidr| cidr.contains(address));
        let address = interface.addresses.iter().find(|address| subnet.whole && outside(*address))?;
        let one = format!("{} of {} has {address} in {id}", interface.id, endpoint.id);
        Some((one, format!("{id} has no range with that address")))
    }

    /// Another network interface that has an address of an endpoint's: an address is of one thing in a VPC.
    fn shared_address(&self, endpoint: &VpcEndpoint, listed: &ListedInterface) -> Option<(String, String)> {
        let one = &listed.interface;
        let may_be_here = |other: &ListedInterface| other.vpc.as_deref().is_none_or(|vpc| vpc == endpoint.vpc.as_str());
        let others = self.network_interfaces.values();
        let mut others = others.filter(|other| other.interface.id != one.id && may_be_here(other));
        let shared = |other: &ListedInterface| {
            one.addresses.iter().find(|address| other.interface.addresses.contains(address)).copied()
        };
        let (other, address) = others.find_map(|other| Some((other, shared(other)?)))?;
        Some((format!("{} has {address}", one.id), format!("{} has it too", other.interface.id)))
    }
}

fn by_vpc<'c>(rows: impl Iterator<Item = (&'c str, Said<'c>)>) -> BTreeMap<&'c str, BTreeSet<Said<'c>>> {
    let mut by_vpc: BTreeMap<&str, BTreeSet<Said<'_>>> = BTreeMap::new();
    for (vpc, said) in rows {
        by_vpc.entry(vpc).or_default().insert(said);
    }
    by_vpc
}

/// What of a network interface shows that it is not the endpoint's that names it.
fn another_things(endpoint: &VpcEndpoint, listed: &ListedInterface) -> Option<(String, String)> {
    /// What EC2 and its imitations call an endpoint's.
    const OF_ENDPOINTS: [&str; 2] = ["vpc_endpoint", "interface"];
    let (interface, id) = (&listed.interface.id, &endpoint.id);
    let named = || format!("{id} names {interface}");
    if let Some(vpc) = listed.vpc.as_deref().filter(|vpc| *vpc != endpoint.vpc.as_str()) {
        return Some((
            format!("{interface}, a network interface of {id}, is in {vpc}"),
            format!("{id} is in {}", endpoint.vpc),
        ));
    }
    if let Some(other) = listed.endpoint.as_deref().filter(|other| *other != id.as_str()) {
        return Some((named(), format!("by its Description it is of {other}")));
    }
    if let Some(instance) = &listed.instance {
        return Some((named(), format!("it is attached to {instance}")));
    }
    let kind = listed.kind.as_deref().filter(|kind| !OF_ENDPOINTS.contains(kind))?;
    Some((named(), format!("its InterfaceType is {kind}")))
}

/// The subnet of a network interface that is none of the endpoint's.
fn in_another_subnet(listed: &ListedEndpoint, interface: &ListedInterface) -> Option<(String, String)> {
    let (subnets, subnet) = (listed.subnets.as_ref()?, interface.subnet.as_ref()?);
    let (id, endpoint) = (&interface.interface.id, &listed.endpoint.id);
    let one = || format!("{id} of {endpoint} is in {subnet}");
    (!subnets.contains(subnet)).then(|| (one(), format!("{subnet} is not among the SubnetIds of {endpoint}")))
}

fn works(state: &EndpointState) -> bool {
    match state {
        EndpointState::Available | EndpointState::Partial | EndpointState::Absent | EndpointState::Other(_) => true,
        EndpointState::Pending
        | EndpointState::PendingAcceptance
        | EndpointState::Deleting
        | EndpointState::Deleted
        | EndpointState::Rejected
        | EndpointState::Failed
        | EndpointState::Expired => false,
    }
}
