//! A truncated answer is an error.
//!
//! The SDK's parser is lenient: of an answer that was cut inside an element it keeps what came before, so that a table's
//! routes, or the tables themselves, would seem to be fewer than they are. Here a successful answer must be XML, whole.

use super::unmodelled::Unmodelled;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use xmlparser::{ElementEnd, Token, Tokenizer};

/// A successful answer that is not XML from its first element to that one's end.
#[derive(Debug, thiserror::Error)]
pub(super) enum TruncatedResponse {
    #[error("the answer is not text")]
    NotText,
    #[error("the answer is not XML")]
    NotXml(#[source] xmlparser::Error),
    #[error("the answer breaks off within <{0}>")]
    BreaksOff(String),
    #[error("the answer closes <{0}> where nothing, or another element, is open")]
    Unbalanced(String),
    #[error("the answer is empty")]
    Empty,
}

/// The same client, which refuses truncated answers, and reads from whole ones what the SDK does not.
#[derive(Debug)]
pub(super) struct RejectTruncated(pub(super) SharedHttpClient, pub(super) Unmodelled);

impl HttpClient for RejectTruncated {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(RejectTruncatedConnector(self.0.http_connector(settings, components), self.1.clone()))
    }
}

#[derive(Debug)]
struct RejectTruncatedConnector(SharedHttpConnector, Unmodelled);

impl HttpConnector for RejectTruncatedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        let unmodelled = self.1.clone();
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            if answer.status().is_success() {
                let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
                let body = body.collect().await.map_err(ConnectorError::io)?.to_bytes();
                check(&body).map_err(|error| ConnectorError::other(BoxError::from(error), None))?;
                unmodelled.read(&body);
                *answer.body_mut() = SdkBody::from(body);
            }
            Ok(answer)
        })
    }
}

/// Every element that is opened is closed, and there is one at least.
fn check(body: &[u8]) -> Result<(), TruncatedResponse> {
    let text = std::str::from_utf8(body).map_err(|_| TruncatedResponse::NotText)?;
    let mut open = Vec::new();
    let mut elements = 0;
    for token in Tokenizer::from(text) {
        match token {
            Ok(Token::ElementStart { local, .. }) => {
                elements += 1;
                open.push(local.as_str());
            }
            Ok(Token::ElementEnd { end: ElementEnd::Empty, .. }) => {
                open.pop();
            }
            Ok(Token::ElementEnd { end: ElementEnd::Close(_, local), .. }) => {
                if open.pop() != Some(local.as_str()) {
                    return Err(TruncatedResponse::Unbalanced(local.as_str().to_owned()));
                }
            }
            Ok(
                Token::ElementEnd { end: ElementEnd::Open, .. }
                | Token::Attribute { .. }
                | Token::Text { .. }
                | Token::Cdata { .. }
                | Token::Comment { .. }
                | Token::Declaration { .. }
                | Token::ProcessingInstruction { .. }
                | Token::DtdStart { .. }
                | Token::EmptyDtd { .. }
                | Token::EntityDeclaration { .. }
                | Token::DtdEnd { .. },
            ) => {}
            Err(error) => {
                return Err(open.last().map_or(TruncatedResponse::NotXml(error), |element| {
                    TruncatedResponse::BreaksOff((*element).to_owned())
                }));
            }
        }
    }
    match (open.last(), elements) {
        (Some(element), _) => Err(TruncatedResponse::BreaksOff((*element).to_owned())),
        (None, 0) => Err(TruncatedResponse::Empty),
        (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeRouteTablesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>r-1</requestId><routeTableSet><item><routeTableId>rtb-1</routeTableId><tagSet/></item></routeTableSet>
</DescribeRouteTablesResponse>"#;

    #[test]
    fn a_whole_answer_passes() {
        check(ANSWER.as_bytes()).unwrap();
    }

    #[test]
    fn an_answer_cut_anywhere_does_not() {
        let whole = ANSWER.trim_end().len();
        for cut in 0..whole {
            assert!(check(&ANSWER.as_bytes()[..cut]).is_err(), "{}", &ANSWER[..cut]);
        }
    }

    #[test]
    fn what_is_not_balanced_is_not_whole() {
        for wrong in
            ["", "   ", "it works", "{}", "<a><b></a></b>", "<a></b>", "<a>", "<html><body><p>sorry</body></html>"]
        {
            assert!(check(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
