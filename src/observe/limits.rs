//! The limits on what comes from outside. Whatever exceeds one is a gap that names the limit.

/// Pages of one listing.
///
/// With a hundred route tables a page, far more than the largest Region has; a server that never ends is cut off.
pub(super) const PAGES: usize = 1_000;

/// Items of one listing: route tables, endpoints, prefix lists, entries, network interfaces or subnets.
///
/// AWS's quotas allow 200 route tables and 200 subnets a VPC and 1,000 entries a prefix list; a Region with hundreds of VPCs
/// stays below.
pub(super) const ITEMS: usize = 100_000;

/// Bytes of one answer of EC2's API.
///
/// A page has a hundred route tables; of the largest legal ones, with a thousand routes and a hundred propagated ones each,
/// it takes 27 MB.
pub(super) const EC2_ANSWER: usize = 32 << 20;

/// Bytes of one answer of STS, SSO or a container's agent. Credentials take a few thousand.
pub(super) const CREDENTIALS_ANSWER: usize = 256 << 10;

/// Bytes of one answer of instance metadata. The longest lists a network interface's addresses.
pub(super) const METADATA_ANSWER: usize = 64 << 10;

/// Bytes of one file of settings: a profile with a thousand roles has a tenth of it.
pub(super) const SETTINGS_FILE: u64 = 1 << 20;

/// Bytes of `/etc/hosts`. The largest published lists of blocked names have half of it.
pub(super) const HOSTS_FILE: usize = 32 << 20;

/// Bytes of one line of `/etc/hosts`. A name has at most 253.
pub(super) const HOSTS_LINE: usize = 64 << 10;

/// Bytes of `/etc/resolv.conf`. It has three name servers and six domains that count.
pub(super) const RESOLV_CONF: u64 = 64 << 10;

/// Name servers that are asked: glibc's `MAXNS`.
pub(super) const NAME_SERVERS: usize = 3;

/// CNAMEs from a name to its addresses. Names of AWS have up to three; resolvers give up between 8 and 16.
pub(super) const CNAMES: usize = 16;

/// Addresses of one name: DynamoDB answers with one, the largest answers of name servers have a few dozen.
pub(super) const ADDRESSES: usize = 256;

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
