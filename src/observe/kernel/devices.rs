//! Network devices: names, hardware addresses and kinds.
//!
//! They come from rtnetlink, never from `/sys`: that shows the network namespace it was mounted in, which need not be ours.

use super::{
    KernelError,
    socket::Socket,
    wire::{self, Attributes, Malformed, Message, Question},
};
use crate::model::{Device, MacAddress};
use std::collections::BTreeMap;

/// The kind of one end of a virtual Ethernet cable, which may stand for a network interface.
const CABLE: &str = "veth";

/// The kind of a VRF: packets of its devices, and of sockets bound to it, are routed by a table of its own.
const VRF: &str = "vrf";

/// `IFLA_ADDRESS`, `IFLA_IFNAME`, `IFLA_LINKINFO`, `IFLA_EXT_MASK`, within `IFLA_LINKINFO` `IFLA_INFO_KIND` and
/// `IFLA_INFO_DATA`, and within that `IFLA_VRF_TABLE`.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const LINK_INFO: u16 = 18;
const EXT_MASK: u16 = 29;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VRF_TABLE: u16 = 1;

/// `RTEXT_FILTER_SKIP_STATS`: counters are most of a message, and none of ours.
const SKIP_STATS: u32 = 8;

/// The devices of a network namespace, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct Devices {
    devices: BTreeMap<u32, Device>,
    vrfs: Vec<Vrf>,
}

/// A VRF: its name and its routing table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vrf {
    pub(super) name: String,
    pub(super) table: u32,
}

impl Devices {
    /// Reads them all, if there are not too many.
    pub(super) async fn read(limit: usize) -> Result<Self, KernelError> {
        let (mut devices, mut vrfs) = (BTreeMap::new(), Vec::new());
        let question = Question::new(wire::GET_LINK, wire::DUMP, &[0; 16]).with_u32(EXT_MASK, SKIP_STATS);
        Socket::dump(question, "devices", |message| {
            if message.kind != wire::NEW_LINK {
                return Ok(());
            }
            let (index, device, table) = device(&message).map_err(|error| KernelError::malformed(error, "devices"))?;
            vrfs.extend(table.map(|table| Vrf { name: device.name.to_string(), table }));
            devices.insert(index, device);
            KernelError::limit("network devices", limit, devices.len())
        })
        .await?;
        name_twins(&mut devices);
        Ok(Self { devices, vrfs })
    }

    /// The VRFs.
    pub(super) fn vrfs(&self) -> &[Vrf] {
        &self.vrfs
    }

    /// The device with an index.
    ///
    /// # Errors
    /// If there is none: it came, or went, since they were read.
    pub(super) fn get(&self, index: u32) -> Result<&Device, KernelError> {
        self.devices.get(&index).ok_or(KernelError::Changing { what: "devices" })
    }
}

/// The index, the device, and the table of a VRF.
fn device(message: &Message<'_>) -> Result<(u32, Device, Option<u32>), Malformed> {
    let (fixed, attributes) = message.split::<16>()?;
    let (mut name, mut mac, mut kind, mut table) = (None, None, None, None);
    for attribute in attributes {
        match attribute? {
            (NAME, value) => name = Some(wire::name(value)),
            // An IPv4 tunnel has an address of 4 bytes here, a loopback device one of zeros.
            (ADDRESS, value) => {
                mac = <[u8; 6]>::try_from(value).ok().filter(|mac| *mac != [0; 6]).map(MacAddress::from_bytes);
            }
            (LINK_INFO, value) => (kind, table) = kind_of(value)?,
            _ => {}
        }
    }
    let name = name.filter(|name| !name.is_empty()).ok_or(Malformed("a name"))?;
    Ok((wire::u32_at(fixed, 4), Device { name: name.into(), mac, kind, same_mac: Vec::new() }, table))
}

/// The kind, and the table of a VRF.
fn kind_of(link_info: &[u8]) -> Result<(Option<String>, Option<u32>), Malformed> {
    let (mut kind, mut data) = (None, &[][..]);
    for attribute in Attributes(link_info) {
        match attribute? {
            (INFO_KIND, value) => kind = Some(wire::name(value)),
            (INFO_DATA, value) => data = value,
            _ => {}
        }
    }
    if kind.as_deref() != Some(VRF) {
        return Ok((kind, None));
    }
    for attribute in Attributes(data) {
        if let (VRF_TABLE, value) = attribute? {
            return Ok((kind, Some(wire::number(value)?)));
        }
    }
    Err(Malformed("the table of a VRF"))
}

/// Notes of each device which others have its hardware address and could be the network interface just as well.
fn name_twins(devices: &mut BTreeMap<u32, Device>) {
    let mut by_mac: BTreeMap<MacAddress, Vec<(u32, String, bool)>> = BTreeMap::new();
    for (index, device) in devices.iter() {
        let is_cable = device.kind.as_deref() == Some(CABLE);
        if let Some(mac) = device.mac.clone().filter(|_| is_cable || device.kind.is_none()) {
            by_mac.entry(mac).or_default().push((*index, device.name.to_string(), is_cable));
        }
    }
    for twins in by_mac.values().filter(|twins| twins.len() > 1) {
        for (index, _, is_cable) in twins {
            let others = twins.iter().filter(|(other, _, cable)| other != index && (*is_cable || !cable));
            let names = others.map(|(_, name, _)| name.clone()).collect();
            if let Some(device) = devices.get_mut(index) {
                device.same_mac = names;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_vrf_has_a_table() {
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = [u16::try_from(value.len() + 4).unwrap().to_ne_bytes(), kind.to_ne_bytes()].concat();
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let kind = |name: &str| attribute(INFO_KIND, format!("{name}\0").as_bytes());
        let table = attribute(VRF_TABLE, &10_u32.to_ne_bytes());
        let vrf = [kind("vrf"), attribute(INFO_DATA, &table)].concat();
        assert_eq!(kind_of(&vrf), Ok((Some("vrf".to_owned()), Some(10))));
        // The same number is the mode of a macvlan.
        let macvlan = [kind("macvlan"), attribute(INFO_DATA, &table)].concat();
        assert_eq!(kind_of(&macvlan), Ok((Some("macvlan".to_owned()), None)));
        assert!(kind_of(&kind("vrf")).is_err(), "where it leads is not known");
    }

    #[test]
    fn a_twin_is_a_device_that_could_be_the_network_interface_just_as_well() {
        let device = |name: &str, mac: u8, kind: Option<&str>| Device {
            name: name.into(),
            mac: Some(MacAddress::from_bytes([6, 0, 0, 0, 0, mac])),
            kind: kind.map(str::to_owned),
            same_mac: Vec::new(),
        };
        let mut devices: BTreeMap<u32, Device> = [
            device("ens5", 1, None),
            device("ens5.100", 1, Some("vlan")),
            device("cable", 1, Some("veth")),
            device("ens6", 2, None),
            device("ens7", 2, None),
            device("ens8", 3, None),
        ]
        .into_iter()
        .zip(1..)
        .map(|(device, index)| (index, device))
        .collect();
        name_twins(&mut devices);
        let twins: Vec<_> = devices.values().map(|device| (device.name.as_str(), device.same_mac.join(" "))).collect();
        let expected =
            [("ens5", ""), ("ens5.100", ""), ("cable", "ens5"), ("ens6", "ens7"), ("ens7", "ens6"), ("ens8", "")];
        assert_eq!(twins, expected.map(|(name, twins)| (name, twins.to_owned())));
    }
}
