//! From what the files hold to one inventory, with a reason for everything they do not.

mod agreement;

use super::{
    FilesError, NETWORK_INTERFACES, PREFIX_LISTS, Place, ROUTE_TABLES, SUBNETS, Source, VPC_ENDPOINTS,
    document::File,
    listing::{Differing, Listings, Page, file_name, listing_of, name_of},
    prefix_list_of,
    relevant::Relevant,
    shapes::{
        Checked, ListedEndpoint, ListedInterface, ListedNatGateway, ListedPrefixList, ListedSubnet, ListedTable,
        ListedVpc, Row, Unclear,
    },
};
use crate::import::{
    convert::{are_all_dynamodb_lists, is_dynamodb_prefix_list},
    lists::lists_by_route,
};
use crate::model::{
    AccountId, Destination, EndpointInterface, EndpointState, Gap, Inventory, ListFamily, Observed, OwnRange,
    PrefixList, PrefixListId, Route, RouteTableId, Seconds, SubnetId, Timestamp, VpcEndpoint, VpcFacts, VpcId,
    is_private, may_be_dynamodbs, region_in_text, regions, shell_word,
};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::{Path, PathBuf},
};

/// Everything under one key, from all files that have it.
struct Pieces<T> {
    /// By id, with the file it was first found in.
    items: BTreeMap<String, (T, PathBuf)>,
    /// The oldest file's time; `None` while no file has the key.
    at: Option<Timestamp>,
    listings: Listings,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), at: None, listings: Listings::default() }
    }
}

impl<T: Row> Pieces<T> {
    fn add(
        &mut self,
        (path, name, at, token): (&Path, &str, Timestamp, &Option<String>),
        items: Option<Vec<Checked<T>>>,
    ) -> Result<(), FilesError> {
        let Some(items) = items else { return Ok(()) };
        self.at = Some(self.at.map_or(at, |oldest| oldest.min(at)));
        let mut scopes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut with_main = BTreeSet::new();
        for Checked(item) in &items {
            if let Some(scope) = item.scope() {
                scopes.entry(scope.to_owned()).or_default().insert(item.id().to_owned());
                if item.is_main() {
                    with_main.insert(scope.to_owned());
                }
            }
        }
        let page = Page {
            path: path.to_owned(),
            token: token.clone(),
            rows: items.iter().map(|Checked(item)| item.id().to_owned()).collect(),
            with_main,
            scopes,
            at,
        };
        self.listings.add(name, page);
        items.into_iter().try_for_each(|Checked(item)| self.insert(item.key(), item, path))
    }

    fn insert(&mut self, key: String, item: T, path: &Path) -> Result<(), FilesError> {
        match self.items.entry(key) {
            Entry::Vacant(free) => {
                free.insert((item, path.to_owned()));
            }
            Entry::Occupied(mut known) => {
                let (old, first) = known.get_mut();
                if *old != item
                    && let Err(field) = old.merge(&item)
                {
                    let (first, second) = (first.clone(), path.to_owned());
                    return Err(FilesError::Conflict { field, id: item.id().to_owned(), first, second });
                }
            }
        }
        Ok(())
    }
}

impl<T> Pieces<T> {
    /// When it was collected, if all of it was; else why not.
    fn complete(&self, source: Source, place: Place<'_>) -> Result<Timestamp, Gap> {
        let (key, command) = (source.key, source.command_into(place));
        match (self.at, self.listings.cut_off()) {
            (Some(at), None) => Ok(at),
            (Some(_), Some(cut_off)) => {
                Err(Gap::Truncated { detail: Gap::with_command(&format!("{key} are cut off: {cut_off}"), &command) })
            }
            (None, _) => {
                let because = Gap::with_command(&format!("no {key} in {}", place.dir.display()), &command);
                Err(Gap::NotTried { because })
            }
        }
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.items.values().map(|(item, _)| item)
    }
}

/// What the files hold, by key.
#[derive(Default)]
pub(super) struct Collected {
    route_tables: Pieces<ListedTable>,
    subnets: Pieces<ListedSubnet>,
    vpc_endpoints: Pieces<ListedEndpoint>,
    prefix_lists: Pieces<ListedPrefixList>,
    /// Whether some list had a state, those of other Regions included.
    lists_have_states: bool,
    network_interfaces: Pieces<ListedInterface>,
    /// The accounts that own VPCs, as DescribeVpcs has them.
    vpc_owners: BTreeMap<VpcId, BTreeSet<AccountId>>,
    entries: BTreeMap<PrefixListId, Entries>,
    /// The lists of whose entries it is not known which Region's they are, with the reason.
    ambiguous_entries: BTreeMap<PrefixListId, Gap>,
    /// The ranges of VPCs, as DescribeVpcs has them.
    vpc_ranges: Vec<OwnRange>,
    /// Each with its file.
    nat_gateways: Vec<(ListedNatGateway, PathBuf)>,
    /// What was not read, and why.
    pub(super) not_read: Vec<String>,
    /// The VPCs of other Regions.
    left_out: BTreeSet<VpcId>,
    /// Whether there are subnets, and all of them of other Regions.
    all_elsewhere: bool,
}

/// The entries of one list, from all files named by it.
struct Entries {
    /// By the name of the listing: what each file of that name has.
    cidrs: BTreeMap<String, Vec<Part>>,
    at: Timestamp,
    listings: Listings,
}

/// The entries of one file.
struct Part {
    file: String,
    has_token: bool,
    ranges: BTreeSet<IpNet>,
}

impl Entries {
    /// The entries, where every listing of them has the same.
    ///
    /// # Errors
    /// Two listings that differ: which one is newer is not known.
    fn agreed(&self, id: &PrefixListId) -> Result<Vec<IpNet>, Gap> {
        let mut listings = self.listings();
        let Some((first, entries)) = listings.next() else { return Ok(Vec::new()) };
        let differs = |(file, other): (&str, BTreeSet<IpNet>)| differing(id, (first, &entries), (file, &other));
        listings.find_map(differs).map_or_else(|| Ok(entries.iter().copied().collect()), Err)
    }

    /// The whole listings, each with its first file: the files of one name where they are pages, else each file.
    fn listings(&self) -> impl Iterator<Item = (&str, BTreeSet<IpNet>)> {
        self.cidrs.values().flat_map(|parts| {
            let size = if parts.iter().any(|part| part.has_token) { parts.len() } else { 1 };
            parts.chunks(size.max(1)).filter_map(|listing| {
                let ranges = listing.iter().flat_map(|part| &part.ranges).copied().collect();
                Some((listing.first()?.file.as_str(), ranges))
            })
        })
    }

    /// What a part of the entries has against all ranges of the other API's answer.
    fn beyond(&self, id: &PrefixListId, all: &[IpNet]) -> Option<Gap> {
        let all: BTreeSet<IpNet> = all.iter().map(IpNet::trunc).collect();
        let mut entries = self.cidrs.values().flatten().flat_map(|part| &part.ranges);
        let entry = entries.find(|entry| !all.contains(*entry))?;
        let one = format!("{entry} is an entry of {id} by get-managed-prefix-list-entries");
        Some(Gap::Conflicting { one, other: "it is none by describe-prefix-lists".to_owned() })
    }
}

impl Collected {
    /// Adds one document of a file. Each after the first is a listing of its own: nothing says that it goes on with another.
    pub(super) fn add(
        &mut self,
        (path, number, at): (&Path, usize, Timestamp),
        file: File,
        relevant: &Relevant,
    ) -> Result<(), FilesError> {
        let token = file.next_page;
        let name = match number {
            0 => name_of(path).to_owned(),
            after => format!("{}, {after} documents before", name_of(path)),
        };
        let from = (path, name.as_str(), at, &token);
        self.route_tables.add(from, file.route_tables.map(|tables| relevant.of_tables(tables)))?;
        self.subnets.add(from, file.subnets)?;
        self.vpc_endpoints.add(from, file.vpc_endpoints)?;
        let mut lists = file.prefix_lists.iter().flatten();
        self.lists_have_states |= lists.any(|Checked(list)| list.has_state());
        self.prefix_lists.add(from, file.prefix_lists)?;
        self.network_interfaces.add(from, file.network_interfaces)?;
        for ListedVpc { owner, ranges } in file.vpcs {
            if let Some((vpc, owner)) = owner {
                self.vpc_owners.entry(vpc).or_default().insert(owner);
            }
            self.vpc_ranges.extend(ranges);
        }
        self.nat_gateways.extend(file.nat_gateways.into_iter().map(|gateway| (gateway, path.to_owned())));
        if let Some(page) = file.entries {
            self.add_entries(path, at, token, page)?;
        }
        Ok(())
    }

    fn add_entries(
        &mut self,
        path: &Path,
        at: Timestamp,
        token: Option<String>,
        page: Vec<Checked<IpNet>>,
    ) -> Result<(), FilesError> {
        let list = prefix_list_of(path).ok_or_else(|| FilesError::NamelessEntries { file: path.to_owned() })?;
        let name = name_of(path).replacen(list.as_str(), "", 1);
        let empty = Entries { cidrs: BTreeMap::new(), at, listings: Listings::default() };
        // Which list they are of is what the file is called, so that a page without entries is of it too.
        let scopes = BTreeMap::from([(list.to_string(), BTreeSet::new())]);
        let known = self.entries.entry(list).or_insert(empty);
        let rows = page.iter().map(|Checked(cidr)| cidr.to_string()).collect();
        let part = Part {
            file: file_name(path),
            has_token: token.is_some(),
            ranges: page.into_iter().map(|Checked(cidr)| cidr.trunc()).collect(),
        };
        known.listings.add(&name, Page { path: path.to_owned(), token, rows, scopes, with_main: BTreeSet::new(), at });
        known.cidrs.entry(listing_of(&name).to_owned()).or_default().push(part);
        known.at = known.at.min(at);
        Ok(())
    }

    fn endpoints(&self) -> impl Iterator<Item = &VpcEndpoint> {
        self.vpc_endpoints.values().map(|listed| &listed.endpoint)
    }

    /// Whether any file had anything we know.
    pub(super) fn anything(&self) -> bool {
        let keys = [
            self.route_tables.at,
            self.subnets.at,
            self.vpc_endpoints.at,
            self.prefix_lists.at,
            self.network_interfaces.at,
        ];
        keys.iter().any(Option::is_some) || !self.entries.is_empty()
    }

    /// The one Region of the files: as DynamoDB's and other prefix lists and the subnets' zones and ARNs have it, else the
    /// services of endpoints, which may be another Region's.
    pub(super) fn region(&self) -> Result<Option<String>, FilesError> {
        let lists = self.prefix_lists.values().filter_map(|list| list.name.as_deref());
        let services = self.endpoints().filter_map(|endpoint| endpoint.service.as_deref());
        let zones =
            self.subnets.values().filter_map(|listed| Some((listed.region.as_deref()?, listed.subnet.id.as_str())));
        let mut lists_and_zones: BTreeMap<&str, &str> = zones.collect();
        lists_and_zones.extend(regions(lists));
        for found in [lists_and_zones, regions(services)] {
            if found.len() > 1 {
                let found = found.iter().map(|(region, name)| format!("{region} in {name}")).collect();
                return Err(FilesError::Regions { found });
            }
            if let Some(region) = found.keys().next() {
                return Ok(Some((*region).to_owned()));
            }
        }
        Ok(None)
    }

    /// Leaves out what is of another Region than `region`: its prefix lists and its VPCs.
    ///
    /// # Errors
    /// Two files that differ about one list.
    pub(super) fn only(&mut self, region: &str) -> Result<(), FilesError> {
        self.only_entries(region);
        for (list, file) in std::mem::take(&mut self.prefix_lists.items).into_values() {
            if list.region.as_deref().is_none_or(|of| of == region) {
                self.prefix_lists.insert(list.id.to_string(), list, &file)?;
            }
        }
        let vpcs = self.elsewhere(region);
        let before = self.subnets.items.len();
        self.subnets.items.retain(|_, (listed, _)| !vpcs.contains(&listed.subnet.vpc));
        self.route_tables.items.retain(|_, (listed, _)| !vpcs.contains(&listed.table.vpc));
        self.vpc_endpoints.items.retain(|_, (listed, _)| !vpcs.contains(&listed.endpoint.vpc));
        self.network_interfaces.items.retain(|_, (listed, _)| {
            let is_elsewhere = match listed.vpc.as_deref() {
                Some(vpc) => vpcs.contains(&VpcId::from(vpc)),
                None => listed.region.as_deref().is_some_and(|of| of != region),
            };
            !is_elsewhere
        });
        self.nat_gateways
            .retain(|(gateway, _)| gateway.vpc.as_deref().is_none_or(|vpc| !vpcs.contains(&VpcId::from(vpc))));
        self.all_elsewhere = before > 0 && self.subnets.items.is_empty();
        self.left_out = vpcs;
        Ok(())
    }

    /// Leaves out the entries of another Region's list. AWS gives one id to lists of different Regions, and the entries do not say
    /// which list's they are: the name of their file may.
    fn only_entries(&mut self, region: &str) {
        let mut regions_of: BTreeMap<&PrefixListId, BTreeSet<&str>> = BTreeMap::new();
        for list in self.prefix_lists.values() {
            regions_of.entry(&list.id).or_default().extend(list.region.as_deref());
        }
        for (id, entries) in &mut self.entries {
            let elsewhere = regions_of.get(id).and_then(|all| all.iter().find(|other| **other != region));
            let is_ours = |name: &str| name.to_ascii_lowercase().contains(region);
            let is_theirs = |name: &str| !is_ours(name) && region_in_text(&name.to_ascii_lowercase()).is_some();
            for name in entries.cidrs.keys().filter(|name| is_theirs(name)) {
                let name = name.to_ascii_lowercase();
                let of = region_in_text(&name).unwrap_or_default();
                self.not_read.push(format!("the entries of {id} in the files named {name:?}: they are {of}'s"));
            }
            entries.cidrs.retain(|name, _| !is_theirs(name));
            let nameless = entries.cidrs.keys().find(|name| !is_ours(name));
            if let (Some(other), Some(_)) = (elsewhere, nameless) {
                let one = format!("there is a {id} in {other}, too");
                let other = format!("the file with entries does not say that they are {region}'s");
                self.ambiguous_entries.insert(id.clone(), Gap::Conflicting { one, other });
            }
        }
        self.entries.retain(|_, entries| !entries.cidrs.is_empty());
    }

    /// The VPCs of whose subnets some are in no listing: a network interface, an endpoint or a NAT gateway is in one.
    fn unlisted_subnets(&self) -> BTreeMap<VpcId, Gap> {
        let mut unlisted = BTreeMap::new();
        let vpcs: BTreeSet<&VpcId> = self.subnets.values().map(|listed| &listed.subnet.vpc).collect();
        let of_interfaces = self.network_interfaces.items.values().filter_map(|(listed, file)| {
            let at = format!("{} in {}", listed.interface.id, file.display());
            Some((at, listed.subnet.as_deref()?, listed.vpc.as_deref()))
        });
        let endpoints = self.vpc_endpoints.items.values();
        let endpoints = endpoints.filter(|(listed, _)| listed.endpoint.state != EndpointState::Deleted);
        let of_endpoints = endpoints.flat_map(|(listed, file)| {
            let at = format!("{} in {}", listed.endpoint.id, file.display());
            let subnets = listed.subnets.iter().flatten();
            subnets.map(move |subnet| (at.clone(), subnet.as_str(), Some(listed.endpoint.vpc.as_str())))
        });
        let of_nat_gateways = self
            .nat_gateways
            .iter()
            .map(|(nat, file)| (format!("{} in {}", nat.id, file.display()), nat.subnet.as_str(), nat.vpc.as_deref()));
        for (at, subnet, vpc) in of_interfaces.chain(of_endpoints).chain(of_nat_gateways) {
            if self.subnets.items.contains_key(subnet) {
                continue;
            }
            let detail = format!("{at} is in {subnet}, which is not among them; --vpc audits one VPC alone");
            let gap = Gap::Truncated { detail };
            match vpc {
                Some(vpc) => drop(unlisted.entry(VpcId::from(vpc)).or_insert(gap)),
                // It may be in any.
                None => vpcs.iter().for_each(|vpc| {
                    unlisted.entry(VpcId::clone(vpc)).or_insert_with(|| gap.clone());
                }),
            }
        }
        unlisted
    }

    /// Notes in each route by a prefix list which address family that has: a list that is not read cannot win for the other.
    fn note_families(&mut self) {
        // Where it has ranges that are not believed, its family is not believed either.
        let unread = |list: &&ListedPrefixList| list.cidrs.is_none() && !self.entries.contains_key(&list.id);
        let mut families: BTreeMap<PrefixListId, Option<ListFamily>> = BTreeMap::new();
        for list in self.prefix_lists.values() {
            let family = list.family().filter(|_| unread(&list));
            let known = families.entry(list.id.clone()).or_insert(family);
            *known = known.filter(|known| Some(*known) == family);
        }
        let family_of = |route: &Route| match &route.destination {
            Destination::PrefixList(list) => families.get(list).copied().flatten(),
            Destination::Cidr(_) => None,
        };
        for (listed, _) in self.route_tables.items.values_mut() {
            let routes = &listed.table.routes;
            if routes.iter().any(|route| family_of(route).is_some()) {
                let noted = |route: &Route| Route { family: family_of(route), ..route.clone() };
                listed.table.routes = routes.iter().map(noted).collect();
            }
        }
    }

    /// A subnet that is listed without addresses of a family, and in which a network interface has one, is not without them: one of the
    /// two listings is older than the last change.
    fn note_addresses(&mut self) {
        for (listed, _) in self.network_interfaces.items.values() {
            let Some((subnet, _)) = listed.subnet.as_ref().and_then(|id| self.subnets.items.get_mut(id)) else {
                continue;
            };
            let has = |is_ipv4: bool| listed.interface.addresses.iter().any(|address| address.is_ipv4() == is_ipv4);
            subnet.subnet.ipv6_native &= !has(true);
            subnet.subnet.without_ipv6 &= !has(false);
        }
    }

    pub(super) fn inventory(mut self, place: Place<'_>, region: String) -> Inventory {
        self.note_families();
        self.note_addresses();
        let differing = self.route_tables.listings.differing();
        let (partial, selected_routes, unknown_ranges) =
            (self.partial(&differing), self.selected_routes(&differing), self.unknown_ranges());
        let contradictory = self.contradictory(&region);
        let unlisted_subnets = if self.subnets.at.is_some() { self.unlisted_subnets() } else { BTreeMap::new() };
        let of_subnets = OwnRange::of_subnets(self.subnets.values().map(|listed| &listed.subnet));
        let of_vpcs = self.vpc_ranges.iter().filter(|own| !is_private(&own.range)).cloned();
        let own_ranges = of_subnets.chain(of_vpcs).collect();
        let accounts = self.network_interfaces.values().filter_map(|listed| listed.owner.clone()).collect();
        let prefix_lists = self.needed_prefix_lists(place, &region);
        let mut service_prefix_lists = self.service_prefix_lists(place, &region);
        if let Some(known) = service_prefix_lists.seen_mut() {
            match self.lists_by_route(known, &region) {
                Ok(further) => known.extend(further),
                Err(gap) => service_prefix_lists = Observed::Unseen(gap),
            }
        }
        let facts = VpcFacts {
            endpoint_interfaces: self.endpoint_interfaces(place, &region),
            service_prefix_lists,
            prefix_lists,
            route_tables: observed(self.route_tables, ROUTE_TABLES, place, |listed| listed.table),
            vpc_endpoints: observed(self.vpc_endpoints, VPC_ENDPOINTS, place, |listed| listed.endpoint),
            gates: None,
            shared: None,
        };
        let subnets = if self.all_elsewhere {
            let detail = format!("all Subnets in {} are of other Regions than {region}", place.dir.display());
            Observed::Unseen(Gap::NotFound { detail })
        } else {
            observed(self.subnets, SUBNETS, place, |listed| listed.subnet)
        };
        Inventory {
            region,
            subnets,
            facts,
            partial,
            selected_routes,
            unknown_ranges,
            contradictory,
            own_ranges,
            unlisted_subnets,
            vpc_owners: self.vpc_owners,
            accounts,
            left_out: self.left_out,
            not_read: self.not_read,
        }
    }

    /// The tables of which the files hold a part of the routes only, or of which they contradict each other about whether they are there.
    fn selected_routes(&self, differing: &[Differing<'_>]) -> BTreeMap<RouteTableId, Gap> {
        let selected = self.route_tables.items.values().filter(|(listed, _)| !listed.has_local);
        let gap = |file: &Path| Gap::Truncated {
            detail: format!(
                "in {} it has no local route, which every table has: its routes are a selection",
                file.display()
            ),
        };
        let differing = differing.iter().map(|(_, table, gap)| (RouteTableId::from(*table), gap.clone()));
        differing.chain(selected.map(|(listed, file)| (listed.table.id.clone(), gap(file)))).collect()
    }

    /// The subnets whose ranges the files do not hold.
    fn unknown_ranges(&self) -> BTreeMap<SubnetId, Gap> {
        let without = self.subnets.items.values().filter(|(listed, _)| !listed.whole);
        let gap = |file: &Path| Gap::Truncated { detail: format!("in {} it has no CidrBlock", file.display()) };
        without.map(|(listed, file)| (listed.subnet.id.clone(), gap(file))).collect()
    }

    /// The VPCs with a table of which not all associations are known.
    fn unclear(&self) -> impl Iterator<Item = (VpcId, Gap)> {
        self.route_tables.items.values().filter_map(|(listed, file)| {
            let table = &listed.table;
            let what = match listed.unclear? {
                Unclear::Absent => "no Associations",
                Unclear::Nameless => "an association without SubnetId, GatewayId, PublicIpv4Pool or Main",
            };
            let detail = format!("{} has {what} in {}: which subnets it serves is not known", table.id, file.display());
            Some((table.vpc.clone(), Gap::Truncated { detail }))
        })
    }

    /// The VPCs of which an endpoint names a table that no file holds, though they hold others: then the files are part of
    /// an answer, as of one that was filtered, and a subnet's own table may be missing as well. So are two answers that differ.
    fn partial(&self, differing: &[Differing<'_>]) -> BTreeMap<VpcId, Gap> {
        let tables = &self.route_tables.items;
        let vpcs: BTreeSet<_> = self.route_tables.values().map(|listed| &listed.table.vpc).collect();
        let endpoints = self.endpoints().filter(|endpoint| vpcs.contains(&endpoint.vpc));
        let partial = endpoints.filter_map(|endpoint| {
            let lacking = endpoint.unlisted_table(|id| tables.contains_key(id.as_str()))?;
            let detail = format!(
                "{lacking}, which {} names, is in no file: these are not all route tables of {}",
                endpoint.id, endpoint.vpc
            );
            Some((endpoint.vpc.clone(), Gap::Truncated { detail }))
        });
        let differing = differing.iter().map(|(vpc, _, gap)| (VpcId::from(*vpc), gap.clone()));
        partial.chain(self.unclear()).chain(differing).collect()
    }

    /// The interfaces that endpoints name. Those of DynamoDB's interface endpoints must all be there.
    fn endpoint_interfaces(&self, place: Place<'_>, region: &str) -> Observed<Vec<EndpointInterface>> {
        let endpoints_at = match self.vpc_endpoints.complete(VPC_ENDPOINTS, place) {
            Ok(at) => at,
            Err(gap) => return Observed::Unseen(gap),
        };
        let needed: BTreeSet<&str> = self
            .endpoints()
            .filter(|e| e.may_have_addresses() && may_be_dynamodbs(e.service.as_deref(), region))
            .flat_map(|endpoint| endpoint.interfaces.iter().map(|id| id.as_str()))
            .collect();
        let lacking = needed.iter().find(|id| !self.network_interfaces.items.contains_key(**id));
        if let Some(id) = lacking {
            let gap =
                self.network_interfaces.complete(NETWORK_INTERFACES, place).err().unwrap_or_else(|| Gap::NotFound {
                    detail: format!(
                        "{id}, an endpoint's network interface, among the NetworkInterfaces in {}",
                        place.dir.display()
                    ),
                });
            return Observed::Unseen(gap);
        }
        if let Some(gap) = self.interfaces_conflict(region) {
            return Observed::Unseen(gap);
        }
        let named = self.endpoints().flat_map(|endpoint| &endpoint.interfaces);
        let known = named.filter_map(|id| self.network_interfaces.items.get(id.as_str()));
        let at = self.network_interfaces.at.map_or(endpoints_at, |at| at.min(endpoints_at));
        Observed::Seen {
            value: known.map(|(listed, _)| listed.interface.clone()).collect(),
            at,
            took: Seconds::default(),
        }
    }

    fn service_prefix_lists(&self, place: Place<'_>, region: &str) -> Observed<Vec<PrefixListId>> {
        let value = self.dynamodb_lists(region);
        let listed = self.prefix_lists.values().filter(|list| value.contains(&list.id));
        let is_whole = are_all_dynamodb_lists(listed.filter_map(|list| list.name.as_deref()), region);
        if !is_whole && let Some(list) = self.named_by_a_customer(region) {
            let one = format!("{} has the name of DynamoDB's prefix list", list.id);
            let other = format!("its owner is {}, not AWS", list.owner.as_deref().unwrap_or_default());
            return Observed::Unseen(Gap::Conflicting { one, other });
        }
        match self.prefix_lists.complete(PREFIX_LISTS, place) {
            // Another of DynamoDB's lists, as of IPv6, may be on the page that is missing.
            Err(gap) => Observed::Unseen(gap),
            Ok(_) if let Some(gap) = self.prefix_lists.values().find_map(ListedPrefixList::unclear_name) => {
                Observed::Unseen(gap)
            }
            Ok(at) if is_whole => Observed::Seen { value, at, took: Seconds::default() },
            // Every Region has the list: the files hold other lists, that of IPv6 alone, or another Region's.
            Ok(_) => Observed::Unseen(Gap::NotFound {
                detail: Gap::with_command(
                    &format!("no prefix list named com.amazonaws.{region}.dynamodb in {}", place.dir.display()),
                    &PREFIX_LISTS.command_into(place),
                ),
            }),
        }
    }

    /// A list that has the name of DynamoDB's, and another owner.
    fn named_by_a_customer(&self, region: &str) -> Option<&ListedPrefixList> {
        let is_named = |list: &&ListedPrefixList| {
            !list.is_of_aws() && list.name.as_deref().is_some_and(|name| is_dynamodb_prefix_list(name, region))
        };
        self.prefix_lists.values().find(is_named)
    }

    fn dynamodb_lists(&self, region: &str) -> Vec<PrefixListId> {
        let is_ours = |list: &&ListedPrefixList| {
            // A customer may give a list any name.
            list.is_of_aws() && list.name.as_deref().is_some_and(|name| is_dynamodb_prefix_list(name, region))
        };
        self.prefix_lists.values().filter(is_ours).map(|list| list.id.clone()).collect()
    }

    /// DynamoDB's lists beside those of its name.
    ///
    /// # Errors
    /// If one is a customer's, which cannot lead to DynamoDB's endpoint.
    fn lists_by_route(&self, by_name: &[PrefixListId], region: &str) -> Result<Vec<PrefixListId>, Gap> {
        let tables = self.route_tables.values().map(|listed| &listed.table);
        let found = lists_by_route(tables, self.endpoints(), by_name, region);
        let is_customers =
            |id: &&PrefixListId| self.prefix_lists.values().any(|list| list.id == **id && !list.is_of_aws());
        match found.iter().find(is_customers) {
            Some(id) => Err(Gap::Conflicting {
                one: format!("a route leads {id} to DynamoDB's gateway endpoint"),
                other: "it is a customer's".to_owned(),
            }),
            None => Ok(found),
        }
    }

    /// The lists that routes name, and DynamoDB's.
    fn needed_prefix_lists(&self, place: Place<'_>, region: &str) -> BTreeMap<PrefixListId, Observed<PrefixList>> {
        let routes = self.route_tables.values().flat_map(|listed| &listed.table.routes);
        let named = routes.filter_map(|route| match &route.destination {
            Destination::PrefixList(id) => Some(id.clone()),
            Destination::Cidr(_) => None,
        });
        let needed: BTreeSet<PrefixListId> = named.chain(self.dynamodb_lists(region)).collect();
        needed.into_iter().map(|id| (id.clone(), self.prefix_list(id, place))).collect()
    }

    /// One list: its ranges stand beside its name in one API's answer, in a file of their own in the other's.
    fn prefix_list(&self, id: PrefixListId, place: Place<'_>) -> Observed<PrefixList> {
        let listed = self.prefix_lists.items.get(id.as_str()).map(|(list, _)| list);
        let inline = listed.and_then(|list| list.cidrs.as_ref()).zip(self.prefix_lists.at);
        // Where the other API's answer has its ranges, these are compared with it.
        if let Some(gap) = self.ambiguous_entries.get(&id).filter(|_| inline.is_none()) {
            return Observed::Unseen(gap.clone());
        }
        if let Some(gap) = listed.and_then(|list| list.changing(self.lists_have_states)) {
            return Observed::Unseen(gap);
        }
        let cut_off = self.entries.get(&id).filter(|entries| entries.listings.cut_off().is_some());
        if let Some(gap) = cut_off.zip(inline.as_ref()).and_then(|(part, (all, _))| part.beyond(&id, all)) {
            return Observed::Unseen(gap);
        }
        let own = self.entries.get(&id).filter(|entries| entries.listings.cut_off().is_none());
        let own = match own.map(|entries| Ok((entries.agreed(&id)?, entries.at))).transpose() {
            Ok(own) => own,
            Err(gap) => return Observed::Unseen(gap),
        };
        let inline = inline.map(|(entries, at)| (entries.clone(), at));
        let both = inline.as_ref().zip(own.as_ref());
        if let Some(gap) = both.and_then(|((listed, _), (own, _))| disagreement(&id, listed, own)) {
            return Observed::Unseen(gap);
        }
        let known = inline.or(own);
        let family = listed.zip(known.as_ref());
        if let Some(gap) = family.and_then(|(listed, (entries, _))| listed.of_another_family(entries)) {
            return Observed::Unseen(gap);
        }
        match known {
            Some((entries, at)) => {
                let name = listed.and_then(|list| list.name.clone());
                Observed::Seen { value: PrefixList { id, name, entries: entries.into() }, at, took: Seconds::default() }
            }
            None => {
                let region = place.region_flag();
                let word = shell_word(id.as_str());
                let file = shell_word(&place.dir.join(format!("{id}.json")).display().to_string()).into_owned();
                let command =
                    format!("aws ec2 get-managed-prefix-list-entries{region} --prefix-list-id {word} > {file}");

                let cut_off = self.entries.get(&id).and_then(|entries| entries.listings.cut_off());
                Observed::Unseen(match cut_off {
                    Some(cut_off) => {
                        let cut_off = format!("the entries of {id} are cut off: {cut_off}");
                        Gap::Truncated { detail: Gap::with_command(&cut_off, &command) }
                    }
                    None => {
                        let nowhere = format!("the entries of {id} are in no file of {}", place.dir.display());
                        Gap::NotTried { because: Gap::with_command(&nowhere, &command) }
                    }
                })
            }
        }
    }
}

/// Why neither of two answers about one list is taken: they differ, and which one is newer is not known.
fn disagreement(id: &PrefixListId, listed: &[IpNet], entries: &[IpNet]) -> Option<Gap> {
    let set = |ranges: &[IpNet]| ranges.iter().map(IpNet::trunc).collect::<BTreeSet<_>>();
    let apis = ("describe-prefix-lists", "get-managed-prefix-list-entries");
    differing(id, (apis.0, &set(listed)), (apis.1, &set(entries)))
}

/// The first range that one of two answers about a list has and the other has not.
fn differing(
    id: &PrefixListId,
    (one, ranges): (&str, &BTreeSet<IpNet>),
    (other, others): (&str, &BTreeSet<IpNet>),
) -> Option<Gap> {
    let differing = ranges.symmetric_difference(others).next()?;
    let (has, lacks) = if ranges.contains(differing) { (one, other) } else { (other, one) };
    Some(Gap::Conflicting {
        one: format!("{has} gives {differing} as a range of {id}"),
        other: format!("{lacks} does not"),
    })
}

fn observed<T, U>(pieces: Pieces<T>, source: Source, place: Place<'_>, item: fn(T) -> U) -> Observed<Vec<U>> {
    match pieces.complete(source, place) {
        Ok(at) => {
            let value = pieces.items.into_values().map(|(listed, _)| item(listed)).collect();
            Observed::Seen { value, at, took: Seconds::default() }
        }
        Err(gap) => Observed::Unseen(gap),
    }
}
