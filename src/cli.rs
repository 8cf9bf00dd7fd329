//! The command line: the parser, the flags that several commands share, and the parsers of their values.
//!
//! Every setting is a flag with an `ONNET_` variable, a default and one line of help. A command's own flags are in its file.

use crate::commands::{
    audit::AuditArgs, check::CheckArgs, explain::ExplainArgs, explain_finding::ExplainFindingArgs, fleet::FleetArgs,
    generate::GenerateArgs, judge::JudgeArgs, policy::PolicyArgs, publish::PublishArgs, run::RunArgs,
    schema::SchemaArgs, status::StatusArgs,
};
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{BoolishValueParser, PossibleValue, PossibleValuesParser, TypedValueParser},
};
use onnet::{
    engine,
    import::facts_table::PERIODS,
    model::{AccountId, FindingCode, InterfaceId, NatRates, Source, VpcId, is_account_id, region_of_zone},
    observe::{
        dns::Resolver,
        facts_table::{FactsSettings, Role, TrustedKey},
    },
    present::Contract,
};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

const ABOUT: &str = "Checks whether this EC2 instance's DynamoDB traffic goes through a VPC endpoint.";

pub(crate) const EXAMPLES: &str = "\
Examples:
  onnet check                    check this instance; the exit code is the verdict
  onnet check --format nagios    the same on one line, for a monitoring system
  onnet check --save round.json  save all collected facts, for a bug report
  onnet judge round.json         judge it again, anywhere
  onnet run                      the daemon: check continuously, serve HTTP
  onnet explain 52.94.0.10       which route carries the address, and why
  onnet audit                    every subnet of every VPC in the Region
  onnet audit --from DIR         the same from saved AWS CLI output
";

pub(crate) const STABLE: &str = "\
Exit codes, of every command:
  0  on-net (explain: a DynamoDB VPC endpoint carries the address)
  1  at risk: on-net, with a warning
  2  off-net, or dropped
  3  undetermined, a usage error, or any other error

Stable: exit codes, codes of findings (endpoint-not-associated, …), commands
and flags, and the names of JSON fields; new fields and codes may be added.
`onnet schema` prints the JSON Schemas. The text is for people and may change.

Each flag can also be set by its variable. AWS settings (Region, credentials,
endpoint URLs) come from the environment and the profile, as in every AWS SDK.";

/// `onnet`.
#[derive(Debug, Parser)]
#[command(name = "onnet", version, about = ABOUT, before_help = ABOUT, before_long_help = concat_about())]
#[command(help_template = "{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}", after_help = STABLE)]
pub(crate) struct Cli {
    /// Log to standard error what onnet does; repeat for more detail.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// What to log to standard error, such as `onnet=debug`; --verbose is short for it [default of run: onnet=info,error].
    #[arg(long, global = true, env = "ONNET_LOG", value_name = "FILTER", hide_env_values = true)]
    pub(crate) log: Option<String>,

    /// How to log.
    #[arg(
        long,
        global = true,
        env = "ONNET_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        hide_env_values = true
    )]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

fn concat_about() -> String {
    format!("{ABOUT}\n\n{EXAMPLES}")
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check this instance once; the exit code is the verdict.
    Check(CheckArgs),
    /// Run the daemon: check continuously and serve the result by HTTP.
    Run(Box<RunArgs>),
    /// Show the local daemon's latest report.
    Status(StatusArgs),
    /// Judge what `check --save` or `check --format json` wrote.
    Judge(JudgeArgs),
    /// Show which route of a subnet carries an address, and why the others lose.
    Explain(ExplainArgs),
    /// Explain a finding code: its meaning, severity, evidence and fix.
    ExplainFinding(ExplainFindingArgs),
    /// Judge every subnet of the VPCs, with or without an instance.
    Audit(AuditArgs),
    /// Print the IAM policies that `--witness` and `--facts-table` need.
    Policy(PolicyArgs),
    /// Show what the instances report to a table of DynamoDB; the worst is the exit code.
    Fleet(FleetArgs),
    /// Put the facts of VPCs into a table of DynamoDB, for other instances.
    Publish(PublishArgs),
    /// Print the JSON Schema of what the other commands print with --format json.
    Schema(SchemaArgs),
    /// Write the manual pages and shell completions below a directory, for packages.
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// How the facts of a round are collected.
#[derive(Debug, Args)]
pub(crate) struct CollectArgs {
    /// The request to time: a signed ListTables (recorded by CloudTrail), an unsigned GET /, or none.
    #[arg(long, env = "ONNET_PROBE", default_value = "list-tables", value_name = "PROBE", hide_env_values = true)]
    pub(crate) probe: ProbeChoice,

    /// Judge as if traffic used this network interface (eni-…), regardless of the kernel's routes.
    #[arg(long, env = "ONNET_INTERFACE", value_name = "ENI", hide_env_values = true, value_parser = interface)]
    pub(crate) interface: Option<InterfaceId>,

    /// Query this name server instead of the system's; the C library's answers are then not judged.
    #[arg(long, env = "ONNET_RESOLVER", value_name = "ADDR:PORT", hide_env_values = true, value_parser = socket)]
    pub(crate) resolver: Option<SocketAddr>,

    /// Also judge this name, which programs here use: account-based, dual-stack, FIPS, an interface endpoint's, …; may be repeated, and replaces ONNET_HOSTNAMES. Names of DynamoDB Streams and vector search are reported apart.
    #[arg(long = "hostname", alias = "hostnames", env = "ONNET_HOSTNAMES", value_name = "NAME", value_delimiter = ',', hide_env_values = true, value_parser = host)]
    pub(crate) hostnames: Vec<String>,

    /// Report what the endpoint's policy says of this action, which programs here use, such as dynamodb:PutItem; may be repeated. By default, of common actions on items.
    #[arg(long = "action", alias = "actions", env = "ONNET_ACTIONS", value_name = "ACTION", value_delimiter = ',', hide_env_values = true, value_parser = action)]
    pub(crate) actions: Vec<String>,

    /// Report what the endpoint's policy says of actions on this table, which programs here use; may be repeated. Its ARN also says whose it is: of a name alone, a policy that names accounts says too little.
    #[arg(long = "table", alias = "tables", env = "ONNET_TABLES", value_name = "NAME|ARN", value_delimiter = ',', hide_env_values = true, value_parser = table)]
    pub(crate) tables: Vec<String>,

    #[command(flatten)]
    pub(crate) rates: RateArgs,

    /// Also judge what lets requests through beside the routes: security groups, network ACLs, Block Public Access, NAT gateways, DNS support. Needs more permissions.
    #[arg(long, env = "ONNET_GATES", hide_env_values = true, value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL")]
    pub(crate) gates: bool,

    /// Also ask DynamoDB itself how requests come: DescribeTable on tables that need not exist, with the role policy that `onnet policy` prints.
    #[arg(long, env = "ONNET_WITNESS", hide_env_values = true, value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL")]
    pub(crate) witness: bool,

    #[command(flatten)]
    pub(crate) shared: SharedArgs,
}

impl CollectArgs {
    /// The settings of the collectors.
    pub(crate) fn settings(&self, timeout: Duration) -> engine::CollectSettings {
        engine::CollectSettings {
            timeout,
            probe: match self.probe {
                ProbeChoice::ListTables => engine::ProbeChoice::ListTables,
                ProbeChoice::Health => engine::ProbeChoice::Health,
                ProbeChoice::None => engine::ProbeChoice::None,
            },
            interface: self.interface.clone(),
            resolver: self.resolver,
            hostnames: self.hostnames.clone(),
            actions: self.actions.clone(),
            tables: self.tables.clone(),
            nat_rates: self.rates.rates(),
            gates: self.gates,
            witness: self.witness,
            facts: self.shared.settings(Source::Ec2.period()),
            controls: Vec::new(),
            // The C library does not ask another name server than the system's.
            c_library: self.resolver.is_none().then(|| Resolver::new(this_program())),
        }
    }
}

/// This very program, even where another version stands at its path by now.
fn this_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") { running } else { std::env::current_exe().unwrap_or(running) }
}

/// Where the facts of the VPC are shared.
#[derive(Debug, Args)]
pub(crate) struct SharedArgs {
    /// Read the facts of the VPC from this table of DynamoDB, where `onnet publish` or other instances put them, instead of asking the EC2 API.
    #[arg(long, env = "ONNET_FACTS_TABLE", value_name = "NAME|ARN", hide_env_values = true, value_parser = table)]
    pub(crate) facts_table: Option<String>,

    /// Accept only facts that this ed25519 public key has signed, in base64; may be repeated, to replace a key. `onnet publish` prints it.
    #[arg(long, env = "ONNET_FACTS_TRUST", value_name = "KEY", value_delimiter = ',', hide_env_values = true, value_parser = TrustedKey::parse, requires = "facts_table")]
    pub(crate) facts_trust: Vec<TrustedKey>,
}

impl SharedArgs {
    /// The settings of a reader that looks every `period`.
    pub(crate) fn settings(&self, period: Duration) -> Option<FactsSettings> {
        let table = self.facts_table.clone()?;
        Some(FactsSettings { table, role: Role::Read, trust: self.facts_trust.clone(), period, spot_check_every: None })
    }
}

/// What NAT gateways cost, for estimates.
#[derive(Debug, Args)]
pub(crate) struct RateArgs {
    /// USD for each gigabyte that a NAT gateway processes: estimates use it [default: the list price in us-east-1, 0.045].
    #[arg(long, env = "ONNET_NAT_USD_PER_GB", value_name = "USD", hide_env_values = true, value_parser = usd, allow_negative_numbers = true)]
    nat_usd_per_gb: Option<f64>,

    /// USD for each hour of a NAT gateway [default: the list price in us-east-1, 0.045].
    #[arg(long, env = "ONNET_NAT_USD_PER_HOUR", value_name = "USD", hide_env_values = true, value_parser = usd, allow_negative_numbers = true)]
    nat_usd_per_hour: Option<f64>,
}

impl RateArgs {
    /// The rates: AWS's list prices where none is given.
    pub(crate) fn rates(&self) -> NatRates {
        NatRates {
            usd_per_gb: self.nat_usd_per_gb.unwrap_or(NatRates::LIST_PRICES.usd_per_gb),
            usd_per_hour: self.nat_usd_per_hour.unwrap_or(NatRates::LIST_PRICES.usd_per_hour),
        }
    }
}

/// Where `explain` and `audit` read the VPC from.
#[derive(Debug, Args)]
pub(crate) struct InventoryArgs {
    /// Read saved AWS CLI output (any *.json in DIR) instead of asking the EC2 API.
    #[arg(long, env = "ONNET_FROM", value_name = "DIR", hide_env_values = true)]
    pub(crate) from: Option<PathBuf>,

    /// The Region [default: the SDK's choice; with --from, the one the files name].
    #[arg(long, env = "ONNET_REGION", value_name = "REGION", hide_env_values = true, value_parser = region)]
    pub(crate) region: Option<String>,

    #[command(flatten)]
    pub(crate) timeout: TimeoutArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TimeoutArgs {
    /// Deadline of the whole command; what is not collected by then is reported as missing.
    #[arg(long, env = "ONNET_TIMEOUT", default_value = "10s", value_parser = duration, hide_env_values = true, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// One line with performance data, for monitoring systems.
    Nagios,
}

/// How a document other than a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How log events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people and the journal.
    Text,
    /// For programs: a JSON object on each line.
    Json,
}

/// Which request is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProbeChoice {
    /// A signed ListTables.
    ListTables,
    /// An unsigned GET /.
    Health,
    /// Nothing is sent to DynamoDB.
    None,
}

/// A [`Contract`] on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document(pub(crate) Contract);

impl ValueEnum for Document {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Document; 6] = [
            Document(Contract::ALL[0]),
            Document(Contract::ALL[1]),
            Document(Contract::ALL[2]),
            Document(Contract::ALL[3]),
            Document(Contract::ALL[4]),
            Document(Contract::ALL[5]),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

/// An amount of money.
pub(crate) fn usd(text: &str) -> Result<f64, String> {
    let amount = text.parse().ok().filter(|amount| (0.0..=1_000.0).contains(amount));
    // Of minus zero this is zero.
    amount
        .map(|amount: f64| amount.abs())
        .ok_or_else(|| "expected an amount in USD, from 0 to 1000, such as 0.045".to_owned())
}

/// A length of time above zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("expected more than nothing, such as 10s or 500ms".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("expected a length of time such as 10s or 500ms".to_owned()),
    }
}

/// The period of a source. A shorter one is load, not observation.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        short if short < Duration::from_millis(10) => Err("expected a period of 10ms or more".to_owned()),
        period => Ok(period),
    }
}

/// The period of a publisher of shared facts, as readers accept it.
pub(crate) fn published_period(text: &str) -> Result<Duration, String> {
    let period = duration(text)?;
    check_period(period).map(|()| period)
}

/// Whether readers of shared facts accept the period of their publisher.
pub(crate) fn check_period(period: Duration) -> Result<(), String> {
    let [shortest, longest] = PERIODS;
    if (shortest..=longest).contains(&period) { Ok(()) } else { Err("expected a period from 1s to 1d".to_owned()) }
}

/// How long to wait for an outcome.
pub(crate) fn wait(text: &str) -> Result<Duration, String> {
    match text {
        "forever" => Ok(Duration::MAX),
        text => time(text).map_err(|_| "expected a length of time such as 5m, or `forever`".to_owned()),
    }
}

/// A length of time, zero included.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a length of time such as 60s, or 0s".to_owned())
}

pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    // An IPv4-mapped IPv6 address is routed as IPv4.
    text.parse()
        .map(|address: IpAddr| address.to_canonical())
        .map_err(|_| "expected one IPv4 or IPv6 address, such as 52.94.0.10".to_owned())
}

pub(crate) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and a port, such as 127.0.0.1:10953 or [fd00:ec2::253]:53".to_owned())
}

/// A name without a port; addresses need not be allowed.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    let fits = text.len() <= 253 && text.chars().all(is_name) && labels.into_iter().all(|label| !label.is_empty());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected a name without a scheme or port, such as onnet.example.com".to_owned())
    }
}

fn action(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("dynamodb:").filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        Ok(text.to_owned())
    } else {
        Err("expected an action of DynamoDB without wildcards, such as dynamodb:PutItem".to_owned())
    }
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
pub(crate) fn table(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        (3..=255).contains(&name.len()) && name.bytes().all(is_of_names)
    };
    let is_arn = |arn: &str| match arn.split(':').collect::<Vec<_>>()[..] {
        ["arn", partition, "dynamodb", region, account, table] => {
            is_word(partition)
                && is_word(region)
                && is_account_id(account)
                && table.strip_prefix("table/").is_some_and(is_name)
        }
        _ => false,
    };
    if is_name(text) || is_arn(text) {
        Ok(text.to_owned())
    } else {
        Err("expected the name of a table, such as orders, or its ARN, such as \
             arn:aws:dynamodb:us-east-1:111122223333:table/orders"
            .to_owned())
    }
}

fn interface(text: &str) -> Result<InterfaceId, String> {
    let is_id = text.strip_prefix("eni-").is_some_and(is_word);
    if is_id { Ok(text.into()) } else { Err("expected a network interface's id, such as eni-0a1b2c3d".to_owned()) }
}

/// Takes the codes there are, so that clap suggests the nearest one for another.
pub(crate) fn finding_code() -> impl TypedValueParser<Value = FindingCode> {
    let code = |name: String| FindingCode::ALL.iter().copied().find(|code| code.name() == name);
    PossibleValuesParser::new(FindingCode::ALL.iter().map(|code| code.name()))
        .try_map(move |name| code(name).ok_or("no finding has this code"))
}

pub(crate) fn vpc(text: &str) -> Result<VpcId, String> {
    let is_id = text.strip_prefix("vpc-").is_some_and(is_number);
    if is_id { Ok(text.into()) } else { Err("expected a VPC's id, such as vpc-0a1b2c3d".to_owned()) }
}

pub(crate) fn account(text: &str) -> Result<AccountId, String> {
    let expected = || "expected the id of an account: twelve digits".to_owned();
    is_account_id(text).then(|| text.into()).ok_or_else(expected)
}

/// The Region becomes part of the names that requests are sent to.
pub(crate) fn region(text: &str) -> Result<String, String> {
    match region_of_zone(text) {
        Some(region) => Err(format!("this is a zone of {region}; give the Region, {region}")),
        None if is_word(text) => Ok(text.to_owned()),
        None => Err("expected a Region, such as us-east-1".to_owned()),
    }
}

/// What comes after the prefix of an id.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test may panic")]

    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_has_a_variable_and_help() {
        for command in Cli::command().get_subcommands() {
            // Those that are hidden are onnet's own, for itself.
            for flag in command.get_arguments().filter(|flag| flag.get_long().is_some() && !flag.is_hide_set()) {
                let name = format!("{} {}", command.get_name(), flag.get_id());
                let expected = format!("ONNET_{}", flag.get_id().as_str().to_uppercase());
                let variable = flag.get_env().map(|name| name.to_string_lossy().into_owned());
                assert_eq!(variable, Some(expected), "{name}");
                assert!(flag.get_help().is_some(), "{name}");
            }
        }
    }

    /// The settings of `systemd/onnet.env` whose line begins so, as variable and value.
    fn settings(mark: &str) -> Vec<(String, String)> {
        let lines = include_str!("../systemd/onnet.env").lines();
        let settings = lines.filter_map(|line| line.strip_prefix(mark)?.split_once('='));
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// `onnet run` with these settings, given as the flags they stand for.
    fn run_with(settings: &[(String, String)]) -> String {
        let flag = |name: &str| name.trim_start_matches("ONNET_").to_lowercase().replace('_', "-");
        let flags = settings.iter().map(|(name, value)| format!("--{}={value}", flag(name)));
        let words = ["onnet".to_owned(), "run".to_owned()].into_iter().chain(flags);
        let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
        format!("{cli:#?}")
    }

    #[test]
    fn the_file_of_settings_has_the_defaults() {
        let mut defaults = settings("#");
        defaults.retain(|(name, _)| name.starts_with("ONNET_"));
        let log = defaults.iter().position(|(name, _)| name == "ONNET_LOG").map(|at| defaults.remove(at));
        assert_eq!(run_with(&defaults), run_with(&[]));
        assert_eq!(log.map(|(_, filter)| filter).as_deref(), Some(crate::log::DAEMON));
    }

    #[test]
    fn the_file_of_settings_has_every_setting_once() {
        let mut listed: Vec<String> = settings("#").into_iter().chain(settings("# ")).map(|(name, _)| name).collect();
        listed.retain(|name| name.starts_with("ONNET_"));
        let command = Cli::command();
        let run = command.find_subcommand("run").into_iter().flat_map(clap::Command::get_arguments);
        let settings = run.chain(command.get_arguments()).filter_map(|argument| argument.get_env());
        let mut expected: Vec<String> = settings.map(|name| name.to_string_lossy().into_owned()).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
        run_with(&self::settings("# ").into_iter().filter(|(name, _)| name.starts_with("ONNET_")).collect::<Vec<_>>());
    }

    #[test]
    fn durations_are_written_as_people_write_them() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["10", "0s", "soon", ""] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
