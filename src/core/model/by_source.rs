//! One value for each source of facts.

use super::{FactPath, Question, Seconds, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    ops::{Index, IndexMut},
    time::Duration,
};

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

impl Default for MaxAge {
    /// Three periods of the design's cadence: DNS, kernel and unsigned probe every 15 s, instance metadata and
    /// `ListTables` every 60 s, EC2 every 5 min, the service as witness every 15 min.
    fn default() -> Self {
        let seconds = |n| Seconds::from(Duration::from_secs(n));
        let (fast, slow) = (seconds(45), seconds(180));
        Self(BySource {
            imds: slow,
            dns: fast,
            kernel: fast,
            health: fast,
            list_tables: slow,
            ec2: seconds(900),
            witness: seconds(2700),
        })
    }
}
