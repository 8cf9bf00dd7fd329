//! Which routes are kept of a large folder: those that overlap a range of a prefix list, or of NAT64, or an address that is asked
//! about. No other can win for either; one more for IPv6 is kept where there is any, which shows that the VPC may have such addresses. So
//! the answers are the same, and the memory is that of the largest file.

use super::{
    input::{self, LISTING_FILE},
    json,
    shapes::{Checked, ListedTable, Lists, ReadTable},
};
use crate::{
    judge::lookup::{NAT64, covers},
    model::{Destination, Route},
};
use ipnet::IpNet;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Bytes of all files below which every route is kept: they take less than twice that.
pub(super) const LARGE: u64 = 64 << 20;

/// What is asked about.
pub(super) enum Relevant {
    /// Nothing is known of that.
    Everything,
    /// Addresses of these ranges.
    Ranges(Vec<IpNet>),
}

impl Relevant {
    /// What is relevant of `files`, where `address` is asked about, or the prefix lists alone. Reads them once more.
    pub(super) fn of(files: &[PathBuf], address: Option<IpAddr>, large: u64) -> Self {
        let size: u64 = files.iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum();
        if size < large {
            return Self::Everything;
        }
        let Some(lists) = files.iter().map(|file| lists(file)).collect::<Option<Vec<_>>>() else {
            return Self::Everything;
        };
        let mut ranges: Vec<IpNet> = lists.into_iter().flatten().flat_map(Lists::ranges).collect();
        ranges.sort();
        ranges.dedup();
        // Without them the reasons why they are missing are reported, and those may name any route.
        if ranges.is_empty() {
            Self::Everything
        } else {
            // In a subnet with DNS64, programs reach the lists through it.
            Self::Ranges(ranges.into_iter().chain([IpNet::from(NAT64)]).chain(address.map(IpNet::from)).collect())
        }
    }

    pub(super) fn of_tables(&self, tables: Vec<Checked<ReadTable>>) -> Vec<Checked<ListedTable>> {
        let listed = |Checked(table)| Checked(ListedTable::new(table, |route| self.matters(route)));
        tables.into_iter().map(listed).collect()
    }

    fn matters(&self, route: &Route) -> bool {
        // A VPC has few, and they are compared with its ranges.
        if route.is_local() {
            return true;
        }
        match (self, &route.destination) {
            (Self::Everything, _) | (Self::Ranges(_), Destination::PrefixList(_)) => true,
            (Self::Ranges(ranges), Destination::Cidr(cidr)) => {
                ranges.iter().any(|range| covers(range, cidr) || covers(cidr, range))
            }
        }
    }
}

/// The prefix lists of a file; `None` where they are not objects of their own, as in a list of answers.
fn lists(file: &Path) -> Option<Vec<Lists>> {
    let (bytes, _) = input::read(file, LISTING_FILE).ok()?;
    json::parse_all("", &bytes, "", false).ok()
}
