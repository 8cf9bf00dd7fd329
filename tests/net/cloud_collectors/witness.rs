//! Questions to DynamoDB about the request itself: what each answer is taken for, and which authority verified the server.

use super::list_tables::{NAME, name};
use crate::fakes::{
    authority::Authority,
    http::Request,
    server::{Server, Step, answer, closed_port},
};
use aws_credential_types::Credentials;
use onnet::{
    model::{ProbeResult, Question, Reply, Statement},
    observe::{files::SettingsFile, probe::Prober, tls::Roots},
};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;

const JSON: &str = "application/x-amz-json-1.0";

async fn ask(roots: &Roots, address: SocketAddr, tls: bool) -> Statement {
    let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", None, None, "test");
    let prober = Prober::trusting(roots, "us-east-1").unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    prober.witness(&credentials, &name(address, tls), address.ip(), (Question::Vpc, Some("vpc-0a")), deadline).await
}

fn trusted(authority: &Authority) -> Roots {
    Roots::usable(vec![authority.certificate()]).unwrap()
}

async fn answered(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Statement {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), Vec::new(), script).await;
    ask(&trusted(&authority), server.address, true).await
}

fn denied(reason: &str) -> String {
    format!(
        r#"{{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: arn:aws:sts::111122223333:assumed-role/app/i-0a is not authorized to perform: dynamodb:DescribeTable on resource: arn:aws:dynamodb:us-east-1:111122223333:table/onnet-witness.vpc.vpc-0a {reason}"}}"#
    )
}

const NOT_FOUND: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found: Table: onnet-witness.vpc.vpc-0a not found"}"#;

#[tokio::test]
async fn only_a_missing_table_is_a_yes_and_only_an_identity_based_denial_a_no() {
    let failed = |result| Reply::Failed { result };
    let no = "because no identity-based policy allows the dynamodb:DescribeTable action";
    for (status, body, expected) in [
        (400, NOT_FOUND.to_owned(), Reply::Yes),
        (400, denied(no), Reply::No),
        (400, denied("because no VPC endpoint policy allows the dynamodb:DescribeTable action"), Reply::EndpointPolicy),
        (400, denied("for reasons of our own"), Reply::OtherPolicy { policy: None }),
        (200, r#"{"Table":{"TableName":"onnet-witness.vpc.vpc-0a"}}"#.to_owned(), Reply::TableExists),
        (200, "{}".to_owned(), failed(ProbeResult::UnexpectedAnswer)),
        (200, NOT_FOUND.to_owned(), failed(ProbeResult::UnexpectedAnswer)),
        (500, NOT_FOUND.to_owned(), failed(ProbeResult::Http5xx)),
        (400, r#"{"__type":"x#ThrottlingException","message":"slow down"}"#.to_owned(), failed(ProbeResult::Throttled)),
        (400, r#"{"__type":"x#UnrecognizedClientException"}"#.to_owned(), failed(ProbeResult::Credentials)),
        (403, "<html>a proxy's page</html>".to_owned(), failed(ProbeResult::UnexpectedAnswer)),
    ] {
        let given = body.clone();
        let statement = answered(move |_| answer(status, JSON, &given)).await;
        assert_eq!(statement.reply, expected, "{status} {body}: {statement:#?}");
    }
}

#[tokio::test]
async fn the_request_names_the_table_and_the_statement_the_connection() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), Vec::new(), |_| answer(400, JSON, NOT_FOUND)).await;
    let statement = ask(&trusted(&authority), server.address, true).await;
    let request = server.requests.lock().unwrap()[0].clone();
    assert_eq!(request.body, r#"{"TableName":"onnet-witness.vpc.vpc-0a"}"#);
    assert_eq!(request.header("x-amz-target"), Some("DynamoDB_20120810.DescribeTable"));
    assert_eq!((statement.question, statement.subject.as_deref()), (Question::Vpc, Some("vpc-0a")));
    assert_eq!(statement.local.map(|local| local.ip()), Some(server.address.ip()));
    let printed = format!("{statement:?}");
    assert!(!printed.contains("AKIDEXAMPLE") && !printed.contains("wJalrX"), "{printed}");
}

/// A server that cannot prove who it is says nothing, and one that need not says nothing that counts.
#[tokio::test]
async fn who_is_not_verified_testifies_nothing() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), Vec::new(), |_| answer(400, JSON, NOT_FOUND)).await;
    let statement = ask(&trusted(&Authority::new()), server.address, true).await;
    assert_eq!((statement.reply, statement.anchor), (Reply::Failed { result: ProbeResult::TlsCertificate }, None));

    let server = Server::plain(|_| answer(400, JSON, NOT_FOUND)).await;
    let statement = ask(&trusted(&authority), server.address, false).await;
    assert_eq!((statement.reply, statement.anchor), (Reply::Yes, None));

    let statement = ask(&trusted(&authority), closed_port(), true).await;
    assert_eq!(statement.reply, Reply::Failed { result: ProbeResult::ConnectRefused });
}

#[tokio::test]
async fn an_authority_from_a_bundle_is_outside_the_systems_store() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(NAME), Vec::new(), |_| answer(400, JSON, NOT_FOUND)).await;
    let of_system = ask(&trusted(&authority), server.address, true).await.anchor.unwrap();
    assert_eq!((of_system.key_sha256.len(), of_system.outside_system_store), (64, None));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.pem");
    std::fs::write(&path, &authority.pem).unwrap();
    let bundle = Roots::from_bundle(SettingsFile::new(&path, "AWS_CA_BUNDLE")).unwrap();
    let anchor = ask(&bundle, server.address, true).await.anchor.unwrap();
    assert_eq!(anchor.key_sha256, of_system.key_sha256);
    let setting = anchor.outside_system_store.unwrap();
    assert!(setting.contains("proxy.pem") && setting.contains("AWS_CA_BUNDLE"), "{setting}");
}
