//! What DynamoDB said of requests, and what it is to be asked.
//!
//! Each question is a `DescribeTable` that CloudTrail records, so nothing is asked twice: while all is well, only the control is
//! denied, and it is asked once an hour.

use super::{
    clock::Step,
    collections::{Asked, Target},
    keep::is_passing,
};
use crate::model::{
    FactVisitor, Gap, Observed, Question, Reply, ServiceName, Statement, TOGETHER, Timestamp, VpcEndpointId, VpcId,
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

/// An answer, and when it came.
#[derive(Clone, Debug)]
struct Kept {
    attempt: WitnessAttempt,
    at: Timestamp,
    /// The round of questions that it belongs to.
    round: u64,
}

/// The answers, and what is to be asked.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    kept: BTreeMap<Key, Kept>,
    /// For how long an answer is not asked for again.
    every: Duration,
    now: Timestamp,
    round: u64,
    control_due: bool,
    /// Something may have changed: everything is asked.
    all_due: bool,
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
    /// None yet. Each is asked for again after `every`.
    pub(super) fn new(every: Duration) -> Self {
        let now = std::time::UNIX_EPOCH.into();
        Self { kept: BTreeMap::new(), every, now, round: 0, control_due: true, all_due: false }
    }

    /// With answers to the control that another process got.
    pub(super) fn with_controls(mut self, controls: &[WitnessAttempt]) -> Self {
        for control in controls.iter().filter(|control| control.statement.seen().is_some_and(|one| one.is_control)) {
            self.control_due = false;
            self.insert(control.clone());
        }
        self
    }

    fn insert(&mut self, attempt: WitnessAttempt) {
        let at = if let Observed::Seen { at, .. } = &attempt.statement { *at } else { self.now };
        self.kept.insert(
            (attempt.question, attempt.address, attempt.hostname.clone()),
            Kept { attempt, at, round: self.round },
        );
    }

    /// Takes in an answer. The control stays where another one did not come.
    pub(super) fn take(&mut self, attempt: WitnessAttempt, in_use: &BTreeSet<IpAddr>) {
        let (question, address, hostname) = (attempt.question, attempt.address, attempt.hostname.clone());
        let key = (question, address, hostname.clone());
        if self.kept.get(&key).is_some_and(Kept::is_control) && says_nothing(&attempt.statement) {
            return;
        }
        let is_no = attempt.statement.seen().is_some_and(|one| one.reply == Reply::No);
        self.insert(attempt);
        if question == Question::Vpc && is_no {
            // What was said of other addresses before may not hold either.
            let at = self.kept[&key].at;
            self.kept.retain(|_, kept| kept.is_control() || at.since(kept.at) <= TOGETHER);
        }
        self.mark_control(address, hostname);
        if self.kept.len() > KEPT {
            self.kept.retain(|other, kept| in_use.contains(&other.1) || *other == key || kept.is_control());
        }
    }

    /// A denial is the control where the same credentials were allowed another question at the same time.
    fn mark_control(&mut self, address: IpAddr, hostname: String) {
        let vpc = (Question::Vpc, address, hostname.clone());
        let Some((vpc, at)) =
            self.kept.get(&vpc).and_then(|kept| Some((kept.attempt.statement.seen()?.clone(), kept.at)))
        else {
            return;
        };
        let Some(Kept { attempt, at: of_direct, round: _ }) = self.kept.get_mut(&(Question::Direct, address, hostname))
        else {
            return;
        };
        let is_together = at.since(*of_direct).max(of_direct.since(at)) <= TOGETHER;
        let Observed::Seen { value: direct, .. } = &mut attempt.statement else { return };
        let is_pair = vpc.reply == Reply::Yes && direct.reply == Reply::No && vpc.credentials == direct.credentials;
        direct.is_control |= is_pair && is_together;
        if direct.is_control {
            // One is enough.
            let own = (attempt.address, attempt.hostname.clone());
            self.kept.retain(|(_, address, hostname), kept| !kept.is_control() || (*address, hostname.clone()) == own);
        }
    }

    /// The time, by which answers grow old.
    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
        let controls = self.kept.values().filter(|kept| kept.is_control()).map(|kept| kept.at);
        self.control_due = controls.max().is_none_or(|at| now.since(at) >= CONTROL_EVERY);
    }

    /// Something that the answers depend on changed: they do not hold any more, but for the control.
    pub(super) fn forget(&mut self) {
        self.kept.retain(|_, kept| kept.is_control());
    }

    /// Whether the answers about addresses in use were given to other credentials than these.
    pub(super) fn are_of_others(&self, credentials: &str, in_use: &BTreeSet<IpAddr>) -> bool {
        let attempts = self.kept.values().map(|kept| &kept.attempt);
        let mut of_use = attempts.filter(|one| one.question == Question::Vpc && in_use.contains(&one.address));
        of_use.any(|one| one.statement.seen().is_some_and(|statement| statement.credentials != credentials))
    }

    /// Something may have changed: all is asked again.
    pub(super) fn ask_all(&mut self) {
        self.all_due = true;
    }

    /// A round of questions begins.
    pub(super) fn begun(&mut self) {
        self.all_due = false;
        self.round += 1;
    }

    /// The last answer to a question; `None` where it was not asked.
    fn last(&self, question: Question, target: &Target) -> Option<&Kept> {
        self.kept.get(&(question, target.address, target.name.hostname.clone()))
    }

    /// Whether the answers about an address are not to be asked for again yet.
    fn is_fresh(&self, kept: &Kept) -> bool {
        // A round comes a little earlier or later than the period.
        self.now.since(kept.at) < self.every.mul_f64(0.9)
    }

    /// What is asked in one go.
    pub(super) fn questions(&self, leaving: &[Leaving]) -> Vec<Asked> {
        let mut questions = Vec::new();
        for Leaving { target, vpc, source, endpoint } in leaving {
            let Target { name, address } = target;
            let subjects = [
                (Question::Vpc, Some(vpc.to_string())),
                (Question::From, source.is_ipv4().then(|| source.to_string())),
                (Question::Endpoint, endpoint.as_ref().map(ToString::to_string)),
            ];
            let asked: Vec<_> = subjects.into_iter().filter(|(_, subject)| subject.is_some()).collect();
            let is_known = |(question, subject): &(Question, Option<String>)| {
                let is_answer = |kept: &&Kept| {
                    let about = kept.attempt.statement.seen().and_then(|one| one.subject.as_ref());
                    self.is_fresh(kept) && !says_nothing(&kept.attempt.statement) && about == subject.as_ref()
                };
                self.last(*question, target).filter(is_answer).is_some()
            };
            // The endpoint may become known later than the rest.
            let only_endpoint = !self.all_due && asked.iter().filter(|one| one.0 != Question::Endpoint).all(is_known);
            let due = asked.into_iter().filter(|one| !only_endpoint || !is_known(one));
            questions.extend(due.map(|(question, subject)| asked_of(name, *address, question, subject)));
        }
        let first = leaving.first().filter(|_| self.control_due);
        questions.extend(first.map(|Leaving { target, .. }| direct(target)));
        questions
    }

    /// What is asked after that: whether requests come through no endpoint, where they do not come through one of the VPC; and
    /// the control, where it was not denied to the same credentials.
    pub(super) fn follow_ups(&self, leaving: &[Leaving]) -> Vec<Asked> {
        let mut questions = Vec::new();
        let controls = self.kept.values().filter(|kept| kept.is_control());
        let mut control: BTreeSet<&str> =
            controls.filter_map(|kept| Some(kept.attempt.statement.seen()?.credentials.as_str())).collect();
        for Leaving { target, .. } in leaving {
            let Some(vpc) = self.last(Question::Vpc, target) else { continue };
            let Some(statement) = vpc.attempt.statement.seen() else { continue };
            let is_asked = self.last(Question::Direct, target).is_some_and(|direct| direct.round == vpc.round);
            match statement.reply {
                Reply::No if !is_asked => questions.push(direct(target)),
                Reply::Yes if control.insert(&statement.credentials) && !is_asked => questions.push(direct(target)),
                Reply::Yes
                | Reply::No
                | Reply::EndpointPolicy
                | Reply::OtherPolicy { .. }
                | Reply::TableExists
                | Reply::Failed { .. } => {}
            }
        }
        questions
    }

    /// Whether one of these was not asked about within the period.
    pub(super) fn lacks(&self, leaving: &[Leaving]) -> bool {
        leaving.iter().any(|Leaving { target, .. }| {
            self.last(Question::Vpc, target).is_none_or(|kept| self.now.since(kept.at) > self.every)
        })
    }

    /// Those about `targets`, and the control.
    pub(super) fn of(&self, targets: &[Target]) -> Vec<WitnessAttempt> {
        let is_wanted = |kept: &&Kept| {
            let attempt = &kept.attempt;
            let is_target =
                |target: &Target| target.address == attempt.address && target.name.hostname == attempt.hostname;
            targets.iter().any(is_target) || kept.is_control()
        };
        self.kept.values().filter(is_wanted).map(|kept| kept.attempt.clone()).collect()
    }

    /// The wall clock was set.
    pub(super) fn restamp(&mut self, step: Step) {
        for kept in self.kept.values_mut() {
            kept.at = step.applied_to(kept.at);
        }
        self.now = step.applied_to(self.now);
    }

    pub(super) fn visit_facts(&mut self, visitor: &mut impl FactVisitor) {
        self.kept.values_mut().for_each(|kept| kept.attempt.visit_facts(visitor));
    }
}

impl Kept {
    fn is_control(&self) -> bool {
        self.attempt.statement.seen().is_some_and(|one| one.is_control)
    }
}

fn direct(target: &Target) -> Asked {
    asked_of(&target.name, target.address, Question::Direct, None)
}

fn asked_of(name: &ServiceName, address: IpAddr, question: Question, subject: Option<String>) -> Asked {
    Asked { name: name.clone(), address, question, subject }
}

/// Whether there was no answer, so that what was known before stands.
fn says_nothing(statement: &Observed<Statement>) -> bool {
    match statement {
        Observed::Seen { value, .. } => matches!(value.reply, Reply::Failed { .. }),
        Observed::Unseen(gap) => is_passing(gap) || matches!(gap, Gap::NotTried { .. } | Gap::Credentials { .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NameKind, Seconds};

    const PERIOD: Duration = Duration::from_secs(900);
    const ALL: [Question; 3] = [Question::Vpc, Question::From, Question::Direct];

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from(std::time::UNIX_EPOCH).plus(Duration::from_secs(1_000_000 + seconds))
    }

    fn leaving(last: u8) -> Leaving {
        let hostname = "dynamodb.us-east-1.amazonaws.com".to_owned();
        let name = ServiceName {
            hostname,
            port: 443,
            tls: true,
            kind: NameKind::Regional,
            in_use: true,
            chosen_by: Vec::new(),
        };
        let target = Target { name, address: [52, 94, 0, last].into() };
        Leaving { target, vpc: "vpc-0a".into(), source: [10, 0, 0, 9].into(), endpoint: None }
    }

    fn questions(asked: &[Asked]) -> Vec<(Question, u8)> {
        let last = |address| if let IpAddr::V4(v4) = address { v4.octets()[3] } else { 0 };
        asked.iter().map(|asked| (asked.question, last(asked.address))).collect()
    }

    /// Answers every question that is due at `second`, as a request through an endpoint is answered or not. What was asked.
    fn round(
        statements: &mut Statements,
        second: u64,
        leaving: &[Leaving],
        reply: impl Fn(&Asked) -> Reply,
    ) -> Vec<(Question, u8)> {
        statements.set_now(at(second));
        let mut all = Vec::new();
        for (number, step) in [Statements::questions, Statements::follow_ups].into_iter().enumerate() {
            let asked = step(statements, leaving);
            if number == 0 {
                statements.begun();
            }
            for asked in &asked {
                let statement = Statement {
                    question: asked.question,
                    subject: asked.subject.clone(),
                    reply: reply(asked),
                    message: None,
                    local: None,
                    anchor: None,
                    credentials: "0123456789abcdef".to_owned(),
                    is_control: false,
                    request_id: None,
                };
                let attempt = WitnessAttempt {
                    question: asked.question,
                    address: asked.address,
                    hostname: asked.name.hostname.clone(),
                    statement: Observed::Seen { value: statement, at: at(second), took: Seconds::default() },
                };
                let in_use = leaving.iter().map(|leaving| leaving.target.address).collect();
                statements.take(attempt, &in_use);
            }
            all.extend(questions(&asked));
        }
        all
    }

    fn through(asked: &Asked) -> Reply {
        if asked.question == Question::Direct { Reply::No } else { Reply::Yes }
    }

    fn past(asked: &Asked) -> Reply {
        if asked.question == Question::Direct { Reply::Yes } else { Reply::No }
    }

    fn known(statements: &Statements, leaving: &[Leaving]) -> usize {
        let targets: Vec<_> = leaving.iter().map(|leaving| leaving.target.clone()).collect();
        statements.of(&targets).len()
    }

    #[test]
    fn the_control_is_asked_once_an_hour_and_the_rest_once_a_period() {
        let mut statements = Statements::new(PERIOD);
        let one = [leaving(1)];
        assert_eq!(round(&mut statements, 0, &one, through), ALL.map(|question| (question, 1)));
        assert_eq!(round(&mut statements, 60, &one, through), []);
        for period in 1..=3 {
            let asked = round(&mut statements, 900 * period, &one, through);
            assert_eq!(asked, [(Question::Vpc, 1), (Question::From, 1)], "period {period}");
        }
        assert_eq!(round(&mut statements, 3600, &one, through), ALL.map(|question| (question, 1)));
    }

    #[test]
    fn only_a_new_address_is_asked_about_and_one_that_returns_late() {
        let mut statements = Statements::new(PERIOD);
        let (one, other) = ([leaving(1)], [leaving(2)]);
        round(&mut statements, 0, &one, through);
        statements.set_now(at(15));
        assert!(statements.lacks(&other) && !statements.lacks(&one));
        let both = [leaving(1), leaving(2)];
        assert_eq!(round(&mut statements, 15, &both, through), [(Question::Vpc, 2), (Question::From, 2)]);
        statements.set_now(at(30));
        assert!(!statements.lacks(&one), "it was asked about within the period");
        statements.set_now(at(901));
        assert!(statements.lacks(&one), "a returning address is asked about again");
    }

    #[test]
    fn an_endpoint_that_is_gone_takes_what_was_said_of_other_addresses_with_it() {
        let mut statements = Statements::new(PERIOD);
        let (one, other) = ([leaving(1)], [leaving(2)]);
        round(&mut statements, 0, &one, through);
        assert_eq!(
            round(&mut statements, 600, &other, past),
            [(Question::Vpc, 2), (Question::From, 2), (Question::Direct, 2)]
        );
        assert_eq!(known(&statements, &one), 1, "the control");
        statements.set_now(at(610));
        assert!(statements.lacks(&one));
    }

    #[test]
    fn a_no_is_followed_up_though_the_control_was_denied_just_before() {
        let mut statements = Statements::new(PERIOD);
        let one = [leaving(1)];
        round(&mut statements, 0, &one, through);
        statements.ask_all();
        assert_eq!(
            round(&mut statements, 5, &one, past),
            [(Question::Vpc, 1), (Question::From, 1), (Question::Direct, 1)]
        );
    }

    #[test]
    fn a_denial_is_the_control_only_beside_a_yes() {
        let mut statements = Statements::new(PERIOD);
        let one = [leaving(1)];
        assert_eq!(round(&mut statements, 0, &one, |_| Reply::No), ALL.map(|question| (question, 1)));
        assert!(statements.kept.values().all(|kept| !kept.is_control()));
        // The policy is attached.
        statements.ask_all();
        assert_eq!(round(&mut statements, 300, &one, through), ALL.map(|question| (question, 1)));
        assert!(statements.kept.values().any(Kept::is_control));
    }

    #[test]
    fn a_change_drops_all_but_the_control_and_a_failure_is_asked_again() {
        let mut statements = Statements::new(PERIOD);
        let one = [leaving(1)];
        round(&mut statements, 0, &one, through);
        statements.forget();
        assert_eq!(known(&statements, &one), 1);
        let failed = |asked: &Asked| match asked.question {
            Question::From => Reply::Failed { result: crate::model::ProbeResult::ConnectTimeout },
            Question::Vpc | Question::Endpoint | Question::Direct => through(asked),
        };
        assert_eq!(round(&mut statements, 10, &one, failed), [(Question::Vpc, 1), (Question::From, 1)]);
        assert_eq!(
            round(&mut statements, 12, &one, through),
            [(Question::Vpc, 1), (Question::From, 1)],
            "together again"
        );
    }
}
