//! The profile files, read once: the SDK gets the very text that was checked.

use super::{
    check::ENDPOINT_URL,
    place::{Found, Place, is_set},
};
use crate::{
    model::{IgnoredSetting, account_of_arn, is_account_id},
    observe::{aws::root_cause, files::SettingsFile, limits::SETTINGS_FILE},
};
use aws_config::profile::{ProfileSet, load};
use aws_runtime::env_config::{
    file::{EnvConfigFileKind, EnvConfigFiles},
    property::PropertiesKey,
};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    env,
    io::ErrorKind,
    path::{Path, PathBuf},
};

const DEFAULT: &str = "default";

/// Under which name the SDK knows onnet's own provider in the place of its own for `credential_process`.
pub(in super::super) const CREDENTIAL_PROCESS: &str = "CredentialProcess";

/// The profile that is selected, in the files it stands in.
#[derive(Debug, Default)]
pub(in super::super) struct Profile {
    set: ProfileSet,
    /// What either file holds by itself: the one of the credentials counts more.
    alone: [(String, ProfileSet); 2],
    texts: [String; 2],
}

impl Profile {
    /// Reads both files; one that cannot be opened is added to `ignored`.
    ///
    /// # Errors
    /// Why one cannot be used, in a sentence that names it.
    pub(super) async fn read(ignored: &mut Vec<IgnoredSetting>) -> Result<Self, String> {
        let config = file("AWS_CONFIG_FILE", "~/.aws/config");
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");
        let texts = [text(&config, ignored)?, text(&credentials, ignored)?];
        let [in_config, in_credentials] = &texts;
        let [config, credentials] = [config.path(), credentials.path()];
        let alone = [
            (config.display().to_string(), parsed(config, &files(in_config, "")).await?),
            (credentials.display().to_string(), parsed(credentials, &files("", in_credentials)).await?),
        ];
        let set = parsed(config, &files(in_config, in_credentials)).await?;
        Ok(Self { set, alone, texts })
    }

    /// For the SDK. It ends the process at an empty URL: there it is left out. And it sets no bounds to a program that
    /// prints credentials: there is onnet's own provider instead.
    pub(in super::super) fn files(&self) -> EnvConfigFiles {
        let [config, credentials] = self.texts.each_ref().map(|text| with_own_process(&without_empty_urls(text)));
        files(&config, &credentials)
    }

    /// The program that prints its credentials, or those of the profile that it rests on.
    pub(in super::super) fn credential_process(&self) -> Option<&str> {
        self.set.get_profile(self.sources().last()?)?.get("credential_process")
    }

    /// The files with tokens that the SDK reads for its credentials, or for those of the profiles that it rests on.
    pub(in super::super) fn token_files(&self) -> Vec<SettingsFile> {
        let web_identity = self.values("web_identity_token_file");
        let web_identity = web_identity.into_iter().map(|Found { place, text }| SettingsFile::new(text, place));
        // Where there is a session, the start URL is in its own section.
        let sso = self.values("sso_session").into_iter().chain(self.values("sso_start_url"));
        let sso = sso.filter_map(|Found { place, text }| Some(SettingsFile::new(sso_cache(&text)?, place)));
        web_identity.chain(sso).collect()
    }

    /// The certificates to verify servers with.
    pub(in super::super) fn ca_bundle(&self) -> Option<SettingsFile> {
        let Found { place, text } = self.value("ca_bundle").filter(|found| !found.text.trim().is_empty())?;
        Some(SettingsFile::new(text, place))
    }

    /// Its name, if it is to be another one than the environment says: there it is empty.
    pub(in super::super) fn instead() -> Option<&'static str> {
        (env::var_os("AWS_PROFILE").is_some() && !is_set("AWS_PROFILE")).then_some(DEFAULT)
    }

    /// What it holds under a key.
    pub(super) fn value(&self, key: &str) -> Option<Found> {
        let section = format!("profile {}", self.set.selected_profile());
        self.found(&section, key, |set| set.get(key).map(str::to_owned))
    }

    /// What it, and those it rests on, hold under a key.
    pub(super) fn values(&self, key: &str) -> Vec<Found> {
        let of = |name: &str| {
            self.found(&format!("profile {name}"), key, |set| Some(set.get_profile(name)?.get(key)?.to_owned()))
        };
        self.sources().into_iter().filter_map(of).collect()
    }

    /// Whether there is such a profile.
    pub(super) fn is_there(&self) -> bool {
        self.set.get_profile(self.set.selected_profile()).is_some()
    }

    /// Every Region that the environment and the profile name, the one that counts first.
    pub(super) fn regions(&self) -> Vec<Found> {
        let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().filter_map(Found::in_environment);
        variables.chain(self.values("region")).collect()
    }

    /// Every endpoint URL for a service, the one that counts first.
    pub(super) fn endpoint_urls(&self, service: &str) -> Vec<Found> {
        let of_service = format!("{}_{}", ENDPOINT_URL.variable, service.to_uppercase().replace(' ', "_"));
        let [own, common] = [of_service.as_str(), ENDPOINT_URL.variable].map(Found::in_environment);
        [own, common, self.url_of_service(service), self.value("endpoint_url")].into_iter().flatten().collect()
    }

    /// `endpoint_url` of a service, in the section that `services` names.
    fn url_of_service(&self, service: &str) -> Option<Found> {
        let services = self.set.get("services")?;
        let service = service.to_lowercase().replace(' ', "-");
        let key = PropertiesKey::builder()
            .section_key("services")
            .section_name(services)
            .property_name(service.as_str())
            .sub_property_name("endpoint_url")
            .build()
            .ok()?;
        let section = format!("{service} of services {services}");
        self.found(&section, "endpoint_url", |set| set.other_sections().get(&key).cloned())
    }

    /// Whether it names a role, for which STS is asked.
    pub(super) fn assumes_a_role(&self) -> bool {
        self.set.get("role_arn").is_some()
    }

    /// Whether SSO is asked for its credentials, or for those of the profile it rests on.
    pub(super) fn uses_sso(&self) -> bool {
        let keys = ["sso_session", "sso_start_url", "sso_account_id"];
        let mut profiles = self.sources().into_iter().filter_map(|name| self.set.get_profile(name));
        profiles.any(|profile| keys.iter().any(|key| profile.get(key).is_some()))
    }

    /// The accounts that profiles name, each once: of their credentials, of SSO, or of the role that they assume.
    pub(super) fn accounts(&self) -> BTreeMap<String, Place> {
        let mut accounts = BTreeMap::new();
        for name in self.set.profiles() {
            for key in ["aws_account_id", "sso_account_id", "role_arn"] {
                let found = self.found(&format!("profile {name}"), key, |set| {
                    Some(set.get_profile(name)?.get(key)?.trim().to_owned())
                });
                let Some(Found { place, text }) = found else { continue };
                let account = if key == "role_arn" { account_of_arn(&text) } else { Some(text.as_str()) };
                if let Some(account) = account.filter(|account| is_account_id(account)) {
                    accounts.entry(account.to_owned()).or_insert(place);
                }
            }
        }
        accounts
    }

    /// Its name, and those of the profiles that it rests on.
    fn sources(&self) -> Vec<&str> {
        let mut names = vec![self.set.selected_profile()];
        while let Some(next) = names.last().and_then(|name| self.set.get_profile(name)?.get("source_profile"))
            && !names.contains(&next)
        {
            names.push(next);
        }
        names
    }

    fn found(&self, section: &str, key: &str, value: impl Fn(&ProfileSet) -> Option<String>) -> Option<Found> {
        let text = value(&self.set)?;
        let [config, credentials] = &self.alone;
        let (file, _) = if value(&credentials.1).is_some() { credentials } else { config };
        let place = Place::Key { key: key.to_owned(), section: section.to_owned(), file: file.clone() };
        Some(Found { place, text })
    }
}

fn files(config: &str, credentials: &str) -> EnvConfigFiles {
    EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, config)
        .with_contents(EnvConfigFileKind::Credentials, credentials)
        .build()
}

async fn parsed(path: &Path, files: &EnvConfigFiles) -> Result<ProfileSet, String> {
    let instead = Profile::instead().map(Cow::Borrowed);
    let set = load(&Default::default(), &Default::default(), files, instead).await;
    set.map_err(|error| {
        // "error parsing  on line 3:\n  Expected …": where the SDK is given the text, it knows no path.
        let words = root_cause(&error).split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{}: {}", path.display(), words.trim_start_matches("error parsing "))
    })
}

/// Where a file is: as the variable says, else at its default place.
fn file(variable: &str, default: &str) -> SettingsFile {
    match env::var_os(variable) {
        Some(path) => SettingsFile::new(at_home(path.into()), variable),
        None => SettingsFile::of_default(at_home(default.into())),
    }
}

/// `~` is the home directory.
fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), env::var_os("HOME")) {
        (Ok(below), Some(home)) => PathBuf::from(home).join(below),
        (Ok(_), None) | (Err(_), _) => path,
    }
}

/// Where `aws sso login` keeps the token of a session, or of a start URL. Without a home directory there is none.
fn sso_cache(of: &str) -> Option<PathBuf> {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, of.as_bytes());
    let name = digest.as_ref().iter().fold(String::new(), |name, byte| name + &format!("{byte:02x}"));
    Some(PathBuf::from(env::var_os("HOME")?).join(".aws/sso/cache").join(name + ".json"))
}

/// What a file holds; nothing if there is none, or it is another user's.
fn text(file: &SettingsFile, ignored: &mut Vec<IgnoredSetting>) -> Result<String, String> {
    let path = file.path();
    // So people say that there is none.
    if path == Path::new("/dev/null") {
        return Ok(String::new());
    }
    match file.read(SETTINGS_FILE) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display())),
        Err(error) if error.is_refusal() => Err(error.to_string()),
        Err(error) if error.cause().kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => {
            let cause = error.cause();
            let detail = format!("cannot be read ({cause}); it counts as empty, though programs may use its contents");
            ignored.push(IgnoredSetting { place: path.display().to_string(), detail, is_unread: true });
            Ok(String::new())
        }
    }
}

/// The same text without the lines that set an endpoint URL to nothing.
fn without_empty_urls(text: &str) -> String {
    let is_empty = |line: &str| {
        line.split_once('=').is_some_and(|(key, value)| {
            let comment = value.starts_with([' ', '\t']) && value.trim_start().starts_with(['#', ';']);
            key.trim().eq_ignore_ascii_case("endpoint_url") && (value.trim().is_empty() || comment)
        })
    };
    text.lines().filter(|line| !is_empty(line)).fold(String::with_capacity(text.len()), |kept, line| kept + line + "\n")
}

/// What counts more than a program in the eyes of the SDK.
const BEFORE_PROCESS: [&str; 5] =
    ["source_profile", "credential_source", "web_identity_token_file", "sso_session", "sso_start_url"];

/// The same text, with onnet's own provider where a section names a program that prints credentials, and without the program
/// where the section names something that counts more.
fn with_own_process(text: &str) -> String {
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with('[') {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    let mut kept = String::with_capacity(text.len());
    for section in sections {
        own_process(&section, &mut kept);
    }
    kept
}

fn own_process(section: &[&str], kept: &mut String) {
    let is = |line: &&str, key: &str| line.split_once('=').is_some_and(|(k, _)| k.trim_end().eq_ignore_ascii_case(key));
    let name = section.first().and_then(|line| line.strip_prefix('[')?.split(']').next()?.split_whitespace().last());
    // A role that is assumed with the credentials of its own profile.
    let is_own = |line: &&str| is(line, "source_profile") && line.split('=').nth(1).map(str::trim) == name;
    let has_process = section.iter().any(|line| is(line, "credential_process"));
    let counts_more = |line: &&str| BEFORE_PROCESS.iter().any(|key| is(line, key)) && !is_own(line);
    let is_used = has_process && !section.iter().any(counts_more);
    let mut is_value = false;
    for line in section {
        let is_left_out = is_used && is_own(line);
        is_value = is(line, "credential_process") || is_value && line.starts_with([' ', '\t']);
        if is(line, "credential_process") && is_used {
            kept.push_str(&format!("credential_source = {CREDENTIAL_PROCESS}\n"));
        } else if !is_value && !is_left_out {
            kept.push_str(line);
            kept.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_prints_credentials_is_run_by_onnet_itself() {
        let own = "credential_source = CredentialProcess";
        for (section, kept) in [
            ("[default]\nCredential_Process = a b\n  more\nregion = x\n", format!("[default]\n{own}\nregion = x\n")),
            (
                "[profile p]\nrole_arn = r\nsource_profile = q\ncredential_process=a\n",
                "[profile p]\nrole_arn = r\nsource_profile = q\n".to_owned(),
            ),
            (
                "[profile p]\nrole_arn = r\nsource_profile = p\ncredential_process=a\n",
                format!("[profile p]\nrole_arn = r\n{own}\n"),
            ),
            ("[p]\nsso_session = s\ncredential_process=a\n", "[p]\nsso_session = s\n".to_owned()),
            (
                "[p]\nrole_arn = r\nsource_profile = p\naws_access_key_id = A\n",
                "[p]\nrole_arn = r\nsource_profile = p\naws_access_key_id = A\n".to_owned(),
            ),
        ] {
            let others = |text: &str| format!("# c\n[x]\nsource_profile = p\n{text}[y]\ncredential_process = z\n");
            let expected = others(&kept).replace("credential_process = z", own);
            assert_eq!(with_own_process(&others(section)), expected, "{section}");
        }
    }

    #[test]
    fn an_endpoint_url_that_is_set_to_nothing_is_left_out() {
        let text = "[default]\nendpoint_url =\nregion = us-east-1\nENDPOINT_URL= # none\nservices = s\n[services s]\ndynamodb =\n  \
                    endpoint_url =\t\n  other = x\nec2 =\n  endpoint_url = http://127.0.0.1\n";
        let kept = "[default]\nregion = us-east-1\nservices = s\n[services s]\ndynamodb =\n  other = x\nec2 =\n  \
                    endpoint_url = http://127.0.0.1\n";
        assert_eq!(without_empty_urls(text), kept);
    }
}
