//! What follows from DynamoDB's own answers about the requests to an address. They count as a whole row of this table only:
//!
//! | the request came | `vpc` | `from` | `direct` |
//! |---|---|---|---|
//! | through an endpoint of the own VPC, from the own address | yes | yes | no |
//! | through a NAT gateway or proxy, then such an endpoint | yes | no | no |
//! | through no endpoint | no | no | yes |

use super::{
    address::{is_testified, may_precede_endpoint},
    path::Reader,
};
use crate::model::{
    Beyond, CONTROL_AGE, Drop, Gap, Interface, Missing, Observed, Path, PathKind, PathTarget, Question, Reply,
    Snapshot, Statement, TOGETHER, Timestamp, Verdict, Witness, WitnessAttempt,
};
use std::net::IpAddr;

/// What DynamoDB said of the requests to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It was not asked, or what it said decides nothing and contradicts nothing.
    Nothing,
    /// They come through a DynamoDB endpoint of the own VPC, from the own address: the first row.
    OwnEndpoint {
        /// An endpoint that it says they do not come through.
        not_through: Option<String>,
    },
    /// They come through a DynamoDB endpoint of the own VPC, from another address: the second row.
    OtherSource,
    /// They come through no endpoint: the third row.
    NoEndpoint,
    /// The same without an answer about the source address, which for IPv6 there never is: it contradicts, and decides nothing.
    NoEndpointByControl,
    /// They come through an endpoint of the own VPC, and the address is an IPv6 one: it contradicts, and decides nothing.
    OwnEndpointByIpv6,
    /// It fits no row, for this reason.
    Unclear(String),
}

/// What DynamoDB said of the requests for `hostname` to `address`, which leave through `interface` from `source`.
pub(super) fn said(
    snapshot: &Snapshot,
    hostname: &str,
    address: IpAddr,
    interface: &Interface,
    source: Option<IpAddr>,
) -> Said {
    let denied = |attempt: &WitnessAttempt| {
        attempt.question == Question::Direct && attempt.statement.seen().is_none_or(|one| one.reply != Reply::Yes)
    };
    // The control alone says nothing of one address.
    if attempts(snapshot, hostname, address).all(denied) {
        return Said::Nothing;
    }
    match Row::read(snapshot, hostname, address, interface, source) {
        Ok(row) => row.said(snapshot, address),
        Err(why) => Said::Unclear(why),
    }
}

/// The answers about one address, as far as they are about these requests and were given together.
struct Row<'s> {
    vpc: &'s Statement,
    /// `None` for IPv6: `aws:VpcSourceIp` is IPv4's.
    from: Option<&'s Statement>,
    /// Why the row is not whole: the answer about the source address or about the endpoint is missing, or does not belong to the others.
    unpaired: Option<String>,
    direct: Option<&'s Statement>,
    endpoint: Option<&'s Statement>,
    /// Whether the credentials that asked were denied what no condition would let through.
    control: Result<(), String>,
    /// Whether they were sent from the address that `aws:Ec2InstanceSourcePrivateIPv4` has.
    from_primary: bool,
}

/// One question as it should have been asked.
struct Asked<'a> {
    hostname: &'a str,
    address: IpAddr,
    interface: &'a Interface,
    source: Option<IpAddr>,
}

impl Asked<'_> {
    /// The answer to a question, and when it was given; `None` where it was not asked.
    ///
    /// # Errors
    /// Why the answer is missing, contradicts another one, or is about something else.
    fn read<'s>(
        &self,
        snapshot: &'s Snapshot,
        question: Question,
        subject: Option<&str>,
    ) -> Result<Option<(&'s Statement, Timestamp)>, String> {
        let mut asked = attempts(snapshot, self.hostname, self.address).filter(|attempt| attempt.question == question);
        let Some(attempt) = asked.next() else { return Ok(None) };
        if asked.any(|other| other != attempt) {
            return Err(format!("the question {question} has two answers"));
        }
        let (statement, at) = match &attempt.statement {
            Observed::Seen { value, at, .. } => (value, *at),
            Observed::Unseen(gap) => return Err(format!("the question {question}: {gap}")),
        };
        let is_about = subject.is_none_or(|subject| statement.subject.as_deref() == Some(subject));
        if statement.question != question || !is_about {
            return Err(format!("the question {question} was not asked about {}", subject.unwrap_or("the endpoint")));
        }
        let local = statement.local.map(|local| local.ip());
        let is_ours = |local| self.interface.addresses.contains(&local) && self.source.is_none_or(|s| s == local);
        if !local.is_some_and(is_ours) {
            let from = local.map_or_else(|| "an unknown address".to_owned(), |local| local.to_string());
            return Err(format!("the question {question} was sent from {from}, not from the address judged here"));
        }
        if statement.anchor.is_none() {
            return Err("the server that answered was not verified by a certificate".to_owned());
        }
        Ok(Some((statement, at)))
    }
}

impl<'s> Row<'s> {
    fn read(
        snapshot: &'s Snapshot,
        hostname: &str,
        address: IpAddr,
        interface: &Interface,
        source: Option<IpAddr>,
    ) -> Result<Self, String> {
        let asked = Asked { hostname, address, interface, source };
        let not_asked = |question: Question| format!("the question {question} was not asked");
        let vpc = asked.read(snapshot, Question::Vpc, Some(interface.vpc.as_str()))?;
        let (vpc, at) = vpc.ok_or_else(|| not_asked(Question::Vpc))?;
        let apart = |other: Timestamp| at.since(other).max(other.since(at)) > TOGETHER;
        let paired = |(from, of_from): (&'s Statement, Timestamp)| {
            if from.credentials != vpc.credentials {
                return Err("the questions were signed with different credentials".to_owned());
            }
            if apart(of_from) {
                return Err(format!(
                    "the questions {} and {} were not answered together",
                    Question::Vpc,
                    Question::From
                ));
            }
            Ok(from)
        };
        let from = match (address, vpc.local) {
            (IpAddr::V4(_), Some(local)) => {
                let from = asked.read(snapshot, Question::From, Some(&local.ip().to_string()));
                from.and_then(|from| from.ok_or_else(|| not_asked(Question::From))).and_then(paired).map(Some)
            }
            (IpAddr::V4(_) | IpAddr::V6(_), _) => Ok(None),
        };
        let endpoint = asked.read(snapshot, Question::Endpoint, None);
        let unpaired = from.as_ref().err().or(endpoint.as_ref().err()).cloned();
        let together = |(one, of_one): (&'s Statement, Timestamp)| {
            (one.credentials == vpc.credentials && !apart(of_one)).then_some(one)
        };
        // Where an endpoint of the VPC carried the request, the control may be of an hour ago, and missing now.
        let direct = match asked.read(snapshot, Question::Direct, None) {
            Ok(direct) => direct.and_then(together),
            Err(why) if vpc.reply == Reply::No => return Err(why),
            Err(_) => None,
        };
        Ok(Self {
            vpc,
            from: from.unwrap_or(None),
            unpaired,
            direct,
            endpoint: endpoint.unwrap_or(None).and_then(together),
            control: control(snapshot, &vpc.credentials),
            from_primary: interface.device_number == 0
                && interface.addresses.iter().find(|own| own.is_ipv4()) == vpc.local.map(|local| local.ip()).as_ref(),
        })
    }

    fn said(&self, snapshot: &Snapshot, address: IpAddr) -> Said {
        let is = |statement: Option<&Statement>, reply: &Reply| statement.map(|one| one.reply == *reply);
        let direct = is(self.direct, &Reply::Yes).unwrap_or(false);
        let mut asked = [Some(self.vpc), self.from, self.direct, self.endpoint].into_iter().flatten();
        if let Some(why) = self.unpaired.clone().or_else(|| asked.find_map(why_unclear)) {
            // That is no whole row, and speaks against an endpoint all the same.
            let is_against = direct && self.vpc.reply == Reply::No;
            return if is_against { Said::NoEndpointByControl } else { Said::Unclear(why) };
        }
        let through_some = is(self.endpoint, &Reply::Yes) == Some(true) || is_testified(snapshot, address);
        match (&self.vpc.reply, is(self.from, &Reply::Yes)) {
            (Reply::Yes, _) if direct => Said::Unclear(BROAD.to_owned()),
            (Reply::Yes, from) => match (&self.control, from) {
                (Err(why), _) => Said::Unclear(why.clone()),
                (Ok(()), Some(true)) => {
                    let denied = self.endpoint.filter(|one| one.reply == Reply::No);
                    Said::OwnEndpoint { not_through: denied.and_then(|one| one.subject.clone()) }
                }
                (Ok(()), Some(false)) if self.from_primary => Said::OtherSource,
                (Ok(()), Some(false)) => Said::Unclear(
                    "it denied the question about the source address, which is not the primary one of the instance: the denies \
                     of `onnet policy --guard` are about that one alone"
                        .to_owned(),
                ),
                (Ok(()), None) => Said::OwnEndpointByIpv6,
            },
            (_, Some(true)) => Said::Unclear("it confirmed the source address, and not the VPC".to_owned()),
            (_, _) if direct && through_some => {
                Said::Unclear("it said that the request came through an endpoint, and through none".to_owned())
            }
            (_, _) if direct && address.is_ipv6() => Said::NoEndpointByControl,
            (_, _) if direct => Said::NoEndpoint,
            (_, _) => Said::Unclear(
                "it denied every question: the role does not have the policy that `onnet policy` prints, or requests come through \
                 another VPC's endpoint"
                    .to_owned(),
            ),
        }
    }
}

const BROAD: &str = "it said yes to the control: the role allows dynamodb:DescribeTable on every table; the denies that \
                     `onnet policy --guard` prints make its answers depend on the request";

/// Why an answer is neither a yes nor a no.
fn why_unclear(statement: &Statement) -> Option<String> {
    let Statement { question, subject, reply, message, .. } = statement;
    let table = question.table(subject.as_deref());
    let words = message.as_deref().map_or(String::new(), |message| format!(" ({message})"));
    match reply {
        Reply::Yes | Reply::No => None,
        Reply::EndpointPolicy => Some(format!(
            "a VPC endpoint policy denied {table}: the request came through an endpoint, and no more is known{words}"
        )),
        Reply::OtherPolicy { policy: Some(policy) } => Some(format!("a {policy} denied {table}{words}")),
        Reply::OtherPolicy { policy: None } => Some(format!("{table} was denied by a policy that is not named{words}")),
        Reply::TableExists => Some(format!("there is a table {table}, which should not exist")),
        Reply::Failed { result } => Some(format!("the request for {table} ended with {result}{words}")),
    }
}

/// Whether these credentials were denied the control within the last hour.
fn control(snapshot: &Snapshot, credentials: &str) -> Result<(), String> {
    let controls = snapshot.statements.iter().filter(|attempt| attempt.question == Question::Direct);
    let mut gap = None;
    let (mut denied, mut allowed, mut unclear) = (false, false, None);
    for attempt in controls {
        match attempt.statement.get() {
            Ok(statement) if statement.question != attempt.question => {}
            Ok(statement) if statement.credentials != credentials || statement.anchor.is_none() => {}
            Ok(statement) => match &statement.reply {
                Reply::No if statement.is_control => denied = true,
                Reply::No => unclear = Some("nothing else was allowed when the control was denied".to_owned()),
                // Another address may go through no endpoint.
                Reply::Yes => allowed = true,
                Reply::EndpointPolicy | Reply::OtherPolicy { .. } | Reply::TableExists | Reply::Failed { .. } => {
                    unclear = why_unclear(statement);
                }
            },
            Err(reason) => gap = Some(reason),
        }
    }
    match (denied, unclear, gap) {
        (true, ..) => Ok(()),
        (false, Some(why), _) => Err(why),
        (false, None, _) if allowed => Err(BROAD.to_owned()),
        (false, None, Some(gap)) => Err(format!("the control: {gap}")),
        (false, None, None) => {
            Err("the control was not asked with the same credentials within the last hour".to_owned())
        }
    }
}

/// The answers to the control of a snapshot by which the same credentials need not be asked again at `now`.
pub fn controls(snapshot: &Snapshot, now: Timestamp) -> Vec<WitnessAttempt> {
    let is_fresh = |attempt: &&WitnessAttempt| match &attempt.statement {
        Observed::Seen { value, at, .. } => {
            attempt.question == Question::Direct && value.is_control && now.since(*at) < CONTROL_AGE
        }
        Observed::Unseen(_) => false,
    };
    snapshot.statements.iter().filter(is_fresh).cloned().collect()
}

/// What was asked for `hostname` at `address`.
pub(super) fn attempts<'s>(
    snapshot: &'s Snapshot,
    hostname: &str,
    address: IpAddr,
) -> impl Iterator<Item = &'s WitnessAttempt> + use<'s> {
    let hostname = hostname.to_owned();
    snapshot.statements.iter().filter(move |attempt| attempt.address == address && attempt.hostname == hostname)
}

/// Whether DynamoDB answered any question to an address that was sent from this network interface: it got the request.
pub(super) fn has_reply(snapshot: &Snapshot, hostname: &str, address: IpAddr, interface: &Interface) -> bool {
    let sent_here = |one: &Statement| one.local.is_some_and(|local| interface.addresses.contains(&local.ip()));
    // The control may be an hour old.
    let replied = |one: &Statement| !one.is_control && !matches!(one.reply, Reply::Failed { .. });
    attempts(snapshot, hostname, address)
        .filter_map(|attempt| attempt.statement.seen())
        .any(|one| sent_here(one) && replied(one))
}

/// The answers about an address, for its trace.
pub(super) fn statements<'s>(
    snapshot: &'s Snapshot,
    hostname: &str,
    address: IpAddr,
) -> impl Iterator<Item = Witness> + use<'s> {
    attempts(snapshot, hostname, address).filter_map(|attempt| attempt.statement.seen()).map(|statement| {
        let table = statement.question.table(statement.subject.as_deref());
        Witness::Stated { table, reply: statement.reply.clone() }
    })
}

/// The anchors by which servers were verified that are not in the system's store, each with the setting that brings it.
pub(super) fn other_anchors(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    let seen = snapshot.statements.iter().filter_map(|attempt| attempt.statement.seen());
    seen.filter_map(|statement| statement.anchor.as_ref()?.outside_system_store.as_deref())
}

/// The configuration's verdict together with what DynamoDB said.
pub(super) struct Weighed {
    pub(super) verdict: Verdict,
    /// What stands before the endpoint that DynamoDB testified to.
    pub(super) hop: Option<Path>,
    /// What DynamoDB said against the configuration: the verdict cannot be relied on.
    pub(super) against: Option<String>,
    /// What the configuration said, where DynamoDB's word counts and contradicts it.
    pub(super) overruled: Option<String>,
}

impl Weighed {
    pub(super) fn as_is(verdict: Verdict) -> Self {
        Self { verdict, hop: None, against: None, overruled: None }
    }

    fn against(verdict: Verdict, what: String) -> Self {
        Self { against: Some(what), ..Self::as_is(verdict) }
    }

    /// By its route `address` goes elsewhere than `says`, or nowhere. Without a known route nothing is said against it.
    fn against_route(verdict: Verdict, address: IpAddr, says: &str) -> Self {
        let what = match &verdict {
            Verdict::Via(path) => format!("{address} is routed to {path}, but {says}"),
            Verdict::Dropped(drop) => dropped(address, drop, says),
            Verdict::Ambiguous(_) | Verdict::Undetermined(_) => return Self::as_is(verdict),
        };
        Self::against(verdict, what)
    }
}

fn dropped(address: IpAddr, drop: &Drop, says: &str) -> String {
    format!("by its route packets to {address} are dropped ({drop}), but {says}")
}

/// Weighs the verdict on `address`, whose packets leave through `interface`.
pub(super) fn weigh(
    reader: &Reader<'_>,
    verdict: Verdict,
    said: &Said,
    address: IpAddr,
    interface: &Interface,
) -> Weighed {
    match said {
        Said::Nothing | Said::Unclear(_) => Weighed::as_is(verdict),
        Said::NoEndpoint => without_endpoint(verdict, address),
        Said::NoEndpointByControl if verdict.is_on_net() => {
            Weighed::against(verdict, format!("{address} is routed to an endpoint, but {NO_ENDPOINT}"))
        }
        Said::OwnEndpointByIpv6 if verdict.path().is_some_and(is_outside) => {
            let says = "DynamoDB says that the request came through an endpoint of this VPC";
            Weighed::against_route(verdict, address, says)
        }
        Said::NoEndpointByControl | Said::OwnEndpointByIpv6 => Weighed::as_is(verdict),
        Said::OwnEndpoint { .. } if reader.lists_no_dynamodb_endpoint(&interface.vpc) => {
            let vpc = &interface.vpc;
            let what = format!(
                "DynamoDB says that the request to {address} came through an endpoint of {vpc}, but EC2 lists none of DynamoDB's"
            );
            Weighed::against(verdict, what)
        }
        Said::OwnEndpoint { not_through } => through_endpoint(verdict, not_through.as_deref(), address, interface),
        Said::OtherSource => behind_another(verdict, address),
    }
}

const NO_ENDPOINT: &str = "DynamoDB says that the request came through no VPC endpoint";

fn without_endpoint(verdict: Verdict, address: IpAddr) -> Weighed {
    let overruled = match &verdict {
        Verdict::Via(path) if !path.is_dynamodb_endpoint => return Weighed::as_is(verdict),
        Verdict::Via(path) => Some(format!("by its route {address} goes through {path}, but {NO_ENDPOINT}")),
        Verdict::Dropped(drop) => Some(dropped(address, drop, NO_ENDPOINT)),
        Verdict::Ambiguous(_) | Verdict::Undetermined(_) => None,
    };
    Weighed { overruled, ..Weighed::as_is(Verdict::Via(PathTarget::NoEndpointTestified.into())) }
}

fn through_endpoint(verdict: Verdict, not_through: Option<&str>, address: IpAddr, interface: &Interface) -> Weighed {
    let vpc = &interface.vpc;
    let testified =
        || Verdict::Via(Path { is_dynamodb_endpoint: true, ..PathTarget::VpcEndpointTestified(vpc.clone()).into() });
    match &verdict {
        Verdict::Via(path) if path.is_dynamodb_endpoint => match not_through {
            Some(endpoint) if path.target.as_str() == endpoint => {
                let what = format!(
                    "{address} is routed to {endpoint}, but DynamoDB says that the request came through another endpoint"
                );
                Weighed::against(verdict, what)
            }
            Some(_) | None => Weighed::as_is(verdict),
        },
        // A NAT gateway replaces the source address.
        Verdict::Via(path) if keeps_source(path.kind()) => {
            Weighed { hop: Some(path.clone()), ..Weighed::as_is(testified()) }
        }
        Verdict::Undetermined(missing) if !missing.iter().any(contradicts) => Weighed::as_is(testified()),
        Verdict::Via(_) | Verdict::Dropped(_) | Verdict::Ambiguous(_) | Verdict::Undetermined(_) => {
            let says = format!(
                "DynamoDB says that the request came from the instance's own address through an endpoint of {vpc}"
            );
            Weighed::against_route(verdict, address, &says)
        }
    }
}

/// Whether a fact is not missing, but contradicts another one.
fn contradicts(missing: &Missing) -> bool {
    matches!(missing.why, Gap::Conflicting { .. } | Gap::OtherHost { .. } | Gap::SpoofedSource { .. })
}

/// Whether it leads out, past every endpoint of the VPC.
fn is_outside(path: &Path) -> bool {
    !path.is_dynamodb_endpoint && path.kind().beyond() == Beyond::Outside
}

/// Whether packets may go through this and reach an endpoint of the VPC with the address they were sent from: an appliance of the
/// VPC. A NAT gateway replaces the address, and from other networks no gateway endpoint can be reached.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>
fn keeps_source(kind: PathKind) -> bool {
    matches!(kind, PathKind::NetworkInterface | PathKind::Instance | PathKind::GatewayLoadBalancerEndpoint)
}

fn behind_another(verdict: Verdict, address: IpAddr) -> Weighed {
    const SAYS: &str = "DynamoDB says that the request came through an endpoint of this VPC, from another address";
    let more = match verdict {
        Verdict::Via(path) if may_precede_endpoint(path.kind()) || path.kind().beyond() == Beyond::Unknown => {
            return Weighed::as_is(Verdict::Via(path));
        }
        Verdict::Via(_) | Verdict::Dropped(_) => return Weighed::against_route(verdict, address, SAYS),
        Verdict::Undetermined(missing) => missing,
        Verdict::Ambiguous(_) => Vec::new(),
    };
    let detail = format!("{SAYS}; the route tables would show which NAT gateway or proxy");
    let replaced =
        Missing { what: format!("what replaces the source address before {address}"), why: Gap::NotFound { detail } };
    Weighed::as_is(Verdict::Undetermined([vec![replaced], more].concat()))
}
