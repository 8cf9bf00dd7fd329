//! The credentials that a program prints (`credential_process`). The SDK's own provider reads all that the program writes,
//! and leaves it running when it is late: here its output has a limit, and it is killed when the caller stops waiting.

use super::http::TooLong;
use crate::observe::limits::CREDENTIALS_ANSWER;
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_smithy_types::date_time::{DateTime, Format};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value};
use std::{io, process::Stdio, time::SystemTime};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

/// Runs a command by the shell, as every SDK does, and reads what it prints.
pub(super) struct CredentialProcess {
    command: String,
}

impl std::fmt::Debug for CredentialProcess {
    /// Without the command: its arguments may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialProcess").finish_non_exhaustive()
    }
}

impl CredentialProcess {
    pub(super) fn new(command: impl Into<String>) -> Self {
        Self { command: command.into() }
    }

    async fn credentials(&self) -> provider::Result {
        let printed = self.printed().await?;
        credentials(&printed).map_err(|what| error(format!("the credential process prints {what}")))
    }

    async fn printed(&self) -> Result<Vec<u8>, CredentialsError> {
        let cannot = |what: &'static str| {
            move |cause: io::Error| error(format!("the credential process cannot be {what}: {cause}"))
        };
        let mut command = Command::new("sh");
        // What it writes to standard error may hold a secret.
        command.arg("-c").arg(&self.command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.process_group(0).kill_on_drop(true).spawn().map_err(cannot("started"))?;
        let mut group = Group::of(&child);
        let output = child.stdout.take().ok_or_else(|| error("the credential process has no output".to_owned()))?;
        let printed = bounded(output).await.map_err(cannot("read"))?;
        let printed = printed.ok_or_else(|| CredentialsError::provider_error(TooLong::new(CREDENTIALS_ANSWER)))?;
        let status = child.wait().await.map_err(cannot("waited for"))?;
        // The program is gone, and its id may be another one's.
        group.0 = None;
        if status.success() { Ok(printed) } else { Err(error(format!("the credential process ended with {status}"))) }
    }
}

impl ProvideCredentials for CredentialProcess {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

fn error(words: String) -> CredentialsError {
    CredentialsError::provider_error(words)
}

/// The program and those that it started: one process group, killed at once.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL); // gone already
        }
    }
}

/// All that there is to read; `None` where that exceeds the limit.
async fn bounded(from: impl AsyncRead + Unpin) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(CREDENTIALS_ANSWER).unwrap_or(u64::MAX);
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes).await?;
    Ok((bytes.len() <= CREDENTIALS_ANSWER).then_some(bytes))
}

/// The credentials in a document as the SDKs define it, or what is wrong with it.
fn credentials(printed: &[u8]) -> Result<Credentials, String> {
    let fields: Map<String, Value> = serde_json::from_slice(printed).map_err(|_| "no JSON object".to_owned())?;
    let field = |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let text = |name: &str| field(name).and_then(Value::as_str).map(str::to_owned);
    let required = |name: &str| text(name).ok_or_else(|| format!("no {name}"));
    if field("Version").and_then(Value::as_i64) != Some(1) {
        return Err("no Version, or another one than 1".to_owned());
    }
    let mut builder = Credentials::builder()
        .access_key_id(required("AccessKeyId")?)
        .secret_access_key(required("SecretAccessKey")?)
        .provider_name("CredentialProcess");
    builder.set_session_token(text("SessionToken"));
    builder.set_account_id(text("AccountId").map(Into::into));
    builder.set_expiry(text("Expiration").map(|text| time(&text)).transpose()?);
    Ok(builder.build())
}

fn time(text: &str) -> Result<SystemTime, String> {
    let time = DateTime::from_str(text, Format::DateTimeWithOffset).ok();
    time.and_then(|time| SystemTime::try_from(time).ok()).ok_or_else(|| "an Expiration that is not a time".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::observe::aws::find_cause;
    use std::{fs, path::Path, time::Duration};

    async fn run(command: String) -> provider::Result {
        CredentialProcess::new(command).credentials().await
    }

    /// A command that prints credentials, and spaces up to so many bytes.
    fn prints(length: usize) -> String {
        let credentials = r#"{"version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t","AccountId":"1",
            "Expiration":"2099-01-01T02:00:00+02:00","Other":{}}"#;
        format!("printf '%-{length}s' '{credentials}'")
    }

    #[tokio::test]
    async fn what_it_prints_are_the_credentials() {
        let found = run(prints(0)).await.unwrap();
        assert_eq!((found.access_key_id(), found.secret_access_key(), found.session_token()), ("A", "s", Some("t")));
        assert_eq!(found.account_id().unwrap().as_str(), "1");
        let seconds = found.expiry().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(seconds, 4_070_908_800);
    }

    #[tokio::test]
    async fn a_document_that_is_none_is_named_without_its_contents() {
        for (command, words) in [
            ("echo secret", "no JSON object"),
            ("echo '{\"Version\":2,\"AccessKeyId\":\"secret\"}'", "another one than 1"),
            ("echo '{\"Version\":1,\"SecretAccessKey\":\"secret\"}'", "no AccessKeyId"),
            (
                "echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"secret\"}'",
                "not a time",
            ),
            ("echo secret; echo secret >&2; exit 3", "exit status: 3"),
        ] {
            let error = crate::observe::seen::chain(&run(command.to_owned()).await.unwrap_err());
            assert!(error.contains(words) && !error.contains("secret"), "{command}: {error}");
        }
    }

    #[tokio::test]
    async fn output_is_read_up_to_the_limit_and_no_further() {
        assert!(run(prints(CREDENTIALS_ANSWER)).await.is_ok());
        for command in [prints(CREDENTIALS_ANSWER + 1), "yes".to_owned(), "yes & yes >&2".to_owned()] {
            let error = run(command.clone()).await.unwrap_err();
            assert!(find_cause::<TooLong>(&error).is_some(), "{command}: {error:?}");
        }
    }

    /// Whether the process whose id a file holds is there. A zombie is not.
    fn is_there(file: &Path) -> bool {
        let id = fs::read_to_string(file).unwrap();
        let status = fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    }

    #[tokio::test]
    async fn it_is_killed_with_its_children_when_the_caller_stops_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let id = directory.path().join("id");
        let command = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", id.display());
        let waiting = tokio::spawn(async move { run(command).await });
        while !id.exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(is_there(&id));
        waiting.abort();
        let _ = waiting.await;
        while is_there(&id) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
