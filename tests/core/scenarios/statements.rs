//! What DynamoDB says of the requests: `vpc yes`, `from no`, `direct no by other-role`, `vpc timed out 3s`.

use super::words::{Fact, observed, parse};
use onnet_core::model::{Observed, ProbeResult, Question, Reply, Snapshot, Statement, TrustAnchor, WitnessAttempt};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};

/// One question and its answer, as a scenario has it.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct StatementText {
    question: Question,
    reply: Fact<Reply>,
    options: Vec<(String, String)>,
}

impl TryFrom<String> for StatementText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (question, rest) = text.split_once(' ').ok_or_else(|| format!("{text:?}: what is the answer?"))?;
        let question = word(question)?;
        if let Ok(Fact::Gap(gap)) = super::from_value::<Fact<Value>>(rest.into()) {
            return Ok(Self { question, reply: Fact::Gap(gap), options: Vec::new() });
        }
        let mut words = rest.split(' ');
        let reply = words.next().unwrap_or_default();
        let reply = match reply.split_once(':') {
            None if reply == "other_policy" => Reply::OtherPolicy { policy: None },
            None => super::from_value(serde_json::json!({ "is": reply }))?,
            Some(("other_policy", policy)) => Reply::OtherPolicy { policy: Some(policy.replace('_', " ")) },
            Some(("failed", result)) => Reply::Failed { result: word::<ProbeResult>(result)? },
            Some(_) => return Err(format!("{text:?}: no such answer")),
        };
        let mut options = Vec::new();
        while let Some(option) = words.next() {
            if !["about", "at", "from", "by", "anchor", "control", "before"].contains(&option) {
                return Err(format!(
                    "{text:?}: expected about, at, from, by, anchor, control or before, found {option:?}"
                ));
            }
            let value = words.next().ok_or_else(|| format!("{text:?}: what follows {option}?"))?;
            options.push((option.to_owned(), value.to_owned()));
        }
        Ok(Self { question, reply: Fact::Is(reply), options })
    }
}

fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    super::from_value(text.into())
}

impl StatementText {
    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }

    fn of(&self, snapshot: &Snapshot) -> Result<WitnessAttempt, String> {
        let hostname = snapshot.all_names().next().ok_or("there is no name")?.hostname.clone();
        let interface = snapshot.instance.seen().and_then(|instance| instance.interfaces.first());
        let interface = interface.ok_or("there is no network interface")?;
        let first = snapshot.resolutions[&hostname].addresses().next().ok_or("the name has no address")?;
        let address: IpAddr = self.option("at").map_or(Ok(first), parse)?;
        let own = interface.addresses.iter().find(|own| own.is_ipv4() == address.is_ipv4());
        let own = *own.ok_or("there is no source address of this family")?;
        let local: IpAddr = self.option("from").map_or(Ok(own), parse)?;
        let subject = match self.question {
            Question::Vpc => Some(interface.vpc.to_string()),
            Question::From => Some(own.to_string()),
            Question::Endpoint => Some("vpce-0d".to_owned()),
            Question::Direct => None,
        };
        let anchor = self.option("anchor").unwrap_or("system");
        let anchor = (anchor != "none").then(|| TrustAnchor {
            key_sha256: "ab".repeat(32),
            outside_system_store: (anchor != "system").then(|| anchor.to_owned()),
        });
        let statement = match &self.reply {
            Fact::Gap(gap) => Observed::Unseen(gap.clone()),
            Fact::Is(reply) => observed(Statement {
                question: self.question,
                subject: self.option("about").map(str::to_owned).or(subject),
                reply: reply.clone(),
                message: None,
                local: Some(SocketAddr::new(local, 40_001)),
                anchor,
                credentials: self.option("by").unwrap_or("0123456789abcdef").to_owned(),
                is_control: self.question == Question::Direct
                    && *reply == Reply::No
                    && self.option("control") != Some("unpaired"),
                request_id: None,
            }),
        };
        let mut statement = statement;
        if let (Some(before), Observed::Seen { at, .. }) = (self.option("before"), &mut statement) {
            *at = at.minus(parse::<humantime::Duration>(before)?.into());
        }
        Ok(WitnessAttempt { question: self.question, address, hostname, statement })
    }
}

pub(super) fn statements(snapshot: &mut Snapshot, texts: &[StatementText]) -> Result<(), String> {
    snapshot.statements = texts.iter().map(|text| text.of(snapshot)).collect::<Result<_, _>>()?;
    Ok(())
}
