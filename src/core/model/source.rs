//! Where facts come from: each source is collected on a schedule of its own.

use super::{FactPath, Question, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    ops::{Index, IndexMut},
    time::Duration,
};
use strum::{IntoStaticStr, VariantArray};

/// A source of facts.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// The instance metadata service: the instance, its network interfaces, the Region, and the names made for it.
    Imds,
    /// The name servers.
    Dns,
    /// The kernel's routes.
    Kernel,
    /// The unsigned `GET /`.
    Health,
    /// The signed `ListTables`.
    ListTables,
    /// The EC2 API: route tables, endpoints, prefix lists.
    Ec2,
    /// What DynamoDB says of the way that requests come, where it is asked (`--witness`).
    Witness,
}

impl Source {
    /// In the order in which one rests on another.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The source as a label.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Imds => "instance metadata",
            Self::Dns => "name servers",
            Self::Kernel => "kernel routes",
            Self::Health => "unsigned GET /",
            Self::ListTables => "signed ListTables",
            Self::Ec2 => "EC2 API",
            Self::Witness => "DynamoDB as witness",
        }
    }

    /// How often the daemon collects from it, unless told otherwise.
    pub fn period(self) -> Duration {
        Duration::from_secs(match self {
            Self::Dns | Self::Kernel | Self::Health => 15,
            Self::Imds | Self::ListTables => 60,
            Self::Ec2 => 300,
            Self::Witness => 900,
        })
    }

    /// The help of the setting that changes it.
    pub fn period_help(self) -> &'static str {
        match self {
            Self::Imds => "How often to query instance metadata",
            Self::Dns => "How often to query the name servers",
            Self::Kernel => "How often to query the kernel's routes",
            Self::Health => "How often to send an unsigned GET /",
            Self::ListTables => "How often to send a signed ListTables; CloudTrail records each",
            Self::Ec2 => "How often to query the EC2 API; local changes trigger it earlier, throttling backs it off",
            Self::Witness => {
                "With --witness, how often to ask; changes trigger it earlier. The control, which is denied, is asked once an hour"
            }
        }
    }

    /// Whether other instances are served by it, too: a collection costs them or the account something.
    pub fn is_shared(self) -> bool {
        match self {
            Self::ListTables | Self::Ec2 | Self::Witness => true,
            Self::Imds | Self::Dns | Self::Kernel | Self::Health => false,
        }
    }

    /// Whether what is collected depends on the addresses that names resolve to.
    pub fn goes_by_addresses(self) -> bool {
        match self {
            Self::Kernel | Self::Health | Self::ListTables | Self::Witness => true,
            Self::Imds | Self::Dns | Self::Ec2 => false,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One value for each source of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(bound = "T: JsonSchema + Serialize + Default")]
pub struct BySource<T> {
    /// Instance metadata.
    pub imds: T,
    /// Names.
    pub dns: T,
    /// Kernel routes.
    pub kernel: T,
    /// Route tables, endpoints, prefix lists.
    pub ec2: T,
    /// Unsigned probes.
    pub health: T,
    /// Signed probes.
    pub list_tables: T,
    /// What DynamoDB says of the way that requests come.
    #[serde(default)]
    pub witness: T,
}

impl<T> BySource<T> {
    /// The value that `of` gives for each source.
    pub fn from_fn(mut of: impl FnMut(Source) -> T) -> Self {
        Self {
            imds: of(Source::Imds),
            dns: of(Source::Dns),
            kernel: of(Source::Kernel),
            ec2: of(Source::Ec2),
            health: of(Source::Health),
            list_tables: of(Source::ListTables),
            witness: of(Source::Witness),
        }
    }

    /// Each source with its value, in the order of [`Source::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Source, &T)> {
        Source::ALL.iter().copied().map(|source| (source, &self[source]))
    }
}

impl<T> BySource<Option<T>> {
    /// The sources that have a value, each with it, in the order of [`Source::ALL`].
    pub fn present(&self) -> impl Iterator<Item = (Source, &T)> {
        self.iter().filter_map(|(source, value)| Some((source, value.as_ref()?)))
    }

    /// The same values, to change them.
    pub fn present_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let Self { imds, dns, kernel, ec2, health, list_tables, witness } = self;
        [imds, dns, kernel, ec2, health, list_tables, witness].into_iter().flatten()
    }
}

impl<T> FromIterator<(Source, T)> for BySource<Option<T>> {
    fn from_iter<I: IntoIterator<Item = (Source, T)>>(values: I) -> Self {
        let mut by_source = Self::from_fn(|_| None);
        for (source, value) in values {
            by_source[source] = Some(value);
        }
        by_source
    }
}

impl<T> Index<Source> for BySource<T> {
    type Output = T;

    fn index(&self, source: Source) -> &T {
        match source {
            Source::Imds => &self.imds,
            Source::Dns => &self.dns,
            Source::Kernel => &self.kernel,
            Source::Ec2 => &self.ec2,
            Source::Health => &self.health,
            Source::ListTables => &self.list_tables,
            Source::Witness => &self.witness,
        }
    }
}

impl<T> IndexMut<Source> for BySource<T> {
    fn index_mut(&mut self, source: Source) -> &mut T {
        match source {
            Source::Imds => &mut self.imds,
            Source::Dns => &mut self.dns,
            Source::Kernel => &mut self.kernel,
            Source::Ec2 => &mut self.ec2,
            Source::Health => &mut self.health,
            Source::ListTables => &mut self.list_tables,
            Source::Witness => &mut self.witness,
        }
    }
}

/// How old the control may be: the answer that shows that the role does not allow everything. An hour, and the time it takes to ask
/// again.
pub const CONTROL_AGE: Duration = Duration::from_secs(3600 + 120);

/// How old a fact may be before it supports no verdict: three periods of the daemon, by source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MaxAge(pub BySource<Seconds>);

impl MaxAge {
    /// How old a fact of `source` may be.
    pub fn of(&self, source: Source) -> Seconds {
        self.0[source]
    }

    /// How old a fact may be.
    pub fn of_fact(&self, fact: &FactPath) -> Seconds {
        let of_source = self.of(fact.source());
        // Collected when the kernel reports a change, and every 5 minutes.
        if *fact == FactPath::KernelPaths {
            return of_source.max(Duration::from_secs(900).into());
        }
        // Asked once an hour: CloudTrail records each denial.
        let is_control = matches!(fact, FactPath::Statement { question: Question::Direct, .. });
        if is_control { CONTROL_AGE.into() } else { of_source }
    }

    /// The shortest of all.
    pub fn shortest(&self) -> Seconds {
        let MaxAge(BySource { imds, dns, kernel, ec2, health, list_tables, witness }) = *self;
        // Older versions wrote none.
        let witness = Some(witness).filter(|age| *age > Seconds::default());
        [dns, kernel, ec2, health, list_tables].into_iter().chain(witness).fold(imds, Seconds::min)
    }
}

/// For how many of its periods a fact supports a verdict.
pub const PERIODS_KEPT: u32 = 3;

impl Default for MaxAge {
    /// Three of the periods that the daemon has unless told otherwise.
    fn default() -> Self {
        Self(BySource::from_fn(|source| Seconds::from(source.period() * PERIODS_KEPT)))
    }
}
