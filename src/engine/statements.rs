//! What DynamoDB said of requests, and what it is to be asked.
//!
//! Each question is a `DescribeTable` that CloudTrail records, so nothing is asked twice: while all is well, only the control is
//! denied, and it is asked once an hour.

use super::{
    collections::{Asked, Target},
    keep::is_passing,
};
use crate::model::{
    FactVisitor, Gap, Observed, Question, Reply, ServiceName, Statement, Timestamp, VpcEndpointId, VpcId,
    WitnessAttempt,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

/// How often the control is asked.
const CONTROL_EVERY: Duration = Duration::from_secs(3600 - 30);

/// How many answers are kept: of DynamoDB's addresses, which change by the second, those that may be in use again.
const KEPT: usize = 512;

type Key = (Question, IpAddr, String);

/// The answers, and whether the control is due.
#[derive(Clone, Debug, Default)]
pub(super) struct Statements {
    attempts: BTreeMap<Key, WitnessAttempt>,
    control_due: bool,
}

/// How requests to an address leave: what the questions are about.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    pub(super) target: Target,
    pub(super) vpc: VpcId,
    pub(super) source: IpAddr,
    /// The only endpoint of the VPC that can carry DynamoDB.
    pub(super) endpoint: Option<VpcEndpointId>,
}

impl Statements {
    /// With answers to the control that another process got.
    pub(super) fn new(controls: &[WitnessAttempt]) -> Self {
        let mut statements = Self { control_due: true, ..Self::default() };
        for control in controls.iter().filter(|control| control.question == Question::Direct) {
            statements.control_due = false;
            statements.take(control.clone(), &BTreeSet::new());
        }
        statements
    }

    /// Takes in an answer. One that did not come leaves what was known, which grows old by itself.
    pub(super) fn take(&mut self, attempt: WitnessAttempt, in_use: &BTreeSet<IpAddr>) {
        let key = (attempt.question, attempt.address, attempt.hostname.clone());
        let is_known = self.attempts.get(&key).is_some_and(|known| known.statement.seen().is_some());
        if is_known && says_nothing(&attempt.statement) {
            return;
        }
        if attempt.statement.seen().is_some_and(is_control) {
            self.attempts.retain(|(question, address, _), _| *question != Question::Direct || in_use.contains(address));
        }
        self.attempts.insert(key.clone(), attempt);
        if self.attempts.len() > KEPT {
            self.attempts.retain(|other, _| in_use.contains(&other.1) || *other == key);
        }
    }

    /// Decides whether the control is due.
    pub(super) fn set_now(&mut self, now: Timestamp) {
        let of_control = self.attempts.values().filter_map(|attempt| match &attempt.statement {
            Observed::Seen { value, at, .. } if is_control(value) => Some(*at),
            Observed::Seen { .. } | Observed::Unseen(_) => None,
        });
        self.control_due = of_control.max().is_none_or(|at| now.since(at) >= CONTROL_EVERY);
    }

    /// What is asked in one go.
    pub(super) fn questions(&self, leaving: &[Leaving]) -> Vec<Asked> {
        let mut questions = Vec::new();
        for Leaving { target, vpc, source, endpoint } in leaving {
            let Target { name, address, .. } = target;
            let mut ask = |question, subject: Option<String>| questions.push(asked(name, *address, question, subject));
            ask(Question::Vpc, Some(vpc.to_string()));
            if source.is_ipv4() {
                ask(Question::From, Some(source.to_string()));
            }
            if let Some(endpoint) = endpoint {
                ask(Question::Endpoint, Some(endpoint.to_string()));
            }
        }
        if let Some(Leaving { target, .. }) = leaving.first().filter(|_| self.control_due) {
            questions.push(asked(&target.name, target.address, Question::Direct, None));
        }
        questions
    }

    /// What is asked after that: whether requests come through no endpoint, where they do not come through one of the VPC; and
    /// the control, where it was not denied to the same credentials.
    pub(super) fn follow_ups(&self, leaving: &[Leaving]) -> Vec<Asked> {
        let direct = |target: &Target| asked(&target.name, target.address, Question::Direct, None);
        let mut questions = Vec::new();
        let mut control: BTreeSet<&str> = self.controls().collect();
        for Leaving { target, .. } in leaving {
            let key = (Question::Vpc, target.address, target.name.hostname.clone());
            let Some(statement) = self.attempts.get(&key).and_then(|attempt| attempt.statement.seen()) else {
                continue;
            };
            match statement.reply {
                Reply::No => questions.push(direct(target)),
                Reply::Yes if control.insert(&statement.credentials) => questions.push(direct(target)),
                Reply::Yes
                | Reply::EndpointPolicy
                | Reply::OtherPolicy { .. }
                | Reply::TableExists
                | Reply::Failed { .. } => {}
            }
        }
        questions
    }

    /// The credentials that were denied the control.
    fn controls(&self) -> impl Iterator<Item = &str> {
        let seen = self.attempts.values().filter_map(|attempt| attempt.statement.seen());
        seen.filter(|statement| is_control(statement)).map(|statement| statement.credentials.as_str())
    }

    /// Whether something was not asked yet of one of these.
    pub(super) fn lacks(&self, leaving: &[Leaving]) -> bool {
        leaving.iter().any(|Leaving { target, .. }| {
            !self.attempts.contains_key(&(Question::Vpc, target.address, target.name.hostname.clone()))
        })
    }

    /// Those about `targets`, and the control.
    pub(super) fn of(&self, targets: &[Target]) -> Vec<WitnessAttempt> {
        let is_wanted = |attempt: &&WitnessAttempt| {
            let is_target =
                |target: &Target| target.address == attempt.address && target.name.hostname == attempt.hostname;
            targets.iter().any(is_target) || attempt.statement.seen().is_some_and(is_control)
        };
        self.attempts.values().filter(is_wanted).cloned().collect()
    }

    pub(super) fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        self.attempts.values_mut().for_each(|attempt| attempt.visit_facts(visitor));
    }
}

fn asked(name: &ServiceName, address: IpAddr, question: Question, subject: Option<String>) -> Asked {
    Asked { name: name.clone(), address, question, subject }
}

/// The control, denied: the role does not allow everything.
fn is_control(statement: &Statement) -> bool {
    statement.question == Question::Direct && statement.reply == Reply::No
}

/// Whether there was no answer, so that what was known before stands.
fn says_nothing(statement: &Observed<Statement>) -> bool {
    match statement {
        Observed::Seen { value, .. } => matches!(value.reply, Reply::Failed { .. }),
        Observed::Unseen(gap) => is_passing(gap) || matches!(gap, Gap::NotTried { .. } | Gap::Credentials { .. }),
    }
}
