//! `onnet audit`: every subnet, judged by its route table. No instance, no probe.

use super::{
    coverage::{Coverage, cover},
    explain::agreed,
    findings::{self, Table, World},
    path::{Reader, service_name},
    subnet::{Associations, despite_gaps, lacking_local_route},
    without_endpoint::{Afterwards, Counterfactual, answer},
};
use crate::model::{
    AssociationKind, AssociationState, Audit, CoverageRange, Finding, Gap, Inventory, Missing, NatRates, Observed,
    Outcome, RouteTable, SCHEMA, Severity, Subnet, SubnetAudit, SubnetId, Verdict, VpcId,
};
use ipnet::IpNet;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// Judges every subnet of the inventory, or of one VPC.
pub fn audit(inventory: &Inventory, vpc: Option<&VpcId>) -> Audit {
    let reader = Reader::of_inventory(inventory);
    let mut tables = Tables {
        reader: &reader,
        counterfactual: Counterfactual::of(&reader),
        associations: Associations::of(reader.facts),
        inventory,
        covered: BTreeMap::new(),
    };
    let mut subnets: Vec<SubnetAudit> = match &inventory.subnets {
        Observed::Seen { value, .. } => value
            .iter()
            .filter(|subnet| vpc.is_none_or(|vpc| subnet.vpc == *vpc))
            .map(|subnet| tables.audit(subnet))
            .collect(),
        Observed::Unseen(_) => Vec::new(),
    };
    subnets.sort_by(|a, b| (&a.vpc, Reverse(a.outcome), &a.subnet).cmp(&(&b.vpc, Reverse(b.outcome), &b.subnet)));

    let unlisted = unlisted(inventory, vpc);
    let unknown = (!unlisted.is_empty()).then_some(Outcome::Undetermined);
    let missing: Vec<Missing> = missing(inventory, vpc, subnets.is_empty()).into_iter().chain(unlisted).collect();
    let findings = findings::find(&World::of_audit(&reader, &[], &missing));
    Audit {
        schema: SCHEMA,
        region: inventory.region.clone(),
        service: service_name(&inventory.facts, &inventory.region),
        outcome: subnets.iter().map(|subnet| subnet.outcome).chain(unknown).max().unwrap_or(Outcome::Undetermined),
        findings,
        subnets,
        nat_cost: None,
    }
    .with_nat_cost(NatRates::LIST_PRICES)
}

/// The VPCs that have subnets which are not listed: a route table is associated with one, or a network interface is in one.
fn unlisted(inventory: &Inventory, vpc: Option<&VpcId>) -> Vec<Missing> {
    let Some(subnets) = inventory.subnets.seen() else { return Vec::new() };
    let listed: BTreeSet<&SubnetId> = subnets.iter().map(|subnet| &subnet.id).collect();
    let mut found: BTreeMap<&VpcId, Gap> = BTreeMap::new();
    for table in inventory.facts.route_tables.seen().into_iter().flatten() {
        let of_subnets = table.associations.iter().filter(|one| one.state != AssociationState::Gone);
        let mut of_subnets = of_subnets.filter_map(|one| one.with.subnet());
        if let Some(subnet) = of_subnets.find(|subnet| !listed.contains(subnet)) {
            let detail = format!(
                "{} is associated with {subnet}, which is not among them; --vpc audits one VPC alone",
                table.id
            );
            found.insert(&table.vpc, Gap::Truncated { detail });
        }
    }
    for (of, gap) in &inventory.unlisted_subnets {
        found.entry(of).or_insert_with(|| gap.clone());
    }
    let of_audit = found.into_iter().filter(|(of, _)| vpc.is_none_or(|vpc| vpc == *of));
    of_audit.map(|(of, gap)| Missing::new(format!("all subnets of {of}"), &gap)).collect()
}

/// What the audit as a whole lacks.
fn missing(inventory: &Inventory, vpc: Option<&VpcId>, without_subnets: bool) -> Vec<Missing> {
    let facts = &inventory.facts;
    let gaps = [
        ("the subnets", inventory.subnets.gap()),
        ("the route tables", facts.route_tables.gap()),
        ("the VPC endpoints", facts.vpc_endpoints.gap()),
        ("DynamoDB's prefix list", facts.service_prefix_lists.gap()),
    ];
    let gaps = gaps.into_iter().filter_map(|(what, gap)| Some(Missing::new(what, gap?)));
    let none = inventory.subnets.seen().filter(|_| without_subnets).map(|_| {
        let what = vpc.map_or("a subnet".to_owned(), |vpc| format!("a subnet of {vpc}"));
        Missing { what, why: Gap::NotFound { detail: "the list of subnets has none".into() } }
    });
    gaps.chain(none).collect()
}

/// The route tables, and what each does with DynamoDB's prefix list: many subnets share one.
struct Tables<'f> {
    reader: &'f Reader<'f>,
    counterfactual: Counterfactual,
    associations: Result<Associations<'f>, &'f Gap>,
    inventory: &'f Inventory,
    /// By the table itself: files may list one twice, and differently.
    covered: BTreeMap<*const RouteTable, Result<Coverage<'f>, Missing>>,
}

impl Tables<'_> {
    fn audit(&mut self, subnet: &Subnet) -> SubnetAudit {
        let found = match &self.associations {
            Ok(associations) => associations.table_of(&subnet.vpc, &subnet.id),
            Err(gap) => Err(Missing::new(format!("the route tables of {}", subnet.vpc), gap)),
        };
        let found = agreed(self.inventory, &subnet.vpc).and(found);
        let used = match despite_gaps(self.inventory, &subnet.vpc, found) {
            Ok(used) => used,
            Err(missing) => return self.not_judged(subnet, None, missing),
        };
        let table = used.0;
        let contradiction = ipv4_of_ipv6_only(subnet);
        if let Some(missing) = contradiction.or_else(|| lacking_local_route(table, subnet.id.as_str(), &subnet.cidrs)) {
            return self.not_judged(subnet, Some(used), missing);
        }
        let unknown_ranges = self.inventory.unknown_ranges.get(&subnet.id);
        match self.covered.entry(std::ptr::from_ref(table)).or_insert_with(|| cover(self.reader, table)) {
            Ok(coverage) => {
                let may_have_dns64 =
                    subnet.dns64.unwrap_or_else(|| may_have_ipv6(self.inventory, subnet) || coverage.has_ipv6_route());
                let is_special = may_have_dns64
                    || subnet.ipv6_native
                    || unknown_ranges.is_some()
                    || (subnet.without_ipv6 && coverage.has_ipv6_range());
                if !is_special && !coverage.overlaps(&subnet.cidrs) {
                    return judged((self.reader, &self.counterfactual), subnet, used, coverage);
                }
                let usable = |entry: &IpNet| !subnet.ipv6_native || matches!(entry, IpNet::V6(_));
                let of_family = |entry: &IpNet| !subnet.without_ipv6 || matches!(entry, IpNet::V4(_));
                let Ok(mut coverage) = coverage.clone().only(self.reader, of_family) else {
                    return self.not_judged(subnet, Some(used), without_family(subnet));
                };
                let unknown = subnet.dns64.is_none().then(|| unknown_dns64(&subnet.id));
                // What is off-net without DNS64 is so with it.
                if may_have_dns64 && !(unknown.is_some() && coverage.is_off_net(usable)) {
                    coverage.add_nat64(self.reader, unknown);
                }
                let Ok(mut coverage) = coverage.only(self.reader, usable) else {
                    return self.not_judged(subnet, Some(used), without_family(subnet));
                };
                coverage.take_out_subnet(self.reader, &subnet.vpc, &subnet.cidrs);
                if let Some(gap) = unknown_ranges {
                    coverage.open_where_subnet_could_hold(&subnet.id, gap);
                }
                judged((self.reader, &self.counterfactual), subnet, used, &coverage)
            }
            Err(missing) => {
                let missing = missing.clone();
                self.not_judged(subnet, Some(used), missing)
            }
        }
    }

    fn not_judged(
        &self,
        subnet: &Subnet,
        used: Option<(&RouteTable, AssociationKind)>,
        missing: Missing,
    ) -> SubnetAudit {
        let findings = findings::find(&World::of_audit(self.reader, &[], &[missing]));
        subnet_audit(subnet, used, Outcome::Undetermined, Vec::new(), findings)
    }
}

/// Whether programs in the subnet use the list's IPv4 ranges is not known: it is IPv6-only, and has a range of IPv4.
fn ipv4_of_ipv6_only(subnet: &Subnet) -> Option<Missing> {
    let cidr = subnet.cidrs.iter().filter(|_| subnet.ipv6_native).find(|cidr| cidr.addr().is_ipv4())?;
    let why = Gap::Conflicting { one: "Ipv6Native is true".to_owned(), other: format!("CidrBlock is {cidr}") };
    Some(Missing { what: format!("whether {} has IPv4 addresses", subnet.id), why })
}

/// Whether something other than its route table shows that the subnet may have IPv6 addresses.
fn may_have_ipv6(inventory: &Inventory, subnet: &Subnet) -> bool {
    let of_vpc = inventory.own_ranges.iter().filter(|own| own.vpc == subnet.vpc).map(|own| &own.range);
    subnet.ipv6_native || subnet.cidrs.iter().chain(of_vpc).any(|range| range.addr().is_ipv6())
}

/// Whether programs in the subnet reach the list's IPv4 ranges by IPv6 is not known.
fn unknown_dns64(subnet: &SubnetId) -> Missing {
    let what = format!("whether the resolver of {subnet} answers with addresses in 64:ff9b::/96 (EnableDns64)");
    Missing {
        what,
        why: Gap::NotFound {
            detail: "the answer has no EnableDns64: save all of `aws ec2 describe-subnets`".to_owned(),
        },
    }
}

/// What takes the place of the list's ranges in a subnet that has no addresses of their family.
fn without_family(subnet: &Subnet) -> Missing {
    let (own, of_list) = if subnet.ipv6_native { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
    let detail = format!("{} is {own}-only, and the prefix list has {of_list} ranges alone", subnet.id);
    let what = format!("the {own} addresses by which programs reach DynamoDB");
    Missing { what, why: Gap::NotFound { detail } }
}

fn judged(
    (reader, counterfactual): (&Reader<'_>, &Counterfactual),
    subnet: &Subnet,
    used: (&RouteTable, AssociationKind),
    coverage: &Coverage<'_>,
) -> SubnetAudit {
    let (outcome, ranges, findings) = of_coverage(reader, coverage, &subnet.vpc, &subnet.id);
    let Afterwards { carried, open } = counterfactual.verdicts(reader, coverage);
    let verdicts = |part: Vec<(IpNet, Verdict)>| part.into_iter().map(|(_, verdict)| verdict);
    let without_endpoint = answer(verdicts(carried), verdicts(open));
    SubnetAudit { without_endpoint, ..subnet_audit(subnet, Some(used), outcome, ranges, findings) }
}

/// What a subnet's table makes of the list, where no address is known to be in use.
pub(super) fn of_coverage(
    reader: &Reader<'_>,
    coverage: &Coverage<'_>,
    vpc: &VpcId,
    subnet: &SubnetId,
) -> (Outcome, Vec<CoverageRange>, Vec<Finding>) {
    let ranges = coverage.report();
    let table = Table::new(reader, coverage, vpc, subnet, &[]);
    let findings = findings::find(&World::of_audit(reader, &[table], &missing_of(&ranges)));
    (outcome(&ranges, &findings), ranges, findings)
}

fn subnet_audit(
    subnet: &Subnet,
    used: Option<(&RouteTable, AssociationKind)>,
    outcome: Outcome,
    coverage: Vec<CoverageRange>,
    findings: Vec<Finding>,
) -> SubnetAudit {
    SubnetAudit {
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        route_table: used.map(|(table, _)| table.id.clone()),
        association: used.map(|(_, association)| association),
        outcome,
        coverage,
        without_endpoint: None,
        findings,
    }
}

/// Every fact the ranges lack, each once.
pub(super) fn missing_of(coverage: &[CoverageRange]) -> Vec<Missing> {
    let mut all: Vec<Missing> = Vec::new();
    for range in coverage {
        if let Verdict::Undetermined(missing) = &range.verdict {
            for m in missing {
                if !all.contains(m) {
                    all.push(m.clone());
                }
            }
        }
    }
    all
}

/// What the ranges of the list come to where no address is known to be in use.
fn outcome(coverage: &[CoverageRange], findings: &[Finding]) -> Outcome {
    let any = |test: fn(&Verdict) -> bool| coverage.iter().any(|range| test(&range.verdict));
    let on_net = any(Verdict::is_on_net);
    let off_net = any(Verdict::is_off_net);
    let dropped = any(|verdict| matches!(verdict, Verdict::Dropped(_)));
    let open = any(|verdict| matches!(verdict, Verdict::Undetermined(_) | Verdict::Ambiguous(_)));
    match (on_net, off_net, dropped, open) {
        // What is not known may turn out to be on-net.
        (false, true, _, false) => Outcome::OffNet,
        (_, _, _, true) | (false, false, false, _) => Outcome::Undetermined,
        (false, false, true, false) => Outcome::Dropped,
        (true, true, _, false) | (true, _, true, false) => Outcome::AtRisk,
        (true, false, false, false) => {
            if findings.iter().any(|finding| finding.severity >= Severity::Warning) {
                Outcome::AtRisk
            } else {
                Outcome::OnNet
            }
        }
    }
}
