//! `--from DIR`: an inventory from plain AWS CLI output. No credentials, no network.
//!
//! Any `*.json` in the directory counts, whatever its name, by the CLI's own top-level keys; several files may add to
//! one key. What no file holds is a gap that names the command to fill it with, never an empty list.

mod assemble;
mod document;
mod listing;
mod relevant;
mod shapes;
mod unread;

use super::{
    input::{self, LISTING_FILE},
    json::{self, JsonError},
};
use crate::model::{Inventory, PrefixListId, Timestamp, shell_word};
use assemble::Collected;
use document::{Document, File};
use listing::name_of;
use relevant::{LARGE, Relevant};
use std::{
    io::{self, Read},
    net::IpAddr,
    path::{Path, PathBuf},
};
use unread::Unread;

/// The commands that fill a directory: the key they answer with, the command, the file's usual name.
const SOURCES: [Source; 5] = [ROUTE_TABLES, SUBNETS, VPC_ENDPOINTS, PREFIX_LISTS, NETWORK_INTERFACES];
const ROUTE_TABLES: Source = Source { key: "RouteTables", command: "describe-route-tables", file: "route-tables.json" };
const SUBNETS: Source = Source { key: "Subnets", command: "describe-subnets", file: "subnets.json" };
const VPC_ENDPOINTS: Source =
    Source { key: "VpcEndpoints", command: "describe-vpc-endpoints", file: "vpc-endpoints.json" };
const PREFIX_LISTS: Source = Source { key: "PrefixLists", command: "describe-prefix-lists", file: "prefix-lists.json" };
const NETWORK_INTERFACES: Source =
    Source { key: "NetworkInterfaces", command: "describe-network-interfaces", file: "network-interfaces.json" };

/// Where one kind of fact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    key: &'static str,
    command: &'static str,
    file: &'static str,
}

impl Source {
    fn command_into(self, place: Place<'_>) -> String {
        format!(
            "aws ec2 {}{} > {}",
            self.command,
            place.region_flag(),
            shell_word(&place.dir.join(self.file).display().to_string())
        )
    }
}

/// Where the files are, and the Region that the user named.
#[derive(Clone, Copy)]
struct Place<'a> {
    dir: &'a Path,
    region: Option<&'a str>,
}

impl Place<'_> {
    /// Without it the CLI asks its own default Region.
    fn region_flag(self) -> String {
        self.region.map_or_else(String::new, |region| format!(" --region {}", shell_word(region)))
    }
}

fn how_to_fill(dir: &Path) -> String {
    if dir.is_file() {
        return "this is a file; name the directory that it is in".to_owned();
    }
    let commands = SOURCES.map(|source| format!("\n  {}", source.command_into(Place { dir, region: None })));
    format!("fill it with the AWS CLI:{}", commands.concat())
}

fn between(first: &Path, second: &Path) -> String {
    if first == second {
        format!("between two rows in {}", first.display())
    } else {
        format!("between {} and {}", first.display(), second.display())
    }
}

fn listed(not_read: &[String]) -> String {
    not_read.iter().map(|what| format!("\n  not read: {what}")).collect()
}

/// Why a directory gives no inventory.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// There is no such directory, or it cannot be listed.
    // The cause is part of the message here rather than as the source, which would come after the commands.
    #[error("cannot read the directory {}: {cause}; {}", .dir.display(), how_to_fill(.dir))]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// No file holds anything we know.
    #[error("no AWS CLI output in {} ({json_files} *.json files){}; {}", .dir.display(), listed(.not_read), how_to_fill(.dir))]
    Nothing {
        /// The directory.
        dir: PathBuf,
        /// What was not read, and why.
        not_read: Vec<String>,
        /// How many files were found.
        json_files: usize,
    },
    /// A file cannot be read.
    #[error("cannot read {}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        #[source]
        /// Why.
        cause: io::Error,
    },
    /// A file is not what it should be.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The entries of a prefix list do not say which list's they are; only the file's name can.
    #[error("{} contains Entries, but its name does not say of which prefix list; name it pl-….json", .file.display())]
    NamelessEntries {
        /// The file.
        file: PathBuf,
    },
    /// A part of what the CLI writes.
    #[error(
        "{} is a list of rows with {key}, as the AWS CLI writes it with --query; save the whole output, without --query",
        .file.display()
    )]
    Projection {
        /// The file.
        file: PathBuf,
        /// A key of its rows.
        key: &'static str,
    },
    /// Rows of ours where the CLI does not write them.
    #[error(
        "{} contains objects with {} {}, where onnet does not read them; save the output as it is, in a file of its own for each Region:\n  {}",
        .file.display(), .unread.id, .unread.shape(), command_beside(.file, .unread)
    )]
    Unread {
        /// The file.
        file: PathBuf,
        /// What was found.
        unread: Box<Unread>,
    },
    /// The entries of several prefix lists, of which the file's name can name one only.
    #[error("{} contains Entries of several answers; save each to a file of its own, named pl-….json", .file.display())]
    SeveralEntries {
        /// The file.
        file: PathBuf,
    },
    /// Two files, or two answers in one, differ about one thing.
    #[error("the {field} of {id} differ {}; keep the newer one", between(.first, .second))]
    Conflict {
        /// What of it they differ about.
        field: &'static str,
        /// What they differ about.
        id: String,
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
    /// The names are of several Regions.
    #[error("the files name several Regions ({}); say which one with --region", .found.join(", "))]
    Regions {
        /// The Regions, each with a name it was found in.
        found: Vec<String>,
    },
    /// No name holds a Region.
    #[error("no file in {} names the Region, as com.amazonaws.<region>.dynamodb would; say it with --region", .dir.display())]
    NoRegion {
        /// The directory.
        dir: PathBuf,
    },
}

/// Reads every `*.json` in `dir`. Without `region`, the Region is taken from the names of prefix lists and
/// services, or from Availability Zones.
///
/// # Errors
/// If a file cannot be read or is not what the CLI writes, if no file holds anything we know, and if the Region cannot
/// be determined.
pub fn read(dir: &Path, region: Option<&str>) -> Result<Inventory, FilesError> {
    read_sized(dir, region, None, LARGE)
}

/// The same where `address` is asked about. Of a large folder only the routes are kept that can matter to that address or to
/// the prefix lists.
///
/// # Errors
/// As of [`read`].
pub fn read_about(dir: &Path, region: Option<&str>, address: IpAddr) -> Result<Inventory, FilesError> {
    read_sized(dir, region, Some(address), LARGE)
}

/// The same where a folder of `large` bytes is large.
fn read_sized(dir: &Path, region: Option<&str>, address: Option<IpAddr>, large: u64) -> Result<Inventory, FilesError> {
    let (files, not_read) = json_files(dir)?;
    let relevant = Relevant::of(&files, address, large);
    let mut collected = Collected::default();
    collected.not_read = not_read;
    for file in &files {
        add(&mut collected, file, &relevant)?;
    }
    if !collected.anything() {
        let not_read = collected.not_read;
        return Err(FilesError::Nothing { dir: dir.to_owned(), not_read, json_files: files.len() });
    }
    let place = Place { dir, region };
    let region = match region {
        Some(region) => region.to_owned(),
        None => collected.region()?.ok_or_else(|| FilesError::NoRegion { dir: dir.to_owned() })?,
    };
    collected.only(&region)?;
    Ok(collected.inventory(place, region))
}

/// The files to read, sorted, so that the same directory always reads the same; and what else may hold output of the CLI.
fn json_files(dir: &Path) -> Result<(Vec<PathBuf>, Vec<String>), FilesError> {
    let failed = |cause| FilesError::Directory { dir: dir.to_owned(), cause };
    let (mut files, mut not_read) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // As a shell's `*.json` has it: what editors and macOS leave beside the files is hidden.
        if is_json(&path) && !is_hidden(&path) && !path.is_dir() {
            files.push(path);
        } else if let Some(why) = may_be_output(&path) {
            not_read.push(format!("{}: {why}", path.display()));
        }
    }
    files.sort();
    not_read.sort();
    Ok((files, not_read))
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Why what may hold output of the CLI is not read: a directory, or a file of another name.
fn may_be_output(path: &Path) -> Option<&'static str> {
    let hidden = is_hidden(path);
    if path.is_dir() {
        let mut left = FILES_BELOW;
        let holds = |file: &Path| if hidden { looks_like_listing(file) } else { is_json(file) };
        return any_below(path, DEPTH, &mut left, &holds).then_some("*.json files in a directory below are not read");
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("yaml" | "yml") if !hidden => Some("this is YAML; save the output with --output json"),
        Some("gz" | "zip" | "zst" | "xz" | "bz2") if !hidden => Some("this is compressed"),
        _ if !looks_like_listing(path) => None,
        _ if hidden => Some("this looks like output of the AWS CLI, and hidden files are not read"),
        _ => Some("this looks like output of the AWS CLI; only files named *.json are read"),
    }
}

/// Directories below the folder that are looked into for output of the CLI, one in another.
const DEPTH: usize = 4;

/// The most files below the directory that are checked.
const FILES_BELOW: usize = 1_000;

/// Whether any of the first files below `dir` passes the test.
fn any_below(dir: &Path, depth: usize, left: &mut usize, test: &impl Fn(&Path) -> bool) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    for path in entries.map(|entry| entry.path()) {
        let Some(after) = left.checked_sub(1) else { return false };
        *left = after;
        let found = if path.is_dir() { depth > 0 && any_below(&path, depth - 1, left, test) } else { test(&path) };
        if found {
            return true;
        }
    }
    false
}

/// Whether the file begins as an answer of the CLI does.
fn looks_like_listing(path: &Path) -> bool {
    const KEYS: [&[u8]; 6] = [
        b"\"RouteTables\"",
        b"\"Subnets\"",
        b"\"VpcEndpoints\"",
        b"\"PrefixLists\"",
        b"\"Entries\"",
        b"\"NetworkInterfaces\"",
    ];
    // Opening what is no regular file could wait for ever.
    if !path.metadata().is_ok_and(|about| about.is_file()) {
        return false;
    }
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut start));
    // UTF-16 has a zero in every other byte.
    start.retain(|byte| byte.is_ascii() && *byte != 0);
    let is_json = matches!(start.trim_ascii_start().first(), Some(b'{' | b'['));
    read.is_ok() && is_json && KEYS.iter().any(|key| start.windows(key.len()).any(|window| window == *key))
}

/// Bytes of a file that show what it is.
const BEGINNING: u64 = 4_096;

fn add(collected: &mut Collected, path: &Path, relevant: &Relevant) -> Result<(), FilesError> {
    let failed = |cause| FilesError::File { file: path.to_owned(), cause };
    let (bytes, about) = match input::read(path, LISTING_FILE) {
        Ok(read) => read,
        Err(error) if leads_nowhere(path, &error) => {
            collected.not_read.push(format!("{}: {error}", path.display()));
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    let bytes = in_utf8(bytes);
    // The best a file can say of when its facts were collected.
    let at = about.modified().map(Timestamp::from).map_err(failed)?;
    let expected = "AWS CLI output: an object with a key such as RouteTables (--output json)";
    let documents: Vec<Document> = match json::parse_all(&path.display().to_string(), &bytes, expected, true) {
        Ok(documents) => documents,
        Err(error) if is_another_tools(path, &bytes, &error) => {
            collected.not_read.push(error.to_string());
            return Ok(());
        }
        Err(mut error) => {
            error.problem += remedy(&error.problem, &bytes);
            return Err(error.into());
        }
    };
    let mut answers = Vec::new();
    for document in documents {
        answers_of(document, path, 0, &mut answers)?;
    }
    if answers.iter().filter(|answer| answer.entries.is_some()).count() > 1 {
        return Err(FilesError::SeveralEntries { file: path.to_owned() });
    }
    let mut answers = answers.into_iter().enumerate();
    answers.try_for_each(|(number, file)| collected.add((path, number, at), file, relevant))
}

/// The content as UTF-8. What is neither that nor UTF-16 is taken for Windows-1252, in which Windows PowerShell and some scripts write: what
/// is outside ASCII, in names and descriptions, need not be exact.
fn in_utf8(bytes: Vec<u8>) -> Vec<u8> {
    if json::is_utf16(&bytes) || std::str::from_utf8(&bytes).is_ok() {
        return bytes;
    }
    bytes.into_iter().map(char::from).collect::<String>().into_bytes()
}

/// The remedy, where something is of another type than the CLI writes it in: a list of one item as that item, an object as a text.
fn remedy(problem: &str, bytes: &[u8]) -> &'static str {
    let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    if is_blank(bytes) {
        return "; it is empty: run the command that should have written it again";
    }
    if is_failure_of_ours(bytes) {
        return "; it has the error of an aws command that failed: run that again";
    }
    if !problem.starts_with("invalid type") {
        return "";
    }
    // An object below the depth that was asked for is its text or the name of its type, and an empty list a text with nothing in it.
    let cut_at_a_depth = [&b"\"@{"[..], b"\"System.", b"\"Amazon."].into_iter().any(has);
    let of_an_enum = problem.contains("map, expected a string") && has(b"\"Value\"");
    let of_a_list = problem.contains("map, expected a sequence") && has(b"\"value\"") && has(b"\"Count\"");
    if cut_at_a_depth || of_an_enum || of_a_list {
        "; this is of ConvertTo-Json of PowerShell: save the output of the aws command itself"
    } else {
        "; the AWS CLI does not write this: save the output of the aws command itself"
    }
}

/// Whether a path is a link to nothing, or to itself.
fn leads_nowhere(path: &Path, error: &io::Error) -> bool {
    path.is_symlink() && error.kind() != io::ErrorKind::PermissionDenied && path.metadata().is_err()
}

/// The text of a file, of UTF-16 what is ASCII of it, which has a zero in every other byte.
fn plain_text(bytes: &[u8]) -> String {
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&text).into_owned()
}

/// The same without byte order mark and spaces before it.
fn start_of(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || ['\u{feff}', char::REPLACEMENT_CHARACTER].contains(&c))
}

/// What `aws … > file` leaves where the command fails.
fn is_blank(bytes: &[u8]) -> bool {
    start_of(&plain_text(bytes)).is_empty()
}

/// Whether it is the AWS CLI's message that one of the commands that are read here failed.
fn is_failure_of_ours(bytes: &[u8]) -> bool {
    const OPERATIONS: [&str; 8] = [
        "DescribeRouteTables",
        "DescribeSubnets",
        "DescribeVpcEndpoints",
        "DescribePrefixLists",
        "DescribeManagedPrefixLists",
        "GetManagedPrefixListEntries",
        "DescribeNetworkInterfaces",
        "DescribeVpcs",
    ];
    let text = plain_text(bytes);
    let text = start_of(&text);
    ["An error occurred", "aws: [ERROR]"].iter().any(|start| text.starts_with(start))
        && OPERATIONS.iter().any(|operation| text.contains(&format!("when calling the {operation} operation")))
}

/// Whether a file is named as those of our own commands are.
fn is_named_as_ours(path: &Path) -> bool {
    const NAMES: [&str; 5] = ["route-table", "subnet", "vpc-endpoint", "prefix-list", "network-interface"];
    let name = name_of(path).to_ascii_lowercase().replace('_', "-");
    NAMES.iter().any(|known| name.contains(known)) || prefix_list_of(path).is_some()
}

/// Whether a file that cannot be read holds nothing of ours, so that another tool must have written it. One that could be ours,
/// cut off or spoilt, is an error: what it holds would be missing.
fn is_another_tools(path: &Path, bytes: &[u8], error: &JsonError) -> bool {
    if is_failure_of_ours(bytes) || (is_blank(bytes) && is_named_as_ours(path)) {
        return false;
    }
    const ROWS: [&str; 11] = [
        "RouteTableId",
        "VpcEndpointId",
        "PrefixListId",
        "DestinationCidrBlock",
        "rtb-",
        "vpce-",
        "\"vpc-",
        "\"SubnetId\"",
        "\"CidrBlock\"",
        "\"NetworkInterfaceId\"",
        "\"Cidr\"",
    ];
    const LISTS: [&str; 6] =
        ["\"RouteTables", "\"Subnets", "\"VpcEndpoints", "\"PrefixLists", "\"Entries", "\"NetworkInterfaces"];
    let text = plain_text(bytes).to_ascii_lowercase();
    let has = |word: &str| text.contains(&word.to_ascii_lowercase());
    if ROWS.into_iter().any(has) {
        return false;
    }
    // Names of lists that other tools have as well.
    let shared = ["Subnets", "Entries", "NetworkInterfaces"];
    let path_of_error = error.path.as_deref().unwrap_or_default();
    if shared.into_iter().any(|list| path_of_error.trim_start_matches(['[', ']', '0', '.']).starts_with(list)) {
        return prefix_list_of(path).is_none() && !is_cut_off(error);
    }
    prefix_list_of(path).is_none() && !LISTS.into_iter().any(has)
}

/// Whether the file ends too early.
fn is_cut_off(error: &JsonError) -> bool {
    error.problem.starts_with("EOF")
}

/// The answers of the CLI that a document holds: itself, or the items of a list. `depth` is that of the list.
fn answers_of(document: Document, path: &Path, depth: u8, answers: &mut Vec<File>) -> Result<(), FilesError> {
    let projection = |key| FilesError::Projection { file: path.to_owned(), key };
    match document {
        Document::Object(mut answer) => {
            if depth > 0
                && let Some(key) = answer.row_of_a_list()
            {
                return Err(projection(key));
            }
            if depth > 0 && answer.is_entry && prefix_list_of(path).is_some() {
                return Err(projection("Cidr"));
            }
            if let Some(unread) = answer.unread.take() {
                return Err(FilesError::Unread { file: path.to_owned(), unread: Box::new(unread) });
            }
            answers.push(*answer);
            Ok(())
        }
        Document::List(items) => {
            items.into_iter().try_for_each(|item| answers_of(item, path, depth.saturating_add(1), answers))
        }
        // A list of ids is anyone's. One of lists is what --query makes of rows.
        Document::Id(key) if depth > 1 => Err(projection(key)),
        Document::Id(_) | Document::Other => Ok(()),
    }
}

/// The command that lists such rows, into the folder of `file`.
fn command_beside(file: &Path, unread: &Unread) -> String {
    let dir = file.parent().unwrap_or(Path::new("."));
    unread.source.command_into(Place { dir, region: None })
}

/// The prefix list whose entries a file holds: `<anything>pl-….json`.
fn prefix_list_of(path: &Path) -> Option<PrefixListId> {
    let name = path.file_stem()?.to_str()?;
    let digits = name.get(name.rfind("pl-")? + "pl-".len()..)?;
    let end = digits.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(digits.len());
    (end > 0).then(|| format!("pl-{}", &digits[..end]).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::judge;

    const TESTED: [&str; 2] = ["two_vpcs", "aws_cli_examples"];

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/files").join(name)
    }

    /// A folder with two more routes in each table, to another network and for `ipv6`, and whether its subnets use NAT64.
    fn with_other_routes(name: &str, ipv6: &str, dns64: Option<bool>) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(folder(name)).unwrap().map(|file| file.unwrap()) {
            let mut content: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
            for table in content["RouteTables"].as_array_mut().into_iter().flatten() {
                let route = serde_json::json!({"DestinationCidrBlock": "192.168.0.0/16", "VpcPeeringConnectionId": "pcx-1", "Origin": "CreateRoute", "State": "active"});
                table["Routes"].as_array_mut().unwrap().push(route);
                let route = serde_json::json!({"DestinationIpv6CidrBlock": ipv6, "NatGatewayId": "nat-64", "Origin": "CreateRoute", "State": "active"});
                table["Routes"].as_array_mut().unwrap().push(route);
            }
            for subnet in content["Subnets"].as_array_mut().into_iter().flatten() {
                subnet["EnableDns64"] = dns64.into();
            }
            std::fs::write(copy.path().join(file.file_name()), content.to_string()).unwrap();
        }
        copy
    }

    #[test]
    fn the_answers_are_the_same_without_the_routes_that_cannot_matter() {
        let worlds = [("64:ff9b::/96", Some(true)), ("2001:db8::/32", None)];
        for (name, (ipv6, dns64)) in TESTED.into_iter().flat_map(|name| worlds.map(|world| (name, world))) {
            let dir = with_other_routes(name, ipv6, dns64);
            let dir = dir.path();
            let whole = read_sized(dir, Some("us-east-1"), None, u64::MAX).unwrap();
            let small = read_sized(dir, Some("us-east-1"), None, 0).unwrap();
            let routes = |inventory: &Inventory| -> usize {
                inventory.facts.route_tables.seen().unwrap().iter().map(|table| table.routes.len()).sum()
            };
            assert!(routes(&small) < routes(&whole), "{name}");
            assert_eq!(judge::audit(&small, None), judge::audit(&whole, None), "{name}");
            for address in ["192.168.0.9", "10.0.0.1", "172.31.3.4", "52.94.0.10", "8.8.8.8", "2600::1"] {
                let address = address.parse().unwrap();
                let small = read_sized(dir, Some("us-east-1"), Some(address), 0).unwrap();
                for subnet in whole.subnets.seen().unwrap() {
                    let explained = |inventory| judge::explain(inventory, &subnet.id, address).unwrap();
                    assert_eq!(explained(&small), explained(&whole), "{name}: {address} from {}", subnet.id);
                }
            }
        }
    }

    #[test]
    fn files_that_differ_about_a_route_that_cannot_matter_are_still_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let table = |target: &str| {
            format!(
                r#"{{"RouteTables": [{{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{{"Main": true}}], "Routes": [
                {{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}},
                {{"DestinationCidrBlock": "192.168.0.0/16", "TransitGatewayId": "{target}"}}]}}]}}"#
            )
        };
        let lists = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "Cidrs": ["52.94.0.0/22"]}]}"#;
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put("lists.json", lists);
        put("a.json", &table("tgw-1"));
        put("b.json", &table("tgw-1"));
        let read = || read_sized(dir.path(), None, None, 0);
        let kept = read().unwrap();
        let [local] = &kept.facts.route_tables.seen().unwrap()[0].routes[..] else { panic!("the local route alone") };
        assert!(local.is_local());
        put("b.json", &table("tgw-2"));
        let error = read().unwrap_err().to_string();
        assert!(error.contains("the Routes of rtb-1 differ"), "{error}");
    }

    #[test]
    fn a_file_of_entries_is_named_by_its_list() {
        let of = |name: &str| prefix_list_of(Path::new(name)).map(|id| id.to_string());
        assert_eq!(of("pl-02cd2c6b.json").as_deref(), Some("pl-02cd2c6b"));
        assert_eq!(of("entries-pl-0123abc.json").as_deref(), Some("pl-0123abc"));
        assert_eq!(of("pl-0123abc.page2.json").as_deref(), Some("pl-0123abc"));
        assert_eq!(of("entries.json"), None);
        assert_eq!(of("pl-.json"), None);
    }
}
