//! `DescribeTable` on a table that need not exist: what DynamoDB's answer says of the request itself.

use super::{
    Prober,
    failure::Failure,
    fingerprint,
    list_tables::{by_code, client},
    request_id,
    timeline::Clock,
    transport::Transport,
};
use crate::model::{ProbeResult, Question, Reply, ServiceName, Statement};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::describe_table::{DescribeTableError, DescribeTableOutput},
};
use bytes::Bytes;
use http::Response;
use std::net::IpAddr;
use tokio::time::Instant;

impl Prober {
    /// Asks DynamoDB about the request itself, over a connection of its own.
    pub async fn witness(
        &self,
        credentials: &Credentials,
        name: &ServiceName,
        address: IpAddr,
        (question, subject): (Question, Option<&str>),
        deadline: Instant,
    ) -> Statement {
        let statement = Statement {
            question,
            subject: subject.map(str::to_owned),
            reply: Reply::Failed { result: ProbeResult::ConnectFailed },
            message: None,
            local: None,
            anchor: None,
            credentials: fingerprint(credentials),
            is_control: false,
            request_id: None,
        };
        let transport = match Transport::new(self, name, address, Clock::new(), deadline) {
            Ok(transport) => transport.keeping_certificates(),
            Err(failure) => return failed(statement, failure),
        };
        let table = question.table(subject);
        let answer = client(self, credentials, name, &transport).describe_table().table_name(table).send().await;

        let record = transport.record();
        let statement = Statement { local: record.local, ..statement };
        match record.answer(&answer) {
            Ok(raw) => {
                let (reply, message) = reply(raw, &answer);
                let anchor = self.roots.anchor(&record.certificates);
                Statement { reply, message, anchor, request_id: request_id(raw.headers()), ..statement }
            }
            Err(failure) => failed(statement, failure),
        }
    }
}

fn failed(statement: Statement, failure: Failure) -> Statement {
    Statement { reply: Reply::Failed { result: failure.result }, message: Some(failure.detail), ..statement }
}

type Answer = Result<DescribeTableOutput, SdkError<DescribeTableError>>;

fn reply(raw: &Response<Bytes>, answer: &Answer) -> (Reply, Option<String>) {
    let status = raw.status();
    let error = match answer {
        // An answer without a table is not DynamoDB's.
        Ok(output) if output.table.is_some() => return (Reply::TableExists, None),
        Ok(_) => {
            let message = format!("HTTP {status}, not an answer of DynamoDB's");
            return (Reply::Failed { result: ProbeResult::UnexpectedAnswer }, Some(message));
        }
        Err(error) => error.meta(),
    };
    let message = error.message().map(str::to_owned);
    let reply = match error.code() {
        Some("ResourceNotFoundException") if status.is_client_error() => Reply::Yes,
        Some("AccessDeniedException") if status.is_client_error() => denial(message.as_deref().unwrap_or_default()),
        Some(code) => {
            let by_status = if status.is_server_error() { ProbeResult::Http5xx } else { ProbeResult::Http4xx };
            Reply::Failed { result: by_code(code, status.is_client_error()).unwrap_or(by_status) }
        }
        None => Reply::Failed { result: ProbeResult::UnexpectedAnswer },
    };
    (reply, message)
}

/// Which kind of policy denied, by the end of the message: `… on resource: ARN because no KIND policy allows the ACTION action`, or
/// `… with an explicit deny in a KIND policy`, which an ARN may follow. What reads otherwise names no policy.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
fn denial(message: &str) -> Reply {
    let unnamed = Reply::OtherPolicy { policy: None };
    let Some((_, reason)) = message.split_once(" on resource: ").and_then(|(_, rest)| rest.split_once(' ')) else {
        return unnamed;
    };
    let policy = if let Some(rest) = reason.strip_prefix("because no ") {
        rest.split_once(" allows the dynamodb:DescribeTable action")
            .filter(|(_, rest)| rest.trim_end_matches('.').is_empty())
    } else if let Some(rest) = reason.strip_prefix("with an explicit deny in a") {
        let rest = rest.strip_prefix('n').unwrap_or(rest).trim_start();
        // The policy's ARN, where the message has it.
        Some(rest.split_once(": ").unwrap_or((rest.trim_end_matches('.'), "")))
    } else {
        None
    };
    match policy.map(|(policy, _)| policy) {
        Some("identity-based policy") => Reply::No,
        Some("VPC endpoint policy") => Reply::EndpointPolicy,
        Some(
            policy @ ("permissions boundary"
            | "service control policy"
            | "resource control policy"
            | "session policy"
            | "resource-based policy"),
        ) => Reply::OtherPolicy { policy: Some(policy.to_owned()) },
        Some(_) | None => unnamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_policy_that_denied_is_read_from_the_end_of_the_message() {
        let user = "User: arn:aws:sts::111122223333:assumed-role/app/i-0a is not authorized to perform: dynamodb:DescribeTable \
                    on resource: arn:aws:dynamodb:us-east-1:111122223333:table/onnet-witness.direct";
        let other = |policy: &str| Reply::OtherPolicy { policy: Some(policy.to_owned()) };
        let unnamed = Reply::OtherPolicy { policy: None };
        for (reason, expected) in [
            ("because no identity-based policy allows the dynamodb:DescribeTable action", Reply::No),
            ("because no identity-based policy allows the dynamodb:DescribeTable action.", Reply::No),
            ("with an explicit deny in an identity-based policy", Reply::No),
            ("with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/onnet", Reply::No),
            ("because no VPC endpoint policy allows the dynamodb:DescribeTable action", Reply::EndpointPolicy),
            ("with an explicit deny in a VPC endpoint policy", Reply::EndpointPolicy),
            ("because no permissions boundary allows the dynamodb:DescribeTable action", other("permissions boundary")),
            (
                "with an explicit deny in a permissions boundary: arn:aws:iam::111122223333:policy/b",
                other("permissions boundary"),
            ),
            (
                "because no service control policy allows the dynamodb:DescribeTable action",
                other("service control policy"),
            ),
            ("with an explicit deny in a service control policy", other("service control policy")),
            (
                "because no resource control policy allows the dynamodb:DescribeTable action",
                other("resource control policy"),
            ),
            ("because no session policy allows the dynamodb:DescribeTable action", other("session policy")),
            (
                "because no resource-based policy allows the dynamodb:DescribeTable action",
                other("resource-based policy"),
            ),
            // What reads otherwise names none.
            ("because no identity-based policy allows the dynamodb:ListTables action", unnamed.clone()),
            ("because no identity-based policy allows the dynamodb:DescribeTable action today", unnamed.clone()),
            ("because no policy allows the dynamodb:DescribeTable action", unnamed.clone()),
            ("with an implicit deny in an identity-based policy", unnamed.clone()),
            (
                "because no identity-based policy or VPC endpoint policy allows the dynamodb:DescribeTable action",
                unnamed.clone(),
            ),
            ("", unnamed.clone()),
        ] {
            assert_eq!(denial(&format!("{user} {reason}")), expected, "{reason}");
        }
        assert_eq!(denial(user), unnamed);
        assert_eq!(denial("because no identity-based policy allows the dynamodb:DescribeTable action"), unnamed);
        assert_eq!(denial("Access denied"), unnamed);
    }

    #[test]
    fn credentials_are_told_apart_without_their_key() {
        let of = |id: &str| fingerprint(&Credentials::new(id, "secret", None, None, "test"));
        let one = of("AKIAIOSFODNN7EXAMPLE");
        assert_eq!(one.len(), 16);
        assert!(!one.contains("AKIA") && one != of("ASIAIOSFODNN7EXAMPLE"));
    }
}
