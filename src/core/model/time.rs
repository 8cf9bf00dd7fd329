//! Instants as RFC 3339 text and durations as seconds, both exact through JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// A time of the wall clock in microseconds: `2026-11-22T09:53:49.123456Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Timestamp(SystemTime);

impl Timestamp {
    /// How long after `earlier` this is; zero if the clock was set back in between.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0).unwrap_or(Duration::ZERO)
    }

    /// How long after the Unix epoch this is.
    pub fn since_epoch(self) -> Duration {
        self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)
    }

    /// Whether the clock showed no time that can be written: the epoch stands for every one before it.
    pub fn is_before_1970(self) -> bool {
        self.since_epoch().is_zero()
    }

    /// The moment `later` after this one; the last that can be written if there is none.
    pub fn plus(self, later: Duration) -> Self {
        Self::after_epoch(self.since_epoch().saturating_add(later))
    }

    /// The moment `earlier` before this one; the epoch if there is none.
    pub fn minus(self, earlier: Duration) -> Self {
        Self::after_epoch(self.since_epoch().saturating_sub(earlier))
    }

    fn after_epoch(since: Duration) -> Self {
        let since = since.min(LAST);
        Self(SystemTime::UNIX_EPOCH + Duration::new(since.as_secs(), since.subsec_micros() * 1000))
    }
}

/// RFC 3339 has four digits for the year.
const LAST: Duration = Duration::new(253_402_300_799, 999_999_000);

impl From<SystemTime> for Timestamp {
    /// Cuts to the microsecond, so that what is written reads back equal. What cannot be written becomes the nearest that can.
    fn from(at: SystemTime) -> Self {
        Self::after_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_micros(self.0).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let at = humantime::parse_rfc3339(&text)
            .map_err(|_| D::Error::custom(format!("{text:?} is not a time such as 2026-11-22T09:53:49Z")))?;
        Ok(Self::from(at))
    }
}

/// A duration, in seconds in JSON: `0.0113`. Truncated to microseconds, so that reading it returns the same value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "f64")]
pub struct Seconds(Duration);

/// What is longer is no measurement, and added to a moment could be more than the clock can hold.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

impl Seconds {
    /// The same length as the standard library has it.
    pub fn as_duration(self) -> Duration {
        self.0
    }

    /// The length as a number of seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl From<Duration> for Seconds {
    fn from(length: Duration) -> Self {
        Self(Duration::new(length.as_secs(), length.subsec_micros() * 1000))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.0.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        let length = Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|length| *length <= LONGEST)
            .ok_or_else(|| D::Error::custom(format!("{seconds} is not a length of time in seconds")))?;
        // The nearest microsecond, not the one below: 0.000241 is a hair less than 241 µs as a float.
        Ok(Self::from(length + Duration::from_nanos(500)))
    }
}

impl fmt::Display for Seconds {
    /// `241 µs`, `11.3 ms`, `2.50 s`: three digits that matter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_secs_f64();
        match seconds {
            s if s >= 1.0 => write!(f, "{s:.2} s"),
            s if s >= 0.001 => write!(f, "{:.1} ms", s * 1e3),
            s => write!(f, "{:.0} µs", s * 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_becomes_the_nearest_that_can() {
        let hour = Duration::from_secs(3600);
        let before = Timestamp::from(SystemTime::UNIX_EPOCH - hour);
        assert!(before.is_before_1970() && before.minus(hour).is_before_1970());
        assert_eq!(before.minus(hour).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(before.plus(Duration::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
        assert!(!before.plus(hour).is_before_1970());
    }
}
