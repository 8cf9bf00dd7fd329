//! Every way in which an EC2 call can fail, as a gap. The one place where it is decided.

use super::truncated::TruncatedResponse;
use crate::{
    model::{Gap, Seconds},
    observe::aws::{TooLong, find_cause, root_cause},
};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use std::{error::Error, io, time::Duration};

/// Why `action` gave nothing after `waited`.
pub(in crate::observe) fn of<E>(action: &str, error: &SdkError<E, HttpResponse>, waited: Duration) -> Gap
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(missing) = find_cause::<CredentialsError>(error) {
        return Gap::Credentials { detail: root_cause(missing) };
    }
    if let Some(answer) = find_cause::<TooLong>(error) {
        return answer.gap(action);
    }
    if let Some(answer) = find_cause::<TruncatedResponse>(error) {
        let detail = format!("{action}: {answer}");
        return match answer {
            TruncatedResponse::BreaksOff(_) => Gap::Truncated { detail },
            TruncatedResponse::NotText
            | TruncatedResponse::NotXml(_)
            | TruncatedResponse::Unbalanced(_)
            | TruncatedResponse::Empty => Gap::Malformed { detail },
        };
    }
    let cause = || format!("{action}: {}", root_cause(error));
    match error {
        SdkError::TimeoutError(_) => Gap::TimedOut { after: Seconds::from(waited) },
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Gap::TimedOut { after: Seconds::from(waited) },
        SdkError::DispatchFailure(_) => Gap::Unreachable { detail: cause() },
        SdkError::ResponseError(_) if find_cause::<io::Error>(error).is_some() => Gap::Unreachable { detail: cause() },
        SdkError::ResponseError(_) => Gap::Malformed { detail: cause() },
        SdkError::ServiceError(answer) => refusal(action, answer.err(), answer.raw().status().as_u16(), cause),
        SdkError::ConstructionFailure(_) | _ => Gap::Failed { detail: cause() },
    }
}

/// What an answer that is no success says; also a success that cannot be read.
fn refusal<E: ProvideErrorMetadata>(action: &str, error: &E, status: u16, cause: impl Fn() -> String) -> Gap {
    let said = |code: &str| match error.message() {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    };
    match (status, error.code()) {
        (200..=299, _) => Gap::Malformed { detail: cause() },
        (300..=399, _) => Gap::Redirected { request: action.to_owned(), status },
        (_, Some("UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "UnauthorizedAccess")) => {
            Gap::Denied { action: action.to_owned() }
        }
        (
            _,
            Some(
                code @ ("AuthFailure"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "SignatureDoesNotMatch"
                | "IncompleteSignature"
                | "MissingAuthenticationToken"
                | "RequestExpired"
                | "ExpiredToken"
                | "ExpiredTokenException"),
            ),
        ) => Gap::Credentials { detail: said(code) },
        (
            _,
            Some(
                code @ ("RequestLimitExceeded"
                | "Throttling"
                | "ThrottlingException"
                | "ThrottledException"
                | "RequestThrottled"
                | "RequestThrottledException"
                | "EC2ThrottledException"
                | "TooManyRequestsException"),
            ),
        ) => Gap::Throttled { detail: said(code) },
        (_, Some(code)) => Gap::Failed { detail: format!("{action}: {}", said(code)) },
        (status, None) => Gap::Failed { detail: format!("{action}: HTTP {status}") },
    }
}
