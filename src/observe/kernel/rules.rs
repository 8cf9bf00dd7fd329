//! The kernel's rules: which table is asked for which packet.

use super::{
    answer::PacketKind,
    cut::Range,
    devices::Vrf,
    wire::{self, Malformed, Message},
};
use ipnet::IpNet;
use std::{fmt, net::IpAddr};

/// `IPPROTO_TCP`
const TCP: u8 = 6;

/// The numbers of `ip rule`'s named tables.
const LOCAL_TABLE: u32 = 255;
const MAIN_TABLE: u32 = 254;
const DEFAULT_TABLE: u32 = 253;

/// What a rule does with a packet it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Asks a table; where that has no route, or only a default route that is suppressed, the next rule is asked.
    Table { id: u32, suppressed_length: Option<u32> },
    /// Goes on with the rule of this priority.
    Goto(u32),
    /// Goes on with the next rule.
    Nothing,
    /// Refuses the packet.
    Refuse(u8),
}

/// Numbers from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span<T> {
    pub(super) first: T,
    pub(super) last: T,
}

impl<T: PartialOrd + Copy> Span<T> {
    pub(super) fn contains(&self, value: T) -> bool {
        self.first <= value && value <= self.last
    }
}

/// Whose packets a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    /// These, and the kernel can be asked for them.
    Known(Span<u32>),
    /// These, as our user namespace numbers them; it does not have all users, so the kernel cannot be asked for them.
    Shown(Span<u32>),
    /// Users that our user namespace does not have: the kernel shows a number that stands for all of them.
    Hidden,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) family: u8,
    pub(super) priority: u32,
    pub(super) action: Action,
    /// Matches what its selectors do not.
    pub(super) inverted: bool,
    pub(super) to: Option<IpNet>,
    pub(super) from: Option<IpNet>,
    /// Only for what this host itself sends (`iif lo`).
    pub(super) is_local: bool,
    /// The device a forwarded packet comes in by.
    pub(super) input: Option<String>,
    /// The device a socket is bound to.
    pub(super) output: Option<String>,
    /// The device it names does not exist: the selectors match nothing.
    pub(super) detached: bool,
    pub(super) mark: Option<(u32, u32)>,
    pub(super) tos: u8,
    pub(super) users: Option<Users>,
    pub(super) protocol: Option<u8>,
    pub(super) source_ports: Option<Span<u16>>,
    pub(super) ports: Option<Span<u16>>,
    /// Stands for one rule for each VRF (`l3mdev`), until [`Rule::of_each`] replaces it by these.
    pub(super) by_vrf: bool,
    /// Has a selector whose value cannot be known here: a tunnel's number, one of a newer kernel.
    pub(super) unknown: bool,
}

impl Rule {
    /// Reads a message about a rule. `shows_users`: our user namespace has the numbers of all users.
    pub(super) fn read(message: &Message<'_>, shows_users: bool) -> Result<Self, Malformed> {
        /// `FIB_RULE_INVERT`, `FIB_RULE_UNRESOLVED`, `FIB_RULE_IIF_DETACHED` and `FIB_RULE_OIF_DETACHED`
        const INVERT: u32 = 0x2;
        const UNRESOLVED: u32 = 0x4;
        const DETACHED: u32 = 0x8 | 0x10;
        let (fixed, attributes) = message.split::<12>()?;
        let [family, to_length, from_length, tos, table, _, _, action, ..] = *fixed;
        let flags = wire::u32_at(fixed, 8);
        let mut rule = Self {
            family,
            priority: 0,
            action: Action::Nothing,
            inverted: flags & INVERT != 0,
            to: None,
            from: None,
            is_local: false,
            input: None,
            output: None,
            detached: flags & DETACHED != 0,
            mark: None,
            tos,
            users: None,
            protocol: None,
            source_ports: None,
            ports: None,
            by_vrf: false,
            unknown: false,
        };
        let mut reader = Reader { table: table.into(), shows_users, ..Reader::default() };
        for attribute in attributes {
            let (kind, value) = attribute?;
            reader.take(&mut rule, kind, value, (to_length, from_length))?;
        }
        reader.finish(&mut rule, action);
        if flags & UNRESOLVED != 0 {
            rule.action = Action::Nothing;
        }
        Ok(rule)
    }

    /// The rules that it stands for: each VRF's sockets and devices are routed by the VRF's table.
    /// <https://docs.kernel.org/networking/vrf.html>
    pub(super) fn of_each(self, vrfs: &[Vrf]) -> Vec<Self> {
        if !self.by_vrf {
            return vec![self];
        }
        if self.inverted || self.input.is_some() || self.output.is_some() {
            return vec![Self { by_vrf: false, unknown: true, ..self }];
        }
        let of = |vrf: &Vrf| {
            let action = match self.action {
                Action::Table { suppressed_length, .. } => Action::Table { id: vrf.table, suppressed_length },
                other @ (Action::Goto(_) | Action::Nothing | Action::Refuse(_)) => other,
            };
            Self { by_vrf: false, output: Some(vrf.name.clone()), action, ..self.clone() }
        };
        vrfs.iter().map(of).collect()
    }

    /// Whether it could apply to a TCP connection to one of these ports of any of these addresses.
    pub(super) fn concerns(&self, overlaps: impl Fn(&Range) -> bool, ports: impl Fn(Span<u16>) -> bool) -> bool {
        self.inverted
            || self.to.is_none_or(|to| overlaps(&Range::of(&to)))
                && self.protocol.is_none_or(|protocol| protocol == TCP)
                && self.ports.is_none_or(ports)
                && !self.detached
    }

    /// Whether it can match one packet of a user and not another's.
    pub(super) fn distinguishes_packets(&self) -> bool {
        !self.detached
            && (self.mark.is_some()
                || self.tos != 0
                || self.users.is_some()
                || self.source_ports.is_some()
                || !self.can_be_asked())
    }

    /// Whether the kernel can be asked for every packet that it distinguishes: not for those of hidden users, and not for
    /// forwarded ones, whose source addresses are not known.
    pub(super) fn can_be_asked(&self) -> bool {
        !self.is_local && self.can_be_own()
    }

    /// Whether its selectors can match a packet that the kernel can be asked for.
    fn can_be_own(&self) -> bool {
        let asks_for_users = !matches!(self.users, Some(Users::Shown(_) | Users::Hidden));
        self.input.is_none() && self.output.is_none() && !self.unknown && asks_for_users
    }

    /// Whether it depends on more than the destination if it matches a packet.
    pub(super) fn is_conditional(&self) -> bool {
        self.from.is_some() || self.distinguishes_packets()
    }

    /// Whether it matches a packet from `source` to a port of a range that no rule or route cuts.
    ///
    /// A selector that cannot be asked for counts as one that onnet's own packets do not match.
    pub(super) fn matches(&self, to: (IpAddr, u16), source: Option<IpAddr>, own: u32, kind: &PacketKind) -> bool {
        let selected = self.to.is_none_or(|prefix| prefix.contains(&to.0))
            && self.from.is_none_or(|prefix| source.is_some_and(|source| prefix.contains(&source)))
            && self.protocol.is_none_or(|protocol| protocol == TCP)
            && self.ports.is_none_or(|ports| ports.contains(to.1))
            && self.selects(own, kind)
            && !self.detached
            && self.can_be_own();
        selected != self.inverted
    }

    /// Whether the destination, as far as its selectors go by that, leaves it open if it matches.
    pub(super) fn may_match(&self, to: (IpAddr, u16)) -> bool {
        let selected = self.to.is_none_or(|prefix| prefix.contains(&to.0))
            && self.protocol.is_none_or(|protocol| protocol == TCP)
            && self.ports.is_none_or(|ports| ports.contains(to.1))
            && !self.detached;
        // One that is inverted and does not select matches surely.
        selected
    }

    /// Whether it may match onnet's own packets, where the destination leaves that open. Which users a hidden range has, and
    /// what an unknown selector accepts, is not known.
    pub(super) fn may_match_own(&self, source: Option<IpAddr>, own: u32) -> bool {
        let is_unknown = self.unknown || self.users == Some(Users::Hidden);
        let by_user = match self.users {
            None | Some(Users::Hidden) => true,
            Some(Users::Known(users) | Users::Shown(users)) => users.contains(own),
        };
        let selected = by_user
            && self.input.is_none()
            && self.output.is_none()
            && self.from.is_none_or(|prefix| source.is_some_and(|source| prefix.contains(&source)))
            && self.selects_marks(&PacketKind::default());
        if selected && is_unknown { true } else { selected != self.inverted }
    }

    /// Whether the selectors that distinguish packets accept these.
    fn selects(&self, own: u32, kind: &PacketKind) -> bool {
        let by_user = match self.users {
            None => true,
            Some(Users::Known(users)) => users.contains(kind.user.unwrap_or(own)),
            Some(Users::Shown(_) | Users::Hidden) => false,
        };
        by_user && self.selects_marks(kind)
    }

    fn selects_marks(&self, kind: &PacketKind) -> bool {
        self.mark.is_none_or(|(mark, mask)| (kind.mark ^ mark) & mask == 0)
            && (self.tos == 0 || self.tos == kind.tos)
            && self.source_ports.is_none_or(|ports| ports.contains(kind.source_port.unwrap_or(0)))
    }
}

/// What the attributes of a rule say together.
#[derive(Default)]
struct Reader {
    table: u32,
    shows_users: bool,
    goto: Option<u32>,
    suppressed_length: Option<u32>,
    mark: u32,
    mask: Option<u32>,
}

impl Reader {
    fn take(&mut self, rule: &mut Rule, kind: u16, value: &[u8], (to, from): (u8, u8)) -> Result<(), Malformed> {
        let prefix = |length| {
            wire::address(value).and_then(|a| IpNet::new(a, length).map_err(|_| Malformed("a prefix"))).map(Some)
        };
        match kind {
            // FRA_DST, FRA_SRC
            1 => rule.to = prefix(to)?,
            2 => rule.from = prefix(from)?,
            // FRA_IIFNAME, FRA_OIFNAME
            3 => match wire::name(value) {
                device if device == "lo" => rule.is_local = true,
                device => rule.input = Some(device),
            },
            17 => rule.output = Some(wire::name(value)),
            // FRA_GOTO, FRA_PRIORITY, FRA_TABLE
            4 => self.goto = Some(wire::number(value)?),
            6 => rule.priority = wire::number(value)?,
            15 => self.table = wire::number(value)?,
            // FRA_FWMARK, FRA_FWMASK
            10 => self.mark = wire::number(value)?,
            16 => self.mask = Some(wire::number(value)?),
            // FRA_SUPPRESS_PREFIXLEN; -1 stands for none.
            14 => self.suppressed_length = Some(wire::number(value)?).filter(|length| *length != u32::MAX),
            // FRA_UID_RANGE
            20 => rule.users = Some(self.users(value)?),
            // FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE
            22 => rule.protocol = Some(wire::byte(value)?),
            23 => rule.source_ports = Some(ports(value)?),
            24 => rule.ports = Some(ports(value)?),
            // FRA_FLOW, FRA_PAD, FRA_PROTOCOL: a realm for accounting, nothing, and who wrote the rule.
            11 | 18 | 21 => {}
            // FRA_L3MDEV: 0 stands for none.
            19 => rule.by_vrf |= wire::byte(value)? != 0,
            // FRA_DSCP: the upper six bits of the type of service.
            25 => rule.tos = wire::byte(value)? << 2,
            // FRA_SPORT_MASK, FRA_DPORT_MASK and FRA_DSCP_MASK, where they leave nothing out.
            28 | 29 if wire::short(value)? == u16::MAX => {}
            30 if wire::byte(value)? == 0x3f => {}
            // FRA_SUPPRESS_IFGROUP, FRA_TUN_ID, the flow label, and what a newer kernel has.
            _ => rule.unknown = true,
        }
        Ok(())
    }

    fn users(&self, value: &[u8]) -> Result<Users, Malformed> {
        /// What the kernel shows for a user that our user namespace does not have: `fs.overflowuid`, or no user at all.
        const OVERFLOW: [u32; 2] = [65534, u32::MAX];
        let whole: &[u8; 8] = value.try_into().map_err(|_| Malformed("a range of users"))?;
        let users = Span { first: wire::u32_at(whole, 0), last: wire::u32_at(whole, 4) };
        let is_hidden = OVERFLOW.contains(&users.first) || OVERFLOW.contains(&users.last);
        Ok(match (self.shows_users, is_hidden) {
            (true, _) => Users::Known(users),
            (false, true) => Users::Hidden,
            (false, false) => Users::Shown(users),
        })
    }

    fn finish(self, rule: &mut Rule, action: u8) {
        let mask = self.mask.unwrap_or(if self.mark == 0 { 0 } else { u32::MAX });
        rule.mark = (mask != 0).then_some((self.mark, mask));
        rule.action = match (action, self.goto) {
            // FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP
            (1, _) => Action::Table { id: self.table, suppressed_length: self.suppressed_length },
            (2, Some(priority)) => Action::Goto(priority),
            (2 | 3, _) => Action::Nothing,
            // FR_ACT_BLACKHOLE, FR_ACT_UNREACHABLE and FR_ACT_PROHIBIT have the numbers of the routes' types.
            (refuse, _) => Action::Refuse(refuse),
        };
    }
}

/// `struct fib_rule_port_range`
fn ports(value: &[u8]) -> Result<Span<u16>, Malformed> {
    let whole: &[u8; 4] = value.try_into().map_err(|_| Malformed("a range of ports"))?;
    Ok(Span { first: wire::u16_at(whole, 0), last: wire::u16_at(whole, 2) })
}

impl fmt::Display for Rule {
    /// As ip-rule(8) writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}from ", self.priority, if self.inverted { "not " } else { "" })?;
        match &self.from {
            Some(prefix) => write!(f, "{prefix}")?,
            None => write!(f, "all")?,
        }
        if let Some(prefix) = &self.to {
            write!(f, " to {prefix}")?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        match self.mark {
            Some((mark, u32::MAX)) => write!(f, " fwmark {mark:#x}")?,
            Some((mark, mask)) => write!(f, " fwmark {mark:#x}/{mask:#x}")?,
            None => {}
        }
        let input = if self.is_local { Some("lo") } else { self.input.as_deref() };
        for (name, device) in [("iif", input), ("oif", self.output.as_deref())] {
            if let Some(device) = device {
                write!(f, " {name} {device}")?;
            }
        }
        match self.users {
            Some(Users::Known(users) | Users::Shown(users)) => {
                write!(f, " uidrange {}-{}", users.first, users.last)?;
            }
            Some(Users::Hidden) => write!(f, " uidrange (hidden)")?,
            None => {}
        }
        if let Some(protocol) = self.protocol {
            write!(f, " ipproto {protocol}")?;
        }
        for (name, ports) in [("sport", self.source_ports), ("dport", self.ports)] {
            if let Some(ports) = ports {
                write!(f, " {name} {}-{}", ports.first, ports.last)?;
            }
        }
        if self.unknown {
            write!(f, " (and a selector that onnet cannot evaluate)")?;
        }
        match self.action {
            Action::Table { id, suppressed_length } => {
                match id {
                    LOCAL_TABLE => write!(f, " lookup local")?,
                    MAIN_TABLE => write!(f, " lookup main")?,
                    DEFAULT_TABLE => write!(f, " lookup default")?,
                    id => write!(f, " lookup {id}")?,
                }
                suppressed_length.map_or(Ok(()), |length| write!(f, " suppress_prefixlength {length}"))
            }
            Action::Goto(priority) => write!(f, " goto {priority}"),
            Action::Nothing => write!(f, " nop"),
            Action::Refuse(kind) => write!(f, " {}", super::route::word(kind)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// A rule as the kernel sends it: priority 1000, `action`, and attributes.
    fn rule(action: u8, flags: u32, attributes: &[(u16, &[u8])]) -> Rule {
        let mut body = vec![wire::INET, 0, 0, 0, 0, 0, 0, action];
        body.extend(flags.to_ne_bytes());
        for (kind, value) in attributes.iter().chain(&[(6_u16, &1000_u32.to_ne_bytes()[..])]) {
            body.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let message = Message { kind: wire::NEW_RULE, flags: 0, sequence: 1, body: &body };
        Rule::read(&message, true).unwrap()
    }

    #[test]
    fn a_rule_for_all_vrfs_stands_for_one_for_each() {
        const TO_TABLE: u8 = 1;
        const UNREACHABLE: u8 = 7;
        const INVERT: u32 = 0x2;
        let vrfs = [("blue", 10), ("red", 20)].map(|(name, table)| Vrf { name: name.to_owned(), table });
        let written = |rule: Rule| rule.of_each(&vrfs).iter().map(ToString::to_string).collect::<Vec<_>>();
        let by_vrf: (u16, &[u8]) = (19, &[1]);
        assert_eq!(
            written(rule(TO_TABLE, 0, &[by_vrf])),
            ["1000: from all oif blue lookup 10", "1000: from all oif red lookup 20"]
        );
        assert_eq!(written(rule(UNREACHABLE, 0, &[by_vrf])).len(), 2);
        assert_eq!(
            written(rule(TO_TABLE, 0, &[(19, &[0]), (15, &10_u32.to_ne_bytes())])),
            ["1000: from all lookup 10"]
        );
        assert!(rule(TO_TABLE, 0, &[by_vrf]).of_each(&[]).is_empty(), "without a VRF it matches nothing");
        assert!(rule(TO_TABLE, 0, &[by_vrf]).of_each(&vrfs).iter().all(|rule| !rule.can_be_asked()));
        let unknown = rule(TO_TABLE, INVERT, &[by_vrf]).of_each(&[]);
        assert!(matches!(unknown.as_slice(), [Rule { unknown: true, .. }]), "{unknown:?}");
    }
}
