//! Every limit has a test at the limit and one above it: the table below must have a line for each.

use crate::common::below_tests;
use std::{collections::BTreeSet, fs};

/// A limit, and the test of it: its file and its name.
type Line = (&'static str, &'static str, &'static str);

/// The files with the tables of limits, and the test of each limit.
const TABLES: [(&str, &[Line]); 3] =
    [("src/observe/limits.rs", &COLLECTORS), ("src/serve/limits.rs", &HTTP), ("src/core/import/input.rs", &FILES)];

const LISTINGS: &str = "src/observe/ec2/listing.rs";
const PAGES: &str = "tests/net/cloud_collectors/ec2.rs";
const TABLE: &str = "tests/hostile/limits.rs";
const SETTINGS: &str = "tests/hostile/files.rs";
const METADATA: &str = "tests/net/host_collectors/imds.rs";
const HOSTS: &str = "tests/net/host_collectors/hosts.rs";
const DNS: &str = "tests/net/host_collectors/dns.rs";
const KERNEL: &str = "tests/kernel/bounds.rs";
const CLIENTS: &str = "tests/net/http.rs";

const OWN_VALUES: &str = "the_limits_of_the_table_hold_at_their_own_values";
const EVERY_FORMAT: &str = "what_exceeds_a_limit_is_a_gap_in_every_format_and_never_on_net";
const BY_NAME: &str = "a_file_without_end_or_beyond_its_limit_is_refused_by_name";
const NAMES_IT: &str = "what_exceeds_a_limit_is_a_gap_that_names_it";
const OF_KERNEL: &str = "each_limit_is_a_gap_that_names_it";
const UP_TO: &str = "an_answer_is_read_up_to_the_limit_and_no_further";
const AT_A_TIME: &str = "four_interfaces_and_eight_associations_are_asked_about_at_a_time";

const COLLECTORS: [Line; 46] = [
    ("OF_VPC", LISTINGS, OWN_VALUES),
    ("OF_GATES", LISTINGS, OWN_VALUES),
    ("VPCS", TABLE, EVERY_FORMAT),
    ("OF_REGION", LISTINGS, OWN_VALUES),
    ("PAGE_SIZES", PAGES, "where_a_page_is_too_long_all_is_asked_for_again_in_smaller_ones"),
    ("LARGE_PAGE_SIZES", PAGES, "operations_with_large_pages_have_smaller_ones_too"),
    ("PREFIX_LISTS", TABLE, EVERY_FORMAT),
    ("ENTRIES", LISTINGS, OWN_VALUES),
    ("PREFIX_LISTS_AT_A_TIME", PAGES, "the_entries_of_four_lists_are_asked_for_at_a_time"),
    ("VALUES_OF_A_FILTER", PAGES, "one_request_names_two_hundred_interfaces"),
    (
        "ANSWERS_COMING",
        "tests/net/cloud_collectors/pages.rs",
        "as_long_as_pages_come_the_longest_time_counts_and_not_the_deadline",
    ),
    ("EC2_ANSWER", PAGES, "an_answer_of_two_mebibytes_is_read_and_not_one_more"),
    ("FACTS_ITEM", "src/observe/facts_table/publish.rs", "an_item_has_a_limit"),
    ("FACTS_HEAD", "src/observe/facts_table/seal.rs", "what_is_unpacked_has_a_limit"),
    ("FACTS_CHUNK", "src/observe/facts_table/seal.rs", "what_is_unpacked_has_a_limit"),
    ("STATUSES", "src/observe/facts_table/statuses.rs", "a_fleet_has_a_limit"),
    ("CREDENTIALS_ANSWER", "src/observe/aws/process.rs", "output_is_read_up_to_the_limit_and_no_further"),
    ("METADATA_ANSWER", "src/observe/aws/imds.rs", UP_TO),
    ("PROBE_ANSWER", "tests/net/cloud_collectors/list_tables.rs", UP_TO),
    (
        "INTERIM_ANSWERS",
        "tests/net/cloud_collectors/list_tables.rs",
        "sixteen_interim_answers_are_passed_over_and_no_more",
    ),
    ("NETWORK_INTERFACES", TABLE, EVERY_FORMAT),
    ("INTERFACE_VALUES", TABLE, EVERY_FORMAT),
    ("INTERFACES_AT_A_TIME", METADATA, AT_A_TIME),
    ("ASSOCIATIONS_AT_A_TIME", METADATA, AT_A_TIME),
    ("SETTINGS_FILE", SETTINGS, BY_NAME),
    ("SECRET_FILE", SETTINGS, BY_NAME),
    ("CERTIFICATES_FILE", SETTINGS, BY_NAME),
    ("CERTIFICATE_FILES", "src/observe/tls.rs", "a_directory_has_only_so_many_names"),
    ("HOSTS_FILE", HOSTS, NAMES_IT),
    ("HOSTS_LINE", HOSTS, NAMES_IT),
    ("RESOLV_CONF", "src/observe/dns/servers.rs", "a_file_that_is_too_long_is_an_error"),
    ("HOST_CONF", "src/observe/dns/hosts.rs", "a_host_conf_that_is_too_long_leaves_open_which_lines_count"),
    ("NAME_SERVERS", "src/observe/dns/servers.rs", "three_servers_are_asked_as_by_glibc"),
    ("CNAMES", DNS, "sixteen_cnames_are_followed_and_no_more"),
    ("ADDRESSES", DNS, "the_first_256_addresses_are_kept_and_a_gap_says_so"),
    ("RESOLVED_LINE", "src/observe/dns/c_library.rs", "a_line_is_read_up_to_the_limit_and_no_further"),
    ("RECORDS_A_TURN", DNS, "the_longest_answer_leaves_the_thread_to_others"),
    ("ranges", KERNEL, OF_KERNEL),
    ("questions", KERNEL, OF_KERNEL),
    ("rules", KERNEL, OF_KERNEL),
    ("packets", KERNEL, OF_KERNEL),
    ("marks", KERNEL, "what_is_too_much_is_never_on_net"),
    ("routes", KERNEL, OF_KERNEL),
    ("devices", KERNEL, OF_KERNEL),
    ("next_hops", KERNEL, OF_KERNEL),
    ("policy_ranges", KERNEL, OF_KERNEL),
];

const HTTP: [Line; 10] = [
    ("PART", "src/serve/budget.rs", "no_more_is_used_than_the_part"),
    ("connections", CLIENTS, "where_all_places_are_taken_an_idle_one_makes_room"),
    ("handshake", "tests/lab/tests/web_config/mod.rs", "a_slow_handshake_delays_no_other"),
    ("head", CLIENTS, "neither_idle_nor_slow_clients_keep_others_waiting"),
    ("idle", CLIENTS, "a_client_that_sends_nothing_is_ended"),
    ("answer", CLIENTS, "a_client_that_reads_a_byte_at_a_time_is_ended_and_delays_no_other"),
    ("head_bytes", CLIENTS, "large_heads_are_refused"),
    ("headers", CLIENTS, "large_heads_are_refused"),
    ("linger", CLIENTS, "it_ends_within_a_second_whatever_clients_do"),
    ("processor", "src/serve/budget.rs", "no_more_is_used_than_the_part"),
];

const FILES: [Line; 2] = [
    ("SAVED_FILE", "tests/core/files.rs", "a_file_is_read_up_to_its_limit_and_no_byte_further"),
    ("LISTING_FILE", "tests/core/files.rs", "a_file_is_read_up_to_its_limit_and_no_byte_further"),
];

fn source(path: &str) -> String {
    let root = below_tests("..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The limits that a file declares: its constants, and the fields of its structures.
fn declared(path: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let line = line.trim_start();
        let public = line.strip_prefix("pub").map(|rest| rest.strip_prefix("(super)").unwrap_or(rest));
        let public = public.map(|rest| rest.strip_prefix("(crate)").unwrap_or(rest).trim_start());
        let constant = public.unwrap_or(line).strip_prefix("const ");
        // `KernelLimits::DEFAULT` has only the fields.
        let declared = constant.or(public)?.split_once(": ").filter(|(name, _)| *name != "DEFAULT")?.0;
        declared.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then(|| declared.to_owned())
    };
    source(path).lines().filter_map(name).collect()
}

#[test]
fn every_limit_has_a_test() {
    for (path, lines) in TABLES {
        let listed: BTreeSet<String> = lines.iter().map(|(limit, ..)| (*limit).to_owned()).collect();
        assert_eq!(declared(path), listed, "the limits of {path}, and the table of their tests");
        for (limit, file, test) in lines {
            let text = source(file);
            let at = text.find(&format!("fn {test}(")).unwrap_or_else(|| panic!("{limit}: {file} has no {test}"));
            let before = text[..at].trim_end_matches("async ").trim_end_matches("pub(super) ").trim_end();
            let has_attribute = before.ends_with("test]") || before.ends_with("start_paused = true)]");
            // Tests that enter namespaces are listed by name.
            let is_listed =
                text.matches(test).count() > 1 || ["tests/kernel/main.rs"].iter().any(|f| source(f).contains(test));
            assert!(has_attribute || is_listed, "{limit}: {test} of {file} is not run");
            assert!(!before.ends_with("#[ignore]"), "{limit}: {test} is ignored");
        }
    }
}
