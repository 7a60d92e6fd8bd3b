//! Durations and times that conf and stored entries write as milliseconds.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Writes a duration as whole milliseconds, rounded up.
///
/// # Errors
///
/// When the serializer fails.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(whole(*duration))
}

/// Reads whole milliseconds as a duration.
///
/// # Errors
///
/// When there is no whole number from 0.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// The milliseconds of a duration, rounded up: a short one is not none. `u64::MAX` for a longer one.
pub(crate) fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// An optional duration: `#[serde(with = "kisflow_core::millis::option", default)]`.
pub mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes a duration as whole milliseconds, or nothing.
    ///
    /// # Errors
    ///
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(super::whole).serialize(serializer)
    }

    /// Reads whole milliseconds as a duration, if there are any.
    ///
    /// # Errors
    ///
    /// When there is something else than a whole number from 0.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

/// Times as milliseconds since 1970.
pub(crate) mod since_epoch {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(of(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        u64::deserialize(deserializer).map(time)
    }

    /// The milliseconds from 1970 to a time; 0 for an earlier one.
    pub(crate) fn of(time: SystemTime) -> u64 {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// The time so many milliseconds after 1970; 1970 where the system has no such time.
    pub(crate) fn time(millis: u64) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
    }

    /// Now, as precisely as it is kept.
    pub(crate) fn now() -> SystemTime {
        time(of(SystemTime::now()))
    }
}
