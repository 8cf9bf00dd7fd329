//! What answers of EC2 have and the SDK's model has not yet: read from the answer itself.
//!
//! `Route.IgwFirewall` is in botocore since 1.44.8, of November 2026.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};
use xmlparser::{ElementEnd, Token, Tokenizer};

/// Fields of answers that the SDK drops.
#[derive(Clone, Debug, Default)]
pub(super) struct Unmodelled {
    firewalled: Arc<Mutex<BTreeSet<String>>>,
}

impl Unmodelled {
    /// Reads a whole answer.
    pub(super) fn read(&self, body: &[u8]) {
        let Ok(text) = std::str::from_utf8(body) else { return };
        if text.contains(FIREWALL) {
            self.firewalled.lock().unwrap_or_else(PoisonError::into_inner).extend(firewalled(text));
        }
    }

    /// Whether a route to this gateway is inspected by an Automated Internet Firewall.
    pub(super) fn is_firewalled(&self, gateway: &str) -> bool {
        self.firewalled.lock().unwrap_or_else(PoisonError::into_inner).contains(gateway)
    }
}

const FIREWALL: &str = "igwFirewall";

/// The gateways of the routes that have an `igwFirewall`.
fn firewalled(text: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    let (mut gateway, mut has_firewall) = (None, false);
    for token in Tokenizer::from(text).map_while(Result::ok) {
        if let Token::ElementStart { local, .. } = token {
            open.push(local.as_str());
            match open.as_slice() {
                [.., "routeSet", "item"] => (gateway, has_firewall) = (None, false),
                [.., "routeSet", "item", FIREWALL] => has_firewall = true,
                [..] => {}
            }
        } else if let Token::Text { text } = token
            && matches!(open.as_slice(), [.., "routeSet", "item", "gatewayId"])
        {
            gateway = Some(text.as_str().trim());
        } else if let Token::ElementEnd { end: ElementEnd::Close(..) | ElementEnd::Empty, .. } = token {
            if let ([.., "routeSet", "item"], Some(gateway), true) = (open.as_slice(), gateway, has_firewall) {
                found.push(gateway.to_owned());
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
        assert_eq!(firewalled(&answer), ["igw-a", "igw-c"]);
        let unmodelled = Unmodelled::default();
        unmodelled.read(answer.as_bytes());
        assert!(unmodelled.is_firewalled("igw-a") && !unmodelled.is_firewalled("igw-b"));
    }
}
