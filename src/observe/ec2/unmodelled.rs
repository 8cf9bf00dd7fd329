//! What answers of EC2 have and the SDK's model has not yet: read from the answer itself.
//!
//! `Route.IgwFirewall` and `Subnet.NetworkFirewallConnectivityType` are in botocore since 1.44.8, of November 2026.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use xmlparser::{ElementEnd, Token, Tokenizer};

/// Fields of answers that the SDK drops.
#[derive(Clone, Debug, Default)]
pub(super) struct Unmodelled(Arc<Mutex<Fields>>);

#[derive(Debug, Default)]
struct Fields {
    firewalled: BTreeSet<String>,
    /// By subnet.
    connectivity: BTreeMap<String, String>,
}

impl Unmodelled {
    fn fields(&self) -> MutexGuard<'_, Fields> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a whole answer.
    pub(super) fn read(&self, body: &[u8]) {
        let Ok(text) = std::str::from_utf8(body) else { return };
        if text.contains(FIREWALL) {
            let found = with_element(text, ["routeSet", "item"], "gatewayId", FIREWALL);
            self.fields().firewalled.extend(found.into_iter().map(|(id, _)| id));
        }
        if text.contains(CONNECTIVITY) {
            let found = with_element(text, ["subnetSet", "item"], "subnetId", CONNECTIVITY);
            self.fields().connectivity.extend(found);
        }
    }

    /// How an Automated Internet Firewall treats a subnet, where there is one.
    pub(super) fn connectivity_of(&self, subnet: &str) -> Option<String> {
        self.fields().connectivity.get(subnet).cloned()
    }

    /// Whether a route to this gateway is inspected by an Automated Internet Firewall.
    pub(super) fn is_firewalled(&self, gateway: &str) -> bool {
        self.fields().firewalled.contains(gateway)
    }
}

const FIREWALL: &str = "igwFirewall";

const CONNECTIVITY: &str = "networkFirewallConnectivityType";

/// The items of a list that have an element: each item's id, and the element's text.
fn with_element(text: &str, item: [&str; 2], id: &str, element: &str) -> Vec<(String, String)> {
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    let (mut known, mut value) = (None, None);
    let [list, entry] = item;
    for token in Tokenizer::from(text).map_while(Result::ok) {
        if let Token::ElementStart { local, .. } = token {
            open.push(local.as_str());
            match open.as_slice() {
                [.., a, b] if [*a, *b] == [list, entry] => (known, value) = (None, None),
                [.., a, b, c] if [*a, *b, *c] == [list, entry, element] => value = Some(""),
                [..] => {}
            }
        } else if let Token::Text { text } = token
            && let [.., a, b, c] = open.as_slice()
            && [*a, *b] == [list, entry]
        {
            match *c {
                name if name == id => known = Some(text.as_str().trim()),
                name if name == element => value = Some(text.as_str().trim()),
                _ => {}
            }
        } else if let Token::ElementEnd { end: ElementEnd::Close(..) | ElementEnd::Empty, .. } = token {
            if let ([.., a, b], Some(known), Some(value)) = (open.as_slice(), known, value)
                && [*a, *b] == [list, entry]
            {
                found.push((known.to_owned(), value.to_owned()));
            }
            open.pop();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_of_routes_with_a_firewall_are_read_and_no_others() {
        let route = |gateway: &str, more: &str| {
            format!(
                "<item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock>{more}<gatewayId>{gateway}</gatewayId></item>"
            )
        };
        let firewall = "<igwFirewall><firewallArn>arn:aws:x</firewallArn><status>ready</status></igwFirewall>";
        let answer = format!(
            "<R><routeTableSet><item><routeTableId>rtb-1</routeTableId><routeSet>{}{}{}</routeSet></item></routeTableSet></R>",
            route("igw-a", firewall),
            route("igw-b", ""),
            route("igw-c", "<igwFirewall/>"),
        );
        let unmodelled = Unmodelled::default();
        unmodelled.read(answer.as_bytes());
        let found = ["igw-a", "igw-b", "igw-c"].map(|gateway| unmodelled.is_firewalled(gateway));
        assert_eq!(found, [true, false, true]);
    }

    #[test]
    fn the_connectivity_of_subnets_is_read() {
        let answer = "<R><subnetSet><item><subnetId>subnet-1</subnetId><tagSet><item><key>subnetId</key></item></tagSet>\
                      <networkFirewallConnectivityType>flexible</networkFirewallConnectivityType></item>\
                      <item><networkFirewallConnectivityType>exclude</networkFirewallConnectivityType><subnetId>subnet-2</subnetId></item>\
                      <item><subnetId>subnet-3</subnetId></item></subnetSet></R>";
        let unmodelled = Unmodelled::default();
        unmodelled.read(answer.as_bytes());
        let found = ["subnet-1", "subnet-2", "subnet-3"].map(|subnet| unmodelled.connectivity_of(subnet));
        assert_eq!(found, [Some("flexible".to_owned()), Some("exclude".to_owned()), None]);
    }
}
