//! What the picture shows: the hops of one address, the path taken and the path not taken.

use super::html::Tone;
use crate::{
    model::{
        AddressReport, AssociationKind, Beyond, CoverageRange, Decision, DeviceName, Drop, EgressStep, EndpointType,
        Gate, GateKind, GateState, IdleEndpoint, IdleReason, Loser, Missing, Outcome, Path, PathKind, PathTarget,
        ProxyStep, Report, RoutingStep, Target, Trace, Verdict, addresses_in, grouped,
    },
    present::words,
};

/// What is drawn.
pub(super) struct Picture {
    pub(super) region: Option<String>,
    pub(super) vpc: Option<String>,
    pub(super) subnet: Option<String>,
    pub(super) instance: Card,
    /// From the instance to the route table.
    pub(super) first: Line,
    /// The route table, or the hop in its place.
    pub(super) table: Card,
    /// The DynamoDB endpoint first, anything else second; two at most.
    pub(super) branches: Vec<Branch>,
    pub(super) service: Card,
}

/// A box with text.
pub(super) struct Card {
    pub(super) label: String,
    pub(super) tone: Tone,
    /// The shape on the corner: that of the outcome to which this hop leads.
    pub(super) mark: Option<Outcome>,
    pub(super) rows: Vec<Row>,
}

/// A row of a card.
pub(super) enum Row {
    /// An id, an address, a route.
    Id(String),
    Name(String),
    /// The winning route.
    Strong(String),
    Words(String),
    /// A gate beside the route, and whether it is open.
    Gate(GateKind, GateState),
}

/// One path from the route table to DynamoDB.
pub(super) struct Branch {
    /// `None`: no hop in between is known.
    pub(super) card: Option<Card>,
    pub(super) into: Option<Line>,
    pub(super) out: Option<Line>,
}

#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) tone: Tone,
    pub(super) end: End,
    /// Not observed, only concluded or possible.
    pub(super) dashed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Arrow,
    /// Packets end here.
    Cross,
}

impl Card {
    fn new(label: impl Into<String>, tone: Tone) -> Self {
        Self { label: label.into(), tone, mark: None, rows: Vec::new() }
    }

    fn id(mut self, text: impl ToString) -> Self {
        self.rows.push(Row::Id(text.to_string()));
        self
    }

    fn name(mut self, text: impl ToString) -> Self {
        self.rows.push(Row::Name(text.to_string()));
        self
    }

    fn strong(mut self, text: impl ToString) -> Self {
        self.rows.push(Row::Strong(text.to_string()));
        self
    }

    fn words(mut self, text: impl ToString) -> Self {
        self.rows.push(Row::Words(text.to_string()));
        self
    }

    /// The gates of these kinds that stand at this place.
    fn gated(mut self, report: &Report, kinds: &[GateKind], place: &str) -> Self {
        let at_place = |gate: &&Gate| kinds.contains(&gate.gate) && gate.of.split([' ', ',']).any(|id| id == place);
        self.rows.extend(report.gates.iter().filter(at_place).map(|gate| Row::Gate(gate.gate, gate.state)));
        self
    }

    fn marked(mut self, mark: Outcome) -> Self {
        self.mark = Some(mark);
        self
    }
}

impl Line {
    fn to(tone: Tone) -> Self {
        Self { tone, end: End::Arrow, dashed: false }
    }

    fn cross(tone: Tone) -> Self {
        Self { tone, end: End::Cross, dashed: false }
    }

    fn dashed(tone: Tone) -> Self {
        Self { tone, end: End::Arrow, dashed: true }
    }
}

/// What is drawn for `report`.
pub(super) fn picture(report: &Report) -> Picture {
    let artist = Artist { report, address: report.deciding_address() };
    let (first, table, branches) = artist.hops();
    let summary = report.instance.as_ref();
    Picture {
        region: summary.map(|i| i.region.clone()).or_else(|| report.snapshot.region.seen().cloned()),
        vpc: summary.and_then(|i| Some(i.vpc.as_ref()?.to_string())),
        subnet: artist.subnet(),
        instance: artist.instance(),
        first,
        table,
        branches,
        service: artist.service(),
    }
}

struct Artist<'r> {
    report: &'r Report,
    /// The one that decided the outcome.
    address: Option<&'r AddressReport>,
}

type Drawn = (Line, Card, Vec<Branch>);

impl<'r> Artist<'r> {
    fn trace(&self) -> Option<&'r Trace> {
        Some(&self.address?.trace)
    }

    fn subnet(&self) -> Option<String> {
        let of_address = self.trace().and_then(Trace::interface).map(|step| step.subnet.to_string());
        of_address.or_else(|| Some(self.report.instance.as_ref()?.subnet.as_ref()?.to_string()))
    }

    fn instance(&self) -> Card {
        let known = match (&self.report.instance, self.report.snapshot.instance.gap()) {
            (Some(instance), _) => Card::new("Instance", Tone::Plain).id(&instance.id),
            (None, Some(gap)) => {
                Card::new("Instance", Tone::Unknown).marked(Outcome::Undetermined).words(format!("not known: {gap}"))
            }
            (None, None) => Card::new("Instance", Tone::Unknown).marked(Outcome::Undetermined).words("not known"),
        };
        let egress = self.trace().and_then(|trace| trace.egress.as_ref());
        let (known, interface) = match egress {
            None => return known,
            Some(EgressStep::Assumed(step)) => {
                let known = known.id(&step.interface).words("as --interface says");
                return known.gated(self.report, &[GateKind::SecurityGroup], step.interface.as_str());
            }
            Some(EgressStep::Kernel { device, source: Some(source), interface, .. }) => {
                (known.id(format!("{device} {source}")), interface)
            }
            Some(EgressStep::Kernel { device, source: None, interface, .. }) => (known.id(device), interface),
        };
        match interface {
            Some(step) => {
                let id = step.interface.as_str();
                known.id(id).gated(self.report, &[GateKind::SecurityGroup], id)
            }
            None => known,
        }
    }

    fn service(&self) -> Card {
        let card = Card::new("DynamoDB", Tone::Plain);
        match self.address {
            Some(address) => card.name(&address.hostname).id(address.address),
            None => match (&self.report.decided_by, &self.report.hostname) {
                (Some(Decision::Name { hostname, missing }), _) if !missing.is_empty() => {
                    card.name(hostname).words("addresses not fully known")
                }
                (_, Some(hostname)) => card.name(hostname).words("address not known"),
                (_, None) => card.words("hostname not known"),
            },
        }
    }

    fn hops(&self) -> Drawn {
        match (&self.report.decided_by, self.address) {
            (Some(Decision::Proxy { proxy, .. }), _) => self.proxied(proxy),
            (Some(Decision::Name { missing, .. }), _) => {
                let card = Card::new("Path", Tone::Unknown).marked(Outcome::Undetermined);
                unknown_path(match missing.first() {
                    Some(missing) => card.words(format!("not known: {missing}")),
                    None => card.words("not known: the name has no address"),
                })
            }
            (Some(Decision::Address { .. }), Some(address)) => match &address.verdict {
                Verdict::Via(path) => self.via(path),
                Verdict::Dropped(why) => self.dropped(address, why),
                Verdict::Ambiguous(tied) => self.tied(tied),
                Verdict::Undetermined(missing) => self.unknown(address, missing),
            },
            (Some(Decision::Address { .. }) | None, _) => self.without_name(),
        }
    }

    fn proxied(&self, ProxyStep { variable, proxy }: &ProxyStep) -> Drawn {
        let card =
            Card::new("Proxy", Tone::Bad).marked(Outcome::OffNet).name(proxy).words(format!("set by {variable}"));
        (Line::to(Tone::Bad), card, self.beside(onward(Tone::Bad)))
    }

    fn without_name(&self) -> Drawn {
        let card = Card::new("Path", Tone::Unknown).marked(Outcome::Undetermined);
        unknown_path(match self.report.instance {
            Some(_) => card.words("not known without a DynamoDB hostname"),
            None => card.words("not known without the instance's network interfaces"),
        })
    }

    fn via(&self, path: &Path) -> Drawn {
        let on_net = path.is_dynamodb_endpoint;
        let tone = match (self.report.outcome, on_net) {
            (Outcome::Undetermined, _) => Tone::Unknown,
            (_, true) => Tone::Good,
            (_, false) => Tone::Bad,
        };
        if let PathTarget::HostDevice(device) = &path.target {
            return self.by_device(device, tone);
        }
        let card = self.taken(path, tone);
        // Where something else decides behind it, the rest of the path is not in this subnet's route table.
        let line = match path.kind().beyond() {
            Beyond::Outside => Line::to(tone),
            Beyond::AnotherTable | Beyond::Unknown | Beyond::Nothing => Line::dashed(tone),
        };
        let taken = Branch { card: Some(card), into: Some(Line::to(tone)), out: Some(line) };
        let branches = if on_net {
            let other = self.diverted().or_else(|| self.loser());
            std::iter::once(taken).chain(other).collect()
        } else {
            self.beside(taken)
        };
        (Line::to(tone), self.table(tone), branches)
    }

    fn taken(&self, path: &Path, tone: Tone) -> Card {
        let label = match (path.target.field(), path.kind()) {
            (Some(field), _) => field.to_owned(),
            (None, PathKind::Local) => "Within the VPC".to_owned(),
            (None, kind) => capitalized(kind.words()),
        };
        let card = Card::new(label, tone).id(&path.target);
        let card = match (path.kind(), self.trace().and_then(|trace| trace.endpoint.as_ref())) {
            (PathKind::InterfaceEndpoint, Some(step)) => card.id(&step.interface),
            (PathKind::Local, _) => card.words("no DynamoDB endpoint has this address"),
            _ if path.is_dynamodb_endpoint => card,
            _ => match &path.service {
                Some(service) => card.words(format!("for {service}")),
                None => card,
            },
        };
        let beyond = [GateKind::PublicAccess, GateKind::NatGateway, GateKind::InternetFirewall];
        let card = card.gated(self.report, &beyond, path.target.as_str());
        match (self.report.outcome, path.is_dynamodb_endpoint) {
            (Outcome::AtRisk, true) => card.words("taken, with a warning").marked(Outcome::AtRisk),
            (Outcome::Undetermined, _) => card.words("not certain").marked(Outcome::Undetermined),
            (_, true) => card.words("taken").marked(Outcome::OnNet),
            (_, false) => card.words("taken").marked(Outcome::OffNet),
        }
    }

    /// The route table, with the route that wins.
    fn table(&self, tone: Tone) -> Card {
        let trace = self.trace();
        if let Some(RoutingStep::SameSubnet(cidr)) = trace.and_then(|trace| trace.routing.as_ref()) {
            return Card::new("The subnet itself", tone).id(cidr).words("no route table applies");
        }
        let Some((table, association)) = trace.and_then(Trace::table) else {
            return Card::new("Route table", Tone::Unknown).words("not known").marked(Outcome::Undetermined);
        };
        let card = Card::new("Route table", Tone::Plain).id(table).words(match association {
            AssociationKind::Explicit => "associated with this subnet",
            AssociationKind::Main => "the VPC's main route table",
        });
        let card = match trace.and_then(Trace::interface) {
            Some(step) => card.gated(self.report, &[GateKind::NetworkAcl], step.subnet.as_str()),
            None => card,
        };
        match trace.and_then(Trace::winner) {
            Some(won) => {
                let (from, to) = words::matched_parts(won);
                card.strong(from).strong(format!("→ {to}"))
            }
            None => card,
        }
    }

    fn by_device(&self, device: &DeviceName, tone: Tone) -> Drawn {
        if device.is_loopback() {
            let card = Card::new("This host itself", tone).marked(Outcome::OffNet).words("the address is its own");
            return (Line::to(tone), card, self.idle_endpoint().into_iter().collect());
        }
        let card = Card::new("Device", tone).marked(Outcome::OffNet).id(device);
        let card = card.words("not a network interface of the instance");
        (Line::to(tone), card, self.beside(onward(tone)))
    }

    fn dropped(&self, address: &AddressReport, why: &Drop) -> Drawn {
        let bad = Tone::Bad;
        let won = address.trace.winner();
        let gone = |target: &str| {
            let label = won.map_or("Target", |won| won.route.target.words());
            Card::new(capitalized(label), Tone::Faint).marked(Outcome::Dropped).id(target)
        };
        match why {
            Drop::NoKernelRoute { detail } => {
                let card = Card::new("Route table", Tone::Faint).words("not reached");
                let card = card.words(format!("the instance's own kernel has no route: {detail}"));
                (Line::cross(bad), card, self.idle_endpoint().into_iter().collect())
            }
            Drop::NoRoute => {
                let table = self.table(bad).strong(format!("no route matches {}", address.address));
                let dropped = Branch { card: None, into: Some(Line::cross(bad)), out: None };
                (Line::to(bad), table, self.beside(dropped))
            }
            Drop::Blackhole { target } => {
                let card = gone(target.as_str()).words("gone: a blackhole, packets are dropped");
                let dropped = Branch { card: Some(card), into: Some(Line::cross(bad)), out: None };
                let at_endpoint = won.is_some_and(|won| matches!(won.route.target, Target::VpcEndpoint(_)));
                let branches = match at_endpoint {
                    true => std::iter::once(dropped).chain(self.loser()).collect(),
                    false => self.beside(dropped),
                };
                (Line::to(bad), self.table(bad), branches)
            }
            Drop::NoPublicAddress { target } => {
                let card = Card::new("Internet gateway", bad).marked(Outcome::Dropped).id(target);
                let card = card.words("the source has no public address");
                let dropped = Branch { card: Some(card), into: Some(Line::to(bad)), out: Some(Line::cross(bad)) };
                (Line::to(bad), self.table(bad), self.beside(dropped))
            }
        }
    }

    fn tied(&self, tied: &[Path]) -> Drawn {
        let branch = |path: &Path| {
            let card = Card::new(capitalized(path.kind().words()), Tone::Unknown)
                .marked(Outcome::Undetermined)
                .id(&path.target);
            let card = card.words("a tie: AWS does not say which wins");
            let line = Some(Line::dashed(Tone::Unknown));
            Branch { card: Some(card), into: line, out: line }
        };
        let mut paths: Vec<&Path> = tied.iter().collect();
        paths.sort_by_key(|path| !path.is_dynamodb_endpoint);
        let mut table = self.table(Tone::Unknown).strong("equal routes tie");
        if paths.len() > 2 {
            table = table.words(format!("{} of them", paths.len()));
        }
        (Line::to(Tone::Unknown), table, paths.into_iter().take(2).map(branch).collect())
    }

    fn unknown(&self, address: &AddressReport, missing: &[Missing]) -> Drawn {
        let unknown = Tone::Unknown;
        let dashed = Some(Line::dashed(unknown));
        let question = |label: &str| {
            let card = Card::new(label, unknown).marked(Outcome::Undetermined);
            match missing {
                [] => card.words("not known"),
                [one] => card.words(format!("not known: {one}")),
                [one, rest @ ..] => card.words(format!("not known: {one}")).words(format!("and {} more", rest.len())),
            }
        };
        let trace = &address.trace;
        if trace.testimony().next().is_some() {
            let card = Card::new("VPC endpoint", Tone::Good).marked(Outcome::AtRisk);
            let card = card.words("DynamoDB reports that requests come through one; which one was not observed");
            let line = Some(Line::dashed(Tone::Good));
            let branch = Branch { card: Some(card), into: line, out: line };
            return (Line::to(Tone::Good), question("Route table"), vec![branch]);
        }
        if trace.table().is_none() {
            let label = if trace.interface().is_some() { "Route table" } else { "Path" };
            return (Line::dashed(unknown), question(label), vec![onward(unknown)]);
        }
        let branch = Branch { card: Some(question("Next hop")), into: dashed, out: dashed };
        (Line::to(unknown), self.table(unknown), vec![branch])
    }

    /// The endpoint that is not taken, and the path that is.
    fn beside(&self, taken: Branch) -> Vec<Branch> {
        self.idle_endpoint().into_iter().chain([taken]).collect()
    }

    /// The best route that lost and leads elsewhere.
    fn loser(&self) -> Option<Branch> {
        let trace = self.trace()?;
        let won = trace.winner().map(|won| &won.route.target);
        let leads_elsewhere = |loser: &&Loser| {
            let target = &loser.matched.route.target;
            *target != Target::Local && Some(target) != won
        };
        let loser = trace.losers().iter().find(leads_elsewhere)?;
        let target = &loser.matched.route.target;
        let card = Card::new(capitalized(target.words()), Tone::Faint).id(target.id());
        let card = card.id(loser.matched.prefix).words(format!("not taken: {}", words::lost_by(loser.lost_by)));
        Some(faint(card))
    }

    /// What takes part of the prefix list elsewhere while the address in use is on-net: the largest part.
    fn diverted(&self) -> Option<Branch> {
        if self.report.outcome != Outcome::AtRisk {
            return None;
        }
        let mut parts: Vec<(String, Vec<&CoverageRange>)> = Vec::new();
        for range in self.report.coverage.iter().filter(|range| !range.verdict.is_on_net()) {
            let brief = words::brief(&range.verdict);
            match parts.iter_mut().find(|(known, _)| *known == brief) {
                Some((_, ranges)) => ranges.push(range),
                None => parts.push((brief, vec![range])),
            }
        }
        let size = |ranges: &[&CoverageRange]| addresses_in(ranges.iter().map(|range| &range.cidr));
        let (brief, ranges) = parts.iter().max_by_key(|(_, ranges)| size(ranges))?;
        let first = ranges.first()?;
        let total = self.report.coverage_summary.map(|summary| summary.addresses)?;
        let (card, out) = match &first.verdict {
            Verdict::Via(path) => {
                (Card::new(capitalized(path.kind().words()), Tone::Warn).id(&path.target), Line::to(Tone::Warn))
            }
            Verdict::Dropped(_) => (Card::new("Dropped", Tone::Warn).words(brief), Line::cross(Tone::Warn)),
            Verdict::Ambiguous(_) | Verdict::Undetermined(_) => {
                (Card::new("Not known", Tone::Warn).words(brief), Line::dashed(Tone::Warn))
            }
        };
        let card = card.marked(Outcome::AtRisk).id(match ranges.len() {
            1 => first.cidr.to_string(),
            n => format!("{} and {} more", first.cidr, n - 1),
        });
        let took = size(ranges);
        let card = match &first.verdict {
            Verdict::Via(_) | Verdict::Dropped(_) => {
                card.words(format!("takes {} of {} addresses of the list", grouped(took), grouped(total)))
            }
            Verdict::Ambiguous(_) | Verdict::Undetermined(_) => {
                card.words(format!("{} of {} addresses of the list", grouped(took), grouped(total)))
            }
        };
        Some(Branch { card: Some(card), into: Some(Line::to(Tone::Warn)), out: Some(out) })
    }

    /// The endpoint that could carry the traffic and does not, and why.
    fn idle_endpoint(&self) -> Option<Branch> {
        let card = |label: &str| Card::new(label, Tone::Faint);
        Some(match self.report.idle_endpoint.as_ref()? {
            IdleEndpoint::NotKnown { why } => {
                unconnected(card("VPC endpoint").words(format!("not known whether there is one: {why}")))
            }
            IdleEndpoint::Absent => unconnected(card("VPC endpoint").words("absent: the VPC has none for DynamoDB")),
            IdleEndpoint::Idle { id, kind, reason } => {
                let by_gateway = *kind == EndpointType::Gateway;
                let card = card(if by_gateway { "Gateway endpoint" } else { "Interface endpoint" }).id(id);
                match reason {
                    IdleReason::Lost(why) => faint(card.words(format!("not taken: {}", words::lost_by(*why)))),
                    IdleReason::NotAssociated => unconnected(card.words("no association with this route table")),
                    IdleReason::OtherAddress => unconnected(card.words("not at the address in use")),
                    IdleReason::Proxy => unconnected(card.words("not used by clients that use the proxy")),
                    IdleReason::NotTaken => unconnected(card.words("not taken")),
                }
            }
        })
    }
}

/// Nothing is known of the path but what `card` says.
fn unknown_path(card: Card) -> Drawn {
    (Line::dashed(Tone::Unknown), card, vec![onward(Tone::Unknown)])
}

/// A path that exists and is not taken.
fn faint(card: Card) -> Branch {
    let line = Some(Line::dashed(Tone::Faint));
    Branch { card: Some(card), into: line, out: line }
}

/// An endpoint that no route leads to.
fn unconnected(card: Card) -> Branch {
    Branch { card: Some(card), into: None, out: Some(Line::dashed(Tone::Faint)) }
}

/// On to DynamoDB through hops that were not observed.
fn onward(tone: Tone) -> Branch {
    Branch { card: None, into: None, out: Some(Line::dashed(tone)) }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
