//! The limits on what comes from outside. Whatever exceeds one is a gap that names the limit.

use super::ec2::ListingLimits;
use crate::model::Gap;
use std::time::Duration;

/// What exceeds a limit, as the reason for a missing fact. `limit` says of what there are so many.
pub(super) fn over(limit: String, allowed: usize, found: usize) -> Gap {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Gap::OverLimit { limit, allowed: count(allowed), found: count(found) }
}

/// A listing of one VPC.
pub const OF_VPC: ListingLimits = ListingLimits {
    // By five, which is what the largest tables fit on a page by, the 200 tables that AWS's quotas allow take 40.
    pages: 1_000,
    // Quotas allow 200 tables and 300 endpoints; they can be raised.
    items: 10_000,
    // 200 tables with 500 routes each take 14 MB. There are two copies while a new one comes in, and the unit has 64 MB.
    bytes: 16 << 20,
};

/// A listing of what stands beside the routes of all VPCs of an instance: five of them come in beside the tables.
pub(super) const OF_GATES: ListingLimits = ListingLimits { pages: 1_000, items: 10_000, bytes: 4 << 20 };

/// VPCs that the instance has network interfaces in. Most have one; what is kept of all of them is bounded by [`OF_VPC`].
pub(super) const VPCS: usize = 8;

/// A listing of a whole Region, for `audit` and `explain`. Nothing else runs beside them, and no unit limits them.
pub const OF_REGION: ListingLimits = ListingLimits { pages: 10_000, items: 100_000, bytes: 256 << 20 };

/// The largest numbers of items that are asked for on one page, for operations that give up to a hundred. The next one is
/// asked for where a page of the one before exceeds [`EC2_ANSWER`].
pub(super) const PAGE_SIZES: [i32; 3] = [100, 20, 5];

/// The same for operations that give up to a thousand.
pub(super) const LARGE_PAGE_SIZES: [i32; 3] = [1_000, 100, 5];

/// Prefix lists whose entries are asked for: a Region has 100 by its quota, and a few of AWS's own.
pub(super) const PREFIX_LISTS: usize = 200;

/// Entries of one prefix list. AWS's own limit is 1,000.
pub(super) const ENTRIES: ListingLimits = ListingLimits { pages: 100, items: 2_000, bytes: 1 << 20 };

/// Prefix lists whose entries are asked for at a time.
pub(super) const PREFIX_LISTS_AT_A_TIME: usize = 4;

/// Values of one filter of a request: more are refused.
pub(super) const VALUES_OF_A_FILTER: usize = 200;

/// What the daemon gives EC2 and instance metadata beyond its timeout, as long as their answers keep coming.
///
/// At the unit's 5 % of a processor the largest legal VPC takes a minute. A check ends at its deadline.
pub(crate) const ANSWERS_COMING: Duration = Duration::from_secs(180);

/// Bytes of one answer of EC2's API.
///
/// A page of five route tables, each with a thousand routes, a hundred propagated ones and 200 associations, takes 1.9 MB;
/// one of five endpoints whose policies are as long as they may be takes 0.7 MB.
pub(super) const EC2_ANSWER: usize = 2 << 20;

/// Bytes of one item of the shared facts, compressed: DynamoDB accepts 400 KB with the names of the attributes.
pub(super) const FACTS_ITEM: usize = 390 << 10;

/// The same of a head, decompressed. 200 route tables with 200 associated subnets take 60 KB.
pub(super) const FACTS_HEAD: usize = 4 << 20;

/// The same of a chunk. A route table with a thousand routes takes 0.2 MB; 300 endpoints with policies of 20 KB take 6 MB.
pub(super) const FACTS_CHUNK: usize = 8 << 20;

/// Instances of a fleet that are read: EC2's largest accounts have some 100,000 in a Region.
pub(super) const STATUSES: usize = 200_000;

/// Bytes of one answer of STS, SSO or a container's agent. Credentials take a few thousand.
pub(super) const CREDENTIALS_ANSWER: usize = 256 << 10;

/// Bytes of one answer of instance metadata. The longest lists a network interface's addresses.
pub(super) const METADATA_ANSWER: usize = 64 << 10;

/// Bytes of one answer to a probe. Those of DynamoDB take a few hundred.
pub(super) const PROBE_ANSWER: usize = 1 << 20;

/// Interim answers (`1xx`) before the answer to a signed probe. DynamoDB sends none to a request that does not ask for one.
/// Those to other requests are limited by the deadline alone: reqwest passes no hook for them on to hyper.
pub(super) const INTERIM_ANSWERS: usize = 16;

/// Network interfaces of the instance: a p5 has 64.
pub(super) const NETWORK_INTERFACES: usize = 128;

/// Values of one attribute of a network interface: it has up to 50 addresses of each kind.
pub(super) const INTERFACE_VALUES: usize = 256;

/// Network interfaces that instance metadata are asked about at a time, with nine requests each: the service answers 1,024
/// packets a second.
pub(super) const INTERFACES_AT_A_TIME: usize = 4;

/// Public addresses of one network interface that instance metadata are asked about at a time.
pub(super) const ASSOCIATIONS_AT_A_TIME: usize = 8;

/// Bytes of one file of settings: a profile with a thousand roles has a tenth of it.
pub(super) const SETTINGS_FILE: u64 = 1 << 20;

/// Bytes of a file with one secret: a token that goes into a header or a form, or a password.
pub const SECRET_FILE: u64 = 256 << 10;

/// Bytes of a file of certificates, or of all files in a directory of them. The authorities of a system take 0.3 MB.
pub const CERTIFICATES_FILE: u64 = 16 << 20;

/// Names in a directory of certificates. `openssl rehash` gives each of a system's 150 authorities a second one.
pub(super) const CERTIFICATE_FILES: usize = 4_096;

/// Bytes of `/etc/hosts`. The largest published lists of blocked names have half of it.
pub(super) const HOSTS_FILE: usize = 32 << 20;

/// Bytes of one line of `/etc/hosts`. A name has at most 253.
pub(super) const HOSTS_LINE: usize = 64 << 10;

/// Bytes of `/etc/resolv.conf`. It has three name servers and six domains that count.
pub(super) const RESOLV_CONF: u64 = 64 << 10;

/// Bytes of `/etc/host.conf`, of which one line counts.
pub(super) const HOST_CONF: u64 = 16 << 10;

/// Name servers that are asked: glibc's `MAXNS`.
pub(super) const NAME_SERVERS: usize = 3;

/// CNAMEs from a name to its addresses. Names of AWS have up to three; resolvers give up between 8 and 16.
pub(super) const CNAMES: usize = 16;

/// Addresses of one name: DynamoDB answers with one, the largest answers of name servers have a few dozen.
pub(super) const ADDRESSES: usize = 256;

/// Bytes of what the C library has for one name: 257 addresses take a quarter of it.
pub(super) const RESOLVED_LINE: u64 = 64 << 10;

/// Records of an answer that are compared in one turn on the loop's thread. An answer has at most 6,000.
pub(super) const RECORDS_A_TURN: usize = 512;

/// The limits on one collection from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelLimits {
    /// Ranges that the kernel's rules and routes cut DynamoDB's prefix lists into.
    pub ranges: usize,
    /// Questions about routes.
    pub questions: usize,
    /// Rules that could apply to a connection to DynamoDB.
    pub rules: usize,
    /// Kinds of packets that rules distinguish: combinations of user, firewall mark, type of service and source port.
    pub packets: usize,
    /// Different firewall marks, with their masks, that rules choose by. At most 64.
    pub marks: usize,
    /// Routes that are held in memory: those that cover or cut the prefix lists, where rules may choose their table for
    /// other programs.
    pub routes: usize,
    /// Network devices.
    pub devices: usize,
    /// Members of one next-hop group.
    pub next_hops: usize,
    /// Ranges that rules divert for other programs, of all kinds of packets together.
    pub policy_ranges: usize,
}

impl KernelLimits {
    /// Those that hold.
    pub const DEFAULT: Self = Self {
        // A list has about 6 entries, and a full BGP table mentions a few dozen of Amazon's prefixes. Each range costs three
        // questions: this many take about 0.05 s of processor time.
        ranges: 1_024,
        // What other programs' packets do is asked for each kind of packets and range. This many take about 0.2 s of
        // processor time, 4 s at the unit's 5 %.
        questions: 16_384,
        // An EKS node has two for each pod, some hundreds at most. This many take 2 MB.
        rules: 16_384,
        // VPN agents use one or two marks.
        packets: 1_024,
        marks: 64,
        // 1 MB.
        routes: 8_192,
        // A large Kubernetes node has some hundreds. 2 MB.
        devices: 16_384,
        // Routers use some dozens; the kernel accepts 65,535.
        next_hops: 256,
        // A snapshot of 1 MB.
        policy_ranges: 4_096,
    };
}
