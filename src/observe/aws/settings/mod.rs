//! The settings that every AWS SDK shares, from the environment and the profile, checked before the SDK reads them.
//!
//! The SDK ends the process where it meets some values that other SDKs take, an empty URL or `retry_mode = legacy`: each
//! setting whose value matters here is resolved here, and handed over. What another SDK takes is used in the nearest sense,
//! and a finding; what no SDK takes is an error that names the place, the key and the value.

mod check;
mod place;
mod profile;

use crate::{model::IgnoredSetting, observe::names::ChosenBy};
use aws_config::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use check::{Checked, DYNAMODB, SERVICES, Setting};
use http::HeaderValue;
pub(super) use place::is_set;
use place::{Found, Place};
pub(super) use profile::{CREDENTIAL_PROCESS, Profile};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// Names of more accounts than this are not judged, unless `--hostname` has them.
const ACCOUNTS: usize = 8;

/// Values that no SDK takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct SettingsError(Vec<String>);

/// The settings, as they are used.
#[derive(Debug)]
pub(super) struct Settings {
    /// As it was given, or the environment or the profile has it.
    pub(super) region: Option<Region>,
    /// The profile files.
    pub(super) profile: Profile,
    pub(super) use_fips: Option<bool>,
    pub(super) use_dual_stack: Option<bool>,
    pub(super) account_id_endpoint_mode: Option<String>,
    /// Where the instance metadata service is.
    pub(super) metadata: String,
    pub(super) endpoints: Endpoints,
    /// The settings that are not used as they stand.
    pub(super) ignored: Vec<IgnoredSetting>,
    pub(super) names_chosen_by: ChosenBy,
    /// The accounts that profiles name, and where.
    pub(super) accounts: Vec<(String, String)>,
}

/// The endpoint URLs by service. Those of the SDK's own reading would be empty where a variable or a key is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Endpoints(BTreeMap<&'static str, String>);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        (key.env() == check::ENDPOINT_URL.variable).then(|| self.0.get(key.service_id()).cloned())?
    }
}

impl Settings {
    /// Reads the environment and the profile files. `region` overrules what they say.
    ///
    /// # Errors
    /// Every value that no SDK takes.
    pub(super) async fn read(region: Option<String>) -> Result<Self, SettingsError> {
        let mut ignored = Vec::new();
        let (profile, problems) = match Profile::read(&mut ignored).await {
            Ok(profile) => (profile, Vec::new()),
            Err(problem) => (Profile::default(), vec![problem]),
        };
        let mut reader = Reader { profile: &profile, problems, ignored, chosen: ChosenBy::default() };
        let [use_fips, use_dual_stack, ignore_urls] = check::BOOLEANS.map(|setting| reader.found(&setting));
        let variants = [&use_fips, &use_dual_stack].into_iter().flatten().filter(|found| is_true(found));
        reader.chosen.variant = variants.map(|found| found.place.to_string()).collect();
        let [use_fips, use_dual_stack, ignore_urls] =
            [use_fips, use_dual_stack, ignore_urls].map(|found| found.as_ref().map(is_true));
        // Requests are tried again as onnet has it, not as programs do.
        check::UNUSED.iter().for_each(|setting| _ = reader.setting(setting));
        let account_id_endpoint_mode = reader.found(&check::ACCOUNT_ID_ENDPOINT_MODE);
        let account_id = reader.account_id();
        reader.chosen.account = [&account_id_endpoint_mode, &account_id]
            .into_iter()
            .flatten()
            .map(|found| found.place.to_string())
            .collect();
        let account_id_endpoint_mode = account_id_endpoint_mode.map(|found| found.text);
        let (region, metadata) = (reader.region(region), reader.metadata());
        let endpoints = reader.endpoints(ignore_urls == Some(true));
        reader.container();
        reader.headers();
        reader.profile_name();
        let Reader { profile: _, problems, ignored, chosen: names_chosen_by } = reader;
        ignored.iter().for_each(warn);
        let accounts = profile.accounts().into_iter().take(ACCOUNTS);
        let accounts = accounts.map(|(account, place)| (account, place.to_string())).collect();
        if problems.is_empty() {
            Ok(Self {
                region,
                profile,
                use_fips,
                use_dual_stack,
                account_id_endpoint_mode,
                metadata,
                endpoints,
                ignored,
                names_chosen_by,
                accounts,
            })
        } else {
            Err(SettingsError(problems))
        }
    }
}

struct Reader<'p> {
    profile: &'p Profile,
    problems: Vec<String>,
    ignored: Vec<IgnoredSetting>,
    chosen: ChosenBy,
}

/// Whether a boolean is true.
fn is_true(found: &Found) -> bool {
    found.text.eq_ignore_ascii_case("true")
}

impl Reader<'_> {
    /// The first value that is not empty, if it is one.
    fn setting(&mut self, setting: &Setting) -> Option<String> {
        self.found(setting).map(|found| found.text)
    }

    /// The same, and where it stands.
    fn found(&mut self, setting: &Setting) -> Option<Found> {
        let found = self.first(setting.candidates(self.profile))?;
        match (setting.check)(&found.text) {
            Checked::Good => return Some(found),
            Checked::Instead(used) => self.ignore(&found.place, format!("is {:?}; {used}", found.shown())),
            Checked::Wrong(expected) => self.problems.push(format!("{found}; expected {expected}")),
        }
        None
    }

    /// An empty value means that there is none, as in most SDKs.
    fn first(&mut self, candidates: Vec<Found>) -> Option<Found> {
        for found in candidates {
            if !found.text.trim().is_empty() {
                return Some(found);
            }
            self.ignore(&found.place, "is empty; it counts as not set".to_owned());
        }
        None
    }

    /// The account id of the credentials, if a setting has it. Those of a role have it from STS, and an instance's from metadata.
    fn account_id(&self) -> Option<Found> {
        let is_given = |found: &Found| !found.text.trim().is_empty();
        let value = |key: &str| self.profile.value(key).filter(is_given);
        // Variables come first, and the SDK takes all of the credentials from them or nothing.
        if place::is_set("AWS_ACCESS_KEY_ID") {
            return Found::in_environment("AWS_ACCOUNT_ID").filter(is_given);
        }
        if self.profile.assumes_a_role() {
            return None;
        }
        let has_own = value("aws_access_key_id").or_else(|| value("credential_process")).is_some();
        value("aws_account_id").filter(|_| has_own).or_else(|| value("sso_account_id"))
    }

    fn region(&mut self, given: Option<String>) -> Option<Region> {
        if let Some(region) = given {
            return Some(Region::new(region));
        }
        let found = self.first(self.profile.regions())?;
        if super::is_region(&found.text) {
            self.chosen.variant.push(found.place.to_string());
            return Some(Region::new(found.text));
        }
        self.problems.push(format!("{found}; expected a Region such as us-east-1"));
        None
    }

    fn metadata(&mut self) -> String {
        let mode = self.setting(&check::METADATA_MODE);
        let setting = &check::METADATA_ENDPOINT;
        let url = self.url(setting, setting.candidates(self.profile));
        url.unwrap_or_else(|| check::metadata_of_mode(mode.as_deref()).to_owned())
    }

    /// What a setting holds that is a URL: without user and password, which nothing here sends.
    fn url(&mut self, setting: &Setting, candidates: Vec<Found>) -> Option<String> {
        let found = self.first(candidates)?;
        let place = &found.place;
        match check::http_url(&found.text) {
            Some(url) => {
                if url.has_user() {
                    self.ignore(place, "contains a user or a password, which is not used".to_owned());
                }
                Some(url.without_user())
            }
            // The value is not repeated: it may hold a password.
            None => {
                self.problems.push(format!("{place} contains no {}; correct it, or unset it", setting.what));
                None
            }
        }
    }

    fn endpoints(&mut self, ignore: bool) -> Endpoints {
        let mut endpoints = BTreeMap::new();
        for service in SERVICES {
            let candidates = self.profile.endpoint_urls(service);
            self.check_client_of(service, candidates.first());
            let place =
                candidates.iter().find(|found| !found.text.trim().is_empty()).map(|found| found.place.to_string());
            let url = if ignore { None } else { self.url(&check::ENDPOINT_URL, candidates) };
            if service == DYNAMODB && url.is_some() {
                self.chosen.url = place;
            }
            endpoints.extend(url.map(|url| (service, url)));
        }
        Endpoints(endpoints)
    }

    /// The SDK's own clients for STS and for SSO take the first variable, be it empty, and end the process at it.
    fn check_client_of(&mut self, service: &str, first: Option<&Found>) {
        let asked_for_credentials = match service {
            "STS" => self.profile.assumes_a_role() || is_set(check::WEB_IDENTITY),
            "SSO" | "SSO OIDC" => self.profile.uses_sso(),
            _ => false,
        };
        if let Some(Found { place: place @ Place::Variable(_), text }) = first
            && asked_for_credentials
            && text.is_empty()
        {
            self.problems.push(format!("{place} is empty, and the credentials come from {service}; unset it"));
        }
    }

    /// What goes into an HTTP header as it stands. The values are not repeated.
    fn headers(&mut self) {
        let variables = ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_EXECUTION_ENV"];
        let of_profiles = ["aws_access_key_id", "aws_session_token"].map(|key| self.profile.values(key));
        let found = variables.into_iter().filter_map(Found::in_environment).chain(of_profiles.into_iter().flatten());
        let problems = found.filter(|found| HeaderValue::from_str(&found.text).is_err());
        self.problems.extend(
            problems.map(|found| format!("{} contains a character that HTTP headers cannot carry", found.place)),
        );
    }

    fn profile_name(&mut self) {
        if !self.profile.is_there()
            && let Some(found) = Found::in_environment("AWS_PROFILE").filter(|found| !found.text.is_empty())
        {
            self.ignore(&found.place, format!("is {:?}, a profile that is in neither file", found.shown()));
        }
    }

    fn ignore(&mut self, place: &Place, detail: String) {
        let ignored = IgnoredSetting { place: place.to_string(), detail, is_unread: false };
        if !self.ignored.contains(&ignored) {
            self.ignored.push(ignored);
        }
    }

    /// The path of a container's credentials counts more than the URL.
    fn container(&mut self) {
        match self.first(Found::in_environment(check::CONTAINER_PATH).into_iter().collect()) {
            Some(found) if check::is_path(&found.text) => {}
            Some(found) => {
                self.problems.push(format!("{} is not the path of a URL; correct it, or unset it", found.place))
            }
            None => {
                let setting = &check::CONTAINER;
                self.url(setting, setting.candidates(self.profile));
            }
        }
    }
}

/// Logs it once, however often the settings are read.
fn warn(ignored: &IgnoredSetting) {
    static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let setting = ignored.to_string();
    if LOGGED.lock().unwrap_or_else(PoisonError::into_inner).insert(setting.clone()) {
        tracing::warn!(setting, "an AWS setting is not used as written");
    }
}
