//! What the rules read: the facts and what was concluded of them.

use super::missing::{Lack, lacks_of_round};
use crate::{
    judge::{
        address::Judged,
        coverage::{Coverage, Range},
        kernel_paths::Elsewhere,
        lookup::{Match, Selection, read},
        path::Reader,
        round::Named,
    },
    model::{
        AddressReport, Destination, EndpointPolicy, EndpointType, Gate, InterfaceReport, Missing, RouteTableId,
        Severity, Snapshot, SubnetId, Target, VpcEndpoint, VpcEndpointId, VpcId,
    },
};
use std::{collections::BTreeSet, net::IpAddr};

/// The facts and what was concluded of them: of a round, or of one subnet in an audit.
pub(in crate::judge) struct World<'a> {
    pub(super) reader: &'a Reader<'a>,
    /// The whole snapshot; `None` in an audit.
    pub(super) snapshot: Option<&'a Snapshot>,
    /// None in an audit.
    pub(super) names: &'a [Named<'a>],
    /// The route tables in use whose coverage is known.
    pub(super) tables: &'a [Table<'a>],
    /// What the kernel does elsewhere than with the addresses in use; `None` in an audit.
    pub(super) elsewhere: Option<&'a Elsewhere>,
    /// What was judged beside the addresses; nothing in an audit.
    pub(super) beside: Beside<'a>,
    /// The facts that are missing and worth a finding.
    pub(super) lacks: Vec<Lack<'a>>,
    /// Whether the outcome lacks a fact.
    pub(super) is_missing_facts: bool,
}

/// What was judged beside the addresses.
#[derive(Clone, Copy, Default)]
pub(in crate::judge) struct Beside<'a> {
    /// Every network interface of the instance.
    pub(in crate::judge) interfaces: &'a [InterfaceReport],
    /// What the policies of the endpoints in use say.
    pub(in crate::judge) policies: &'a [EndpointPolicy],
    /// What else lets requests through or stops them.
    pub(in crate::judge) gates: &'a [Gate],
}

impl<'a> World<'a> {
    /// A round; `missing` is what its outcome lacks.
    pub(in crate::judge) fn of_round(
        reader: &'a Reader<'a>,
        snapshot: &'a Snapshot,
        names: &'a [Named<'a>],
        tables: &'a [Table<'a>],
        elsewhere: &'a Elsewhere,
        missing: &'a [Missing],
    ) -> Self {
        let lacks = lacks_of_round(snapshot, names, missing);
        Self {
            reader,
            snapshot: Some(snapshot),
            names,
            tables,
            elsewhere: Some(elsewhere),
            beside: Beside::default(),
            lacks,
            is_missing_facts: !missing.is_empty(),
        }
    }

    /// With what was judged beside the addresses.
    pub(in crate::judge) fn with(self, beside: Beside<'a>) -> Self {
        Self { beside, ..self }
    }

    /// One subnet of an audit, or what the audit as a whole lacks.
    pub(in crate::judge) fn of_audit(reader: &'a Reader<'a>, tables: &'a [Table<'a>], missing: &'a [Missing]) -> Self {
        let lacks = missing.iter().map(|missing| Lack::of(missing, Severity::Warning)).collect();
        Self {
            reader,
            snapshot: None,
            names: &[],
            tables,
            elsewhere: None,
            beside: Beside::default(),
            lacks,
            is_missing_facts: !missing.is_empty(),
        }
    }

    pub(super) fn names_in_use(&self) -> impl Iterator<Item = &'a Named<'a>> {
        self.names.iter().filter(|named| named.name.is_used())
    }

    /// The addresses in use.
    pub(super) fn judged(&self) -> impl Iterator<Item = &'a Judged<'a>> {
        self.names.iter().flat_map(Named::in_use)
    }

    /// The addresses in use.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &'a AddressReport> {
        self.judged().map(|judged| &judged.report)
    }

    /// Whether DynamoDB's prefix lists are known and the address is in none of them.
    pub(super) fn is_outside_lists(&self, address: IpAddr) -> bool {
        let facts = self.reader.facts;
        let Some(lists) = facts.service_prefix_lists.seen() else { return false };
        let read: Option<Vec<_>> = lists.iter().map(|id| read(&facts.prefix_lists, id).ok()).collect();
        read.is_some_and(|lists| !lists.iter().any(|list| list.entries.iter().any(|entry| entry.contains(&address))))
    }
}

/// A route table in use: what it does with DynamoDB's prefix list, and whose traffic it carries.
pub(in crate::judge) struct Table<'a> {
    pub(super) coverage: &'a Coverage<'a>,
    pub(super) vpc: &'a VpcId,
    pub(super) subnet: &'a SubnetId,
    /// The addresses that DNS gives; none in an audit.
    pub(super) in_use: &'a [IpAddr],
    /// The endpoint that the table leads a DynamoDB prefix list to, unless it is known to be something else, such as a
    /// firewall's.
    pub(super) endpoint: Option<&'a VpcEndpointId>,
}

impl<'a> Table<'a> {
    pub(in crate::judge) fn new(
        reader: &Reader<'_>,
        coverage: &'a Coverage<'a>,
        vpc: &'a VpcId,
        subnet: &'a SubnetId,
        in_use: &'a [IpAddr],
    ) -> Self {
        Self { coverage, vpc, subnet, in_use, endpoint: endpoint_of(reader, coverage) }
    }

    pub(super) fn id(&self) -> &'a RouteTableId {
        &self.coverage.table.id
    }

    /// Whether any of the list is in use, or nothing is known of what is.
    pub(super) fn is_in_use(&self) -> bool {
        let in_list = |address: &IpAddr| self.coverage.entries.iter().any(|entry| entry.contains(address));
        self.in_use.is_empty() || self.in_use.iter().any(in_list)
    }

    /// The ranges that meet `condition`, by the route that wins them.
    pub(super) fn by_winner(&self, condition: impl Fn(&Range<'a>) -> bool) -> Vec<(Match<'a>, Vec<&'a Range<'a>>)> {
        let mut groups: Vec<(Match<'a>, Vec<&'a Range<'a>>)> = Vec::new();
        for range in self.coverage.ranges.iter().filter(|range| condition(range)) {
            let Selection::One { winner, .. } = &range.selection else { continue };
            match groups.iter_mut().find(|(other, _)| std::ptr::eq(other.route, winner.route)) {
                Some((_, ranges)) => ranges.push(range),
                None => groups.push((*winner, vec![range])),
            }
        }
        groups
    }

    /// Critical where it hits an address in use, or the whole list; a warning where it waits for DNS to answer otherwise.
    pub(super) fn severity(&self, ranges: &[&Range<'_>]) -> Severity {
        let in_use = self.in_use.iter().any(|address| ranges.iter().any(|range| range.cidr.contains(address)));
        // Counts of addresses do not tell ranges of IPv6 apart: they end at `u64::MAX`.
        let whole = ranges.len() == self.coverage.ranges.len();
        if in_use || whole { Severity::Critical } else { Severity::Warning }
    }
}

fn endpoint_of<'t>(reader: &Reader<'_>, coverage: &Coverage<'t>) -> Option<&'t VpcEndpointId> {
    let lists: BTreeSet<_> = coverage.ranges.iter().map(|range| range.list).collect();
    let another = |id: &VpcEndpointId| {
        let endpoints = reader.facts.vpc_endpoints.seen().map_or(&[][..], Vec::as_slice);
        let known = |e: &VpcEndpoint| match e.kind {
            EndpointType::Gateway
            | EndpointType::Interface
            | EndpointType::GatewayLoadBalancer
            | EndpointType::Resource
            | EndpointType::ServiceNetwork
            | EndpointType::Tunnel => true,
            EndpointType::Absent | EndpointType::Other(_) => false,
        };
        let mut listed = endpoints.iter().filter(|e| e.id == *id).peekable();
        listed.peek().is_some() && listed.all(|e| known(e) && is_dynamodb_gateway(reader, e) == Ok(false))
    };
    coverage.table.routes.iter().find_map(|route| match (&route.destination, &route.target) {
        (Destination::PrefixList(list), Target::VpcEndpoint(id)) if lists.contains(list) && !another(id) => Some(id),
        _ => None,
    })
}

/// Whether an endpoint is a gateway endpoint of DynamoDB's; an error where Region or service is not known.
pub(super) fn is_dynamodb_gateway(reader: &Reader<'_>, endpoint: &VpcEndpoint) -> Result<bool, Missing> {
    if endpoint.kind == EndpointType::Gateway { reader.is_dynamodb(endpoint) } else { Ok(false) }
}
