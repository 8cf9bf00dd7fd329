//! A listing in pages. The SDK's paginator ends without an error where a server repeats a token, and half a list would pass
//! for the whole: here the end is proved, or there is no list.

use crate::{
    model::{
        AccountId, AddressType, AssociatedWith, Association, AssociationState, Destination, EndpointInterface,
        EndpointState, EndpointType, Gap, InterfaceId, InternetGatewayId, Origin, PrefixList, Route, RouteState,
        RouteTable, RouteTableId, Subnet, Target, VpcEndpoint,
    },
    observe::limits::over,
};
use ipnet::IpNet;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    hash::{BuildHasher, RandomState},
};

/// How much of a listing is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingLimits {
    /// Its pages.
    pub pages: usize,
    /// Its items: route tables, endpoints, prefix lists, entries, network interfaces or subnets.
    pub items: usize,
    /// The bytes that its items take in memory.
    pub bytes: usize,
}

/// Why the pages of a listing are not the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ListingError {
    /// To follow it would go round for ever, and to stop would leave out what comes after.
    #[error("page {page} names the token of an earlier page as the next one")]
    RepeatedToken { page: usize },
    #[error("{id} is listed twice, with different contents")]
    Contradiction { id: String },
    #[error("more than {allowed} {what}")]
    Over { what: &'static str, allowed: usize, found: usize },
}

impl ListingError {
    /// The error as the reason for a missing fact.
    pub(super) fn gap(&self, action: &str) -> Gap {
        match self {
            Self::RepeatedToken { .. } => Gap::Malformed { detail: format!("{action}: {self}") },
            Self::Contradiction { id } => Gap::Conflicting {
                one: format!("{action} lists {id}"),
                other: format!("it lists {id} again with different contents"),
            },
            Self::Over { what, allowed, found } => over(format!("{what} of {action}"), *allowed, *found),
        }
    }
}

/// What a listing lists.
pub(super) trait Listed: PartialEq + Sized {
    /// What no other item of the listing shares.
    fn id(&self) -> String;

    /// The bytes that it takes in memory beside its own size.
    fn heap(&self) -> usize;
}

/// The pages so far.
#[derive(Debug)]
pub(super) struct Listing<T> {
    limits: ListingLimits,
    pages: usize,
    bytes: usize,
    /// Those of the pages so far, hashed: a server may send tokens of any length.
    tokens: HashSet<u64>,
    hasher: RandomState,
    /// Where in `items` an id is.
    places: HashMap<String, usize>,
    items: Vec<T>,
}

impl<T: Listed> Listing<T> {
    pub(super) fn new(limits: ListingLimits) -> Self {
        let (tokens, hasher, places) = (HashSet::new(), RandomState::new(), HashMap::new());
        Self { limits, pages: 0, bytes: 0, tokens, hasher, places, items: Vec::new() }
    }

    /// Adds a page, and gives the token to ask for the next one with; none after the last.
    ///
    /// # Errors
    /// See [`ListingError`]. What was listed so far is then not the whole.
    pub(super) fn add(&mut self, items: Vec<T>, next: Option<String>) -> Result<Option<String>, ListingError> {
        self.pages += 1;
        for item in items {
            self.add_item(item)?;
        }
        let Some(token) = next.filter(|token| !token.is_empty()) else { return Ok(None) };
        if !self.tokens.insert(self.hasher.hash_one(&token)) {
            return Err(ListingError::RepeatedToken { page: self.pages });
        }
        within("pages", self.limits.pages, self.pages + 1)?;
        Ok(Some(token))
    }

    /// An item that moved from one page to another between two requests is there twice, and counts once.
    fn add_item(&mut self, item: T) -> Result<(), ListingError> {
        match self.places.entry(item.id()) {
            Entry::Occupied(place) if self.items[*place.get()] == item => Ok(()),
            Entry::Occupied(place) => Err(ListingError::Contradiction { id: place.key().clone() }),
            Entry::Vacant(place) => {
                within("items", self.limits.items, self.items.len() + 1)?;
                self.bytes = self.bytes.saturating_add(size_of::<T>()).saturating_add(item.heap());
                within("bytes in memory", self.limits.bytes, self.bytes)?;
                place.insert(self.items.len());
                self.items.push(item);
                Ok(())
            }
        }
    }

    /// Every item once, in the order of the pages.
    pub(super) fn into_items(mut self) -> Vec<T> {
        self.items.shrink_to_fit();
        self.items
    }
}

fn within(what: &'static str, allowed: usize, found: usize) -> Result<(), ListingError> {
    if found > allowed { Err(ListingError::Over { what, allowed, found }) } else { Ok(()) }
}

/// The bytes of some texts.
pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    texts.into_iter().map(str::len).sum()
}

// Each is destructured without `..`: a new field does not compile until it is counted.

impl Listed for RouteTable {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self { id, vpc, associations, owner, routes, firewalled } = self;
        let associations: usize = associations.iter().map(of_association).sum();
        let routes: usize = routes.iter().map(of_route).sum();
        let own = [id.as_str(), vpc.as_str(), of_owner(owner.as_ref())];
        texts(own.into_iter().chain(firewalled.iter().map(InternetGatewayId::as_str)))
            + size_of_val(&firewalled[..])
            + associations
            + routes
    }
}

fn of_association(Association { with, state }: &Association) -> usize {
    let with = match with {
        AssociatedWith::Main => "",
        AssociatedWith::Subnet(id) => id.as_str(),
        AssociatedWith::Gateway(id) | AssociatedWith::PublicIpv4Pool(id) => id,
    };
    let state = if let AssociationState::Other(state) = state { state } else { "" };
    size_of::<Association>() + texts([with, state])
}

fn of_route(Route { destination, target, origin, state, family: _ }: &Route) -> usize {
    let list = match destination {
        Destination::PrefixList(id) => id.as_str(),
        Destination::Cidr(_) => "",
    };
    let field = if let Target::Other { field, .. } = target { field } else { "" };
    let origin = if let Origin::Other(origin) = origin { origin } else { "" };
    let state = if let RouteState::Other(state) = state { state } else { "" };
    size_of::<Route>() + texts([list, target.id(), field, origin, state])
}

fn of_owner(owner: Option<&AccountId>) -> &str {
    owner.map(AccountId::as_str).unwrap_or_default()
}

impl Listed for VpcEndpoint {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self {
            id,
            kind,
            vpc,
            owner,
            service,
            service_region,
            state,
            route_tables,
            interfaces,
            address_type,
            failure,
            policy,
        } = self;
        let ids = route_tables.iter().map(RouteTableId::as_str).chain(interfaces.iter().map(InterfaceId::as_str));
        let kind = if let EndpointType::Other(kind) = kind { kind } else { "" };
        let state = if let EndpointState::Other(state) = state { state } else { "" };
        let address_type = if let Some(AddressType::Other(word)) = address_type { word } else { "" };
        let given = [service, service_region, failure, policy].map(|text| text.as_deref().unwrap_or_default());
        let own = [id.as_str(), kind, vpc.as_str(), of_owner(owner.as_ref()), state, address_type];
        size_of_val(&route_tables[..]) + size_of_val(&interfaces[..]) + texts(ids.chain(own).chain(given))
    }
}

impl Listed for PrefixList {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self { id, name, entries } = self;
        size_of_val(&entries[..]) + texts([id.as_str(), name.as_deref().unwrap_or_default()])
    }
}

impl Listed for EndpointInterface {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self { id, addresses } = self;
        size_of_val(&addresses[..]) + texts([id.as_str()])
    }
}

impl Listed for Subnet {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn heap(&self) -> usize {
        let Self { id, vpc, availability_zone, owner, cidrs, ipv6_native: _, without_ipv6: _, dns64: _ } = self;
        let zone = availability_zone.as_deref().unwrap_or_default();
        size_of_val(&cidrs[..]) + texts([id.as_str(), vpc.as_str(), zone, of_owner(owner.as_ref())])
    }
}

/// An entry of a prefix list is its own id.
impl Listed for IpNet {
    fn id(&self) -> String {
        self.to_string()
    }

    fn heap(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            EgressRule, NatGateway, NetworkAcl, Ports, PublicAccess, PublicAccessExclusion, SecurityGroup, SubnetGates,
        },
        observe::limits::{ENTRIES, OF_GATES, OF_REGION, OF_VPC},
    };
    use std::net::Ipv4Addr;

    const NONE: ListingLimits = ListingLimits { pages: usize::MAX, items: usize::MAX, bytes: usize::MAX };

    fn net(number: usize) -> IpNet {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        IpNet::from(std::net::IpAddr::from(Ipv4Addr::from(number)))
    }

    /// How many items there are of so many pages with one each, or what is too much.
    fn listed(limits: ListingLimits, pages: usize) -> Result<usize, ListingError> {
        let mut listing = Listing::new(limits);
        for page in 1..=pages {
            listing.add(vec![net(page)], (page < pages).then(|| page.to_string()))?;
        }
        Ok(listing.into_items().len())
    }

    #[test]
    fn each_limit_holds_and_not_one_more_is_accepted() {
        let over = |what, allowed, found| Err(ListingError::Over { what, allowed, found });
        for (limits, what, (allowed, found)) in [
            (ListingLimits { pages: 10, ..NONE }, "pages", (10, 11)),
            (ListingLimits { items: 10, ..NONE }, "items", (10, 11)),
            (ListingLimits { bytes: 10 * size_of::<IpNet>(), ..NONE }, "bytes in memory", (180, 198)),
        ] {
            assert_eq!(listed(limits, 10), Ok(10));
            assert_eq!(listed(limits, 11), over(what, allowed, found));
        }
    }

    /// An item that takes so many bytes, as it says itself.
    #[derive(Debug, PartialEq)]
    struct Heavy(usize);

    impl Listed for Heavy {
        fn id(&self) -> String {
            String::new()
        }

        fn heap(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn the_limits_of_the_table_hold_at_their_own_values() {
        for limits in [OF_VPC, OF_GATES, OF_REGION, ENTRIES] {
            let ListingLimits { pages, items, bytes } = limits;
            let over = |what, allowed| Err(ListingError::Over { what, allowed, found: allowed + 1 });
            assert_eq!(listed(limits, pages), Ok(pages));
            assert_eq!(listed(limits, pages + 1), over("pages", pages));
            let of_items = |count| Listing::new(limits).add((0..count).map(net).collect(), None).map(|_| count);
            assert_eq!(of_items(items), Ok(items));
            assert_eq!(of_items(items + 1), over("items", items));
            let of_bytes =
                |count| Listing::new(limits).add(vec![Heavy(count - size_of::<Heavy>())], None).map(|_| count);
            assert_eq!(of_bytes(bytes), Ok(bytes));
            assert_eq!(of_bytes(bytes + 1), over("bytes in memory", bytes));
        }
    }

    #[test]
    fn what_an_item_takes_grows_with_all_that_is_in_it() {
        let long = || "x".repeat(1_000);
        let route = |id: &str| Route {
            destination: Destination::PrefixList(id.into()),
            target: Target::Other { field: id.to_owned(), value: id.to_owned() },
            origin: Origin::Other(id.to_owned()),
            state: RouteState::Other(id.to_owned()),
            family: None,
        };
        let association = |id: &str| Association {
            with: AssociatedWith::Gateway(id.to_owned()),
            state: AssociationState::Other(id.to_owned()),
        };
        let table = |id: &str| RouteTable {
            firewalled: vec![id.into()],
            id: id.into(),
            vpc: id.into(),
            associations: vec![association(id)],
            owner: Some(id.into()),
            routes: [route(id)].into_iter().collect(),
        };
        assert_eq!(table(&long()).heap() - table("").heap(), 11 * 1_000);
        let endpoint = |id: &str| VpcEndpoint {
            id: id.into(),
            kind: EndpointType::Other(id.to_owned()),
            vpc: id.into(),
            owner: Some(id.into()),
            service: Some(id.to_owned()),
            service_region: Some(id.to_owned()),
            state: EndpointState::Other(id.to_owned()),
            route_tables: vec![id.into()],
            interfaces: vec![id.into()],
            address_type: Some(AddressType::Other(id.to_owned())),
            failure: Some(id.to_owned()),
            policy: Some(id.to_owned()),
        };
        assert_eq!(endpoint(&long()).heap() - endpoint("").heap(), 12 * 1_000);
        let rule = |id: &str| EgressRule {
            ports: Ports::ALL,
            ranges: Vec::new(),
            prefix_lists: vec![id.into()],
            groups: vec![id.into()],
        };
        let group = |id: &str| SecurityGroup { id: id.into(), egress: vec![rule(id)] };
        assert_eq!(group(&long()).heap() - group("").heap(), 3 * 1_000);
        let acl =
            |id: &str| NetworkAcl { id: id.into(), subnets: vec![id.into()], egress: Vec::new(), ingress: Vec::new() };
        assert_eq!(acl(&long()).heap() - acl("").heap(), 2 * 1_000);
        let subnet = |id: &str| SubnetGates {
            id: id.into(),
            vpc: id.into(),
            availability_zone: Some(id.to_owned()),
            public_access: Some(PublicAccess::Other(id.to_owned())),
            firewall: Some(id.to_owned()),
        };
        assert_eq!(subnet(&long()).heap() - subnet("").heap(), 5 * 1_000);
        let exclusion = |id: &str| {
            let id = || id.to_owned();
            PublicAccessExclusion { id: id(), resource: id(), mode: id(), state: id() }
        };
        assert_eq!(exclusion(&long()).heap() - exclusion("").heap(), 4 * 1_000);
        let nat = |id: &str| NatGateway {
            id: id.into(),
            vpc: id.into(),
            subnet: Some(id.into()),
            availability_zone: Some(id.to_owned()),
            state: id.to_owned(),
            connectivity: Some(id.to_owned()),
            is_regional: false,
            appliances: vec![id.to_owned()],
        };
        assert_eq!(nat(&long()).heap() - nat("").heap(), 7 * 1_000);
    }
}
