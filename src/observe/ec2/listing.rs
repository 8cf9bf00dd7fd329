//! A listing in pages. The SDK's paginator ends without an error where a server repeats a token, and half a list would pass
//! for the whole: here the end is proved, or there is no list.

use crate::{
    model::{EndpointInterface, Gap, PrefixList, RouteTable, Subnet, VpcEndpoint},
    observe::limits::{ITEMS, PAGES},
};
use ipnet::IpNet;
use std::collections::{HashMap, HashSet, hash_map::Entry};

/// Why the pages of a listing are not the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ListingError {
    /// To follow it would go round for ever, and to stop would leave out what comes after.
    #[error("page {page} names the token of an earlier page as the next one")]
    RepeatedToken { page: usize },
    #[error("{id} is listed twice, with different contents")]
    Contradiction { id: String },
    #[error("more than {PAGES} pages")]
    Pages,
    #[error("more than {ITEMS} items")]
    Items,
}

impl ListingError {
    /// The error as the reason for a missing fact.
    pub(super) fn gap(&self, action: &str) -> Gap {
        let over = |what: &str, allowed: usize| {
            let allowed = u64::try_from(allowed).unwrap_or(u64::MAX);
            Gap::OverLimit { limit: format!("{what} of {action}"), allowed, found: allowed.saturating_add(1) }
        };
        match self {
            Self::RepeatedToken { .. } => Gap::Malformed { detail: format!("{action}: {self}") },
            Self::Contradiction { id } => Gap::Conflicting {
                one: format!("{action} lists {id}"),
                other: format!("it lists {id} again with different contents"),
            },
            Self::Pages => over("pages", PAGES),
            Self::Items => over("items", ITEMS),
        }
    }
}

/// What a listing lists.
pub(super) trait Listed: PartialEq {
    /// What no other item of the listing shares.
    fn id(&self) -> String;
}

/// The pages so far.
#[derive(Debug)]
pub(super) struct Listing<T> {
    pages: usize,
    tokens: HashSet<String>,
    /// Where in `items` an id is.
    places: HashMap<String, usize>,
    items: Vec<T>,
}

impl<T: Listed> Listing<T> {
    pub(super) fn new() -> Self {
        Self { pages: 0, tokens: HashSet::new(), places: HashMap::new(), items: Vec::new() }
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
        if !self.tokens.insert(token.clone()) {
            return Err(ListingError::RepeatedToken { page: self.pages });
        }
        if self.pages == PAGES { Err(ListingError::Pages) } else { Ok(Some(token)) }
    }

    /// An item that moved from one page to another between two requests is there twice, and counts once.
    fn add_item(&mut self, item: T) -> Result<(), ListingError> {
        match self.places.entry(item.id()) {
            Entry::Occupied(place) if self.items[*place.get()] == item => Ok(()),
            Entry::Occupied(place) => Err(ListingError::Contradiction { id: place.key().clone() }),
            Entry::Vacant(_) if self.items.len() == ITEMS => Err(ListingError::Items),
            Entry::Vacant(place) => {
                place.insert(self.items.len());
                self.items.push(item);
                Ok(())
            }
        }
    }

    /// Every item once, in the order of the pages.
    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }
}

impl Listed for RouteTable {
    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Listed for VpcEndpoint {
    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Listed for PrefixList {
    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Listed for EndpointInterface {
    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Listed for Subnet {
    fn id(&self) -> String {
        self.id.to_string()
    }
}

/// An entry of a prefix list is its own id.
impl Listed for IpNet {
    fn id(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn net(number: usize) -> IpNet {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        IpNet::from(std::net::IpAddr::from(Ipv4Addr::from(number)))
    }

    #[test]
    fn as_many_pages_as_the_limit_and_not_one_more() {
        let full = |pages: usize| {
            let mut listing = Listing::new();
            let results: Result<Vec<_>, _> = (1..=pages)
                .map(|page| listing.add(vec![net(page)], (page < pages).then(|| page.to_string())))
                .collect();
            results.map(|_| listing.into_items().len())
        };
        assert_eq!(full(PAGES), Ok(PAGES));
        assert_eq!(full(PAGES + 1), Err(ListingError::Pages));
    }

    #[test]
    fn as_many_items_as_the_limit_and_not_one_more() {
        let full = |items: usize| {
            let mut listing = Listing::new();
            listing.add((0..items).map(net).collect(), None).map(|_| listing.into_items().len())
        };
        assert_eq!(full(ITEMS), Ok(ITEMS));
        assert_eq!(full(ITEMS + 1), Err(ListingError::Items));
    }
}
