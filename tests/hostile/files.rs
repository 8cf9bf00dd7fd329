//! Every file that a setting of the AWS SDKs names: an endless file, a pipe without a writer, and a file one byte above the limit are
//! errors that name the file.

use crate::{
    ONNET,
    lab::{self, Lab, Mode, World},
};
use nix::{sys::stat::Mode as Rights, unistd::mkfifo};
use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

/// Much longer than a check that does not wait for a file.
const PATIENCE: Duration = Duration::from_secs(30);

const SETTINGS: u64 = 1 << 20;
const SECRET: u64 = 256 << 10;
const CERTIFICATES: u64 = 16 << 20;

/// A file that a setting names.
struct Named {
    /// The name of the setting in the report.
    setting: &'static str,
    /// Its path below the home directory.
    file: &'static str,
    limit: u64,
    /// The content, in which `FILE` is replaced by the path.
    variables: &'static [&'static str],
    config: &'static str,
}

const fn variable(setting: &'static str, limit: u64, variables: &'static [&'static str]) -> Named {
    Named { setting, file: "file", limit, variables, config: "" }
}

const TABLE: [Named; 10] = [
    variable("AWS_CONFIG_FILE", SETTINGS, &["AWS_CONFIG_FILE=FILE"]),
    variable("AWS_SHARED_CREDENTIALS_FILE", SETTINGS, &["AWS_SHARED_CREDENTIALS_FILE=FILE"]),
    Named { setting: "/.aws/config:", file: ".aws/config", limit: SETTINGS, variables: &[], config: "" },
    variable("AWS_CA_BUNDLE", CERTIFICATES, &["AWS_CA_BUNDLE=FILE"]),
    variable("SSL_CERT_FILE", CERTIFICATES, &["AWS_CA_BUNDLE=", "SSL_CERT_FILE=FILE"]),
    Named {
        setting: "ca_bundle of profile default",
        file: "file",
        limit: CERTIFICATES,
        variables: &["AWS_CA_BUNDLE="],
        config: "[default]\nca_bundle = FILE\n",
    },
    variable(
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        SECRET,
        &["AWS_WEB_IDENTITY_TOKEN_FILE=FILE", "AWS_ROLE_ARN=r", "AWS_REGION=us-east-1"],
    ),
    Named {
        setting: "web_identity_token_file of profile base",
        file: "file",
        limit: SECRET,
        variables: &[],
        config: "[default]\nregion = us-east-1\nrole_arn = r\nsource_profile = base\n\
                 [profile base]\nrole_arn = r\nweb_identity_token_file = FILE\n",
    },
    variable(
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        SECRET,
        &["AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=FILE"],
    ),
    Named {
        setting: "sso_session of profile default",
        // The SHA-1 of "s".
        file: ".aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json",
        limit: SECRET,
        variables: &[],
        config: "[default]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\n\
                 sso_region = us-east-1\nsso_start_url = https://start.awsapps.com/start\n",
    },
];

/// All output of `onnet check`.
fn check(lab: &Lab, named: &Named, path: &Path) -> String {
    let with_path = |text: &str| text.replace("FILE", path.to_str().unwrap());
    let mut command = lab.command(Path::new(ONNET)).unwrap();
    command.args(["check", "--format", "json", "--timeout", "5s"]).args(lab.options());
    if !named.config.is_empty() {
        let config = lab.directory().join("settings");
        fs::write(&config, with_path(named.config)).unwrap();
        command.env("AWS_CONFIG_FILE", config);
    }
    let variables = named.variables.iter().map(|variable| variable.split_once('=').unwrap());
    // The name of a variable may end in "FILE".
    command.envs(variables.map(|(name, value)| (name, if value == "FILE" { with_path(value) } else { value.into() })));
    let ran = lab::run(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE);
    let ran = ran.unwrap_or_else(|error| panic!("{}: {error}", named.setting));
    assert!(ran.code.is_some_and(|code| code != 0), "{}: {ran:?}", named.setting);
    ran.stdout
}

#[test]
fn a_file_without_end_or_beyond_its_limit_is_refused_by_name() {
    let lab = Lab::start(World::on_net(), Mode::Loopback).unwrap();
    for named in &TABLE {
        let path = lab.directory().join(named.file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let names = |printed: &str| printed.contains(path.to_str().unwrap()) && printed.contains(named.setting);

        mkfifo(&path, Rights::S_IRUSR).unwrap();
        let printed = check(&lab, named, &path);
        assert!(names(&printed) && printed.contains("this is a pipe, not a regular file"), "{}", named.setting);
        fs::remove_file(&path).unwrap();

        let too_large = format!("this is larger than {} bytes", named.limit);
        for (length, refused) in [(named.limit, false), (named.limit + 1, true)] {
            File::create(&path).unwrap().set_len(length).unwrap();
            let printed = check(&lab, named, &path);
            assert_eq!(names(&printed) && printed.contains(&too_large), refused, "{} of {length} bytes", named.setting);
        }
        fs::remove_file(&path).unwrap();
    }
}
