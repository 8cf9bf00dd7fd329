//! Decisions of the kernel in the words of the model.

use super::{KernelError, answer::Decision, devices::Devices};
use crate::model::{KernelRoute, NextHop};

/// A decision with the devices' names.
pub(super) fn named(decision: &Decision, devices: &Devices) -> Result<KernelRoute, KernelError> {
    let (hops, source, table) = match decision {
        Decision::Local => return Ok(KernelRoute::Local),
        Decision::None(word) => return Ok(KernelRoute::NoRoute { detail: (*word).to_owned() }),
        Decision::Via { hops, source, table } => (hops, *source, *table),
    };
    let mut hops = hops.iter().map(|(hop, protocol)| {
        Ok(NextHop {
            device: devices.get(hop.device)?.clone(),
            gateway: hop.gateway,
            encapsulation: hop.encapsulation.map(encapsulation),
            protocol: Some(protocol_name(*protocol)),
        })
    });
    let hop = hops.next().unwrap_or(Err(KernelError::Changing { what: "routes" }))?;
    let others = hops.collect::<Result<_, _>>()?;
    Ok(KernelRoute::Via { hop, source, others, table: (table != 0).then_some(table) })
}

/// `LWTUNNEL_ENCAP_…`
fn encapsulation(number: u16) -> String {
    match number {
        1 => "mpls".to_owned(),
        2 => "ip".to_owned(),
        3 => "ila".to_owned(),
        4 => "ip6".to_owned(),
        5 => "seg6".to_owned(),
        6 => "bpf".to_owned(),
        7 => "seg6local".to_owned(),
        8 => "rpl".to_owned(),
        9 => "ioam6".to_owned(),
        10 => "xfrm".to_owned(),
        other => other.to_string(),
    }
}

/// `RTPROT_…`, as ip-route(8) names them.
fn protocol_name(number: u8) -> String {
    match number {
        1 => "redirect".to_owned(),
        2 => "kernel".to_owned(),
        3 => "boot".to_owned(),
        4 => "static".to_owned(),
        9 => "ra".to_owned(),
        12 => "bird".to_owned(),
        16 => "dhcp".to_owned(),
        186 => "bgp".to_owned(),
        other => other.to_string(),
    }
}
