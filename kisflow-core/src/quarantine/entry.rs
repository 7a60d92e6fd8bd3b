//! [`Quarantined`]: one row that could not be processed, with everything needed to send it on.

use std::{fmt, hash::Hasher, time::SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use siphasher::sip128::{Hasher128, SipHasher13};
use tracing::warn;

use crate::{batch::CsvForm, durable::CommitId, millis::since_epoch, text::excerpt};

/// One row that could not be processed: its text, its origin, and the cause.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quarantined {
    /// Its id: 32 hexadecimal digits. A row that is sent on and fails again keeps its id.
    pub id: String,
    /// The flow.
    pub flow: String,
    /// The source, by its `sname`.
    pub source: String,
    /// The row's position in the source; `first..last` of its batch if a function before the failed
    /// one made new rows without saying from which.
    pub position: String,
    /// The function that could not process it.
    pub function: String,
    /// The function's place in the chain, from 0.
    pub at: usize,
    /// How often it was tried, from 1.
    pub attempt: u32,
    /// When it was first put here, to the millisecond. As JSON: `since_ms`, in milliseconds since
    /// 1970.
    #[serde(rename = "since_ms", with = "since_epoch")]
    pub since: SystemTime,
    /// When it was last tried, to the millisecond. As JSON: `tried_ms`.
    #[serde(rename = "tried_ms", with = "since_epoch")]
    pub tried: SystemTime,
    /// The field at which the function failed, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// The last error, with its causes.
    pub cause: String,
    /// The row as it reached the function.
    pub row: RowText,
    /// The row as it came from the source, if known and different from `row`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<RowText>,
    /// Whether its source could not read it: `row` is then the original line, and sending it on
    /// does not help until it is edited.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unreadable: bool,
    /// How its source reads lines of CSV, if the row came as one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub csv: Option<CsvForm>,
    /// The reason why it was discarded, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub discarded: Option<String>,
}

impl Quarantined {
    /// A row of which nothing more is known yet.
    pub(crate) fn of(flow: &str, source: &str) -> Self {
        let now = since_epoch::now();
        Self {
            id: String::new(),
            flow: flow.to_owned(),
            source: source.to_owned(),
            position: String::new(),
            function: String::new(),
            at: 0,
            attempt: 1,
            since: now,
            tried: now,
            field: None,
            cause: String::new(),
            row: RowText::default(),
            origin: None,
            unreadable: false,
            csv: None,
            discarded: None,
        }
    }

    /// Returns the row's place in the order of lists, the oldest first.
    #[must_use]
    pub fn cursor(&self) -> String {
        format!("{:020}-{}", since_epoch::of(self.since), self.id)
    }

    /// Returns the row as it came from the source, if known.
    pub fn source_row(&self) -> Option<&RowText> {
        self.origin.as_ref().or((self.at == 0).then_some(&self.row))
    }

    /// The row after one more attempt that failed.
    pub(crate) fn tried_again(&self, cause: &str) -> Self {
        Self {
            attempt: self.attempt.saturating_add(1),
            tried: since_epoch::now(),
            cause: cause.to_owned(),
            ..self.clone()
        }
    }

    /// Whether it is at the same function of the chain as another row.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        (self.at, &self.function) == (other.at, &other.function)
    }

    /// Logs what happens to it, with at most `most` characters of the row, and of the cause.
    pub(crate) fn warn(&self, what: &str, most: usize) {
        let Self { id, flow, function, position, attempt, .. } = self;
        let (cause, row) = (excerpt(&self.cause, most), excerpt(&self.row.to_string(), most));
        warn!(id, flow, function, position, attempt, cause, row, "{what}");
    }

    /// Returns the id that the row has by itself: the same each time the same row fails in the same
    /// place, on every machine. `place` tells apart rows in quarantine (`""`) and others, `generation`
    /// inputs with the same positions; `exact` says whether the position is the row's own, `times`
    /// how many rows with the same text exist already: one row of the source may have become several.
    pub(crate) fn own_id(
        &self,
        place: &str,
        generation: &str,
        exact: bool,
        times: usize,
    ) -> String {
        let mut hasher = IdHasher::new();
        for part in [&self.flow, &self.source, &self.position, &self.function] {
            hasher.part(part.as_bytes());
        }
        hasher.number(self.at);
        hasher.number(times);
        // What a function makes of the row may differ each time; the original row does not.
        let came = self.source_row().filter(|_| exact).unwrap_or(&self.row);
        hasher.0.write(came.bytes());
        if !(generation.is_empty() && place.is_empty()) {
            hasher.part(generation.as_bytes());
        }
        if !place.is_empty() {
            hasher.part(place.as_bytes());
        }
        hasher.id()
    }

    /// Returns an id that no other row has.
    pub(crate) fn another_id(&self) -> String {
        let mut hasher = IdHasher::new();
        hasher.part(self.id.as_bytes());
        hasher.part(&CommitId::new().to_bytes());
        hasher.id()
    }
}

/// 128 bits of everything that it was given.
struct IdHasher(SipHasher13);

impl IdHasher {
    fn new() -> Self {
        // The keys are part of the format: ids outlive the process.
        Self(SipHasher13::new_with_keys(0x6b69_7366_6c6f_7701, 0))
    }

    fn part(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.write(bytes);
    }

    fn number(&mut self, number: usize) {
        // In 8 bytes, whatever the machine's words are.
        self.0.write(&(number as u64).to_le_bytes());
    }

    /// 32 hexadecimal digits.
    fn id(&self) -> String {
        let hash = self.0.finish128();
        format!("{:016x}{:016x}", hash.h1, hash.h2)
    }
}

impl fmt::Debug for Quarantined {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, flow, function, position, attempt, cause, row, .. } = self;
        write!(
            formatter,
            "{id}: flow `{flow}`, function `{function}`, attempt {attempt}: row {position} `{row}`: {cause}"
        )
    }
}

/// The text of a row, or its bytes if it is not text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowText(Bytes);

impl RowText {
    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl<T: Into<Bytes>> From<T> for RowText {
    fn from(row: T) -> Self {
        Self(row.into())
    }
}

impl fmt::Display for RowText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// A text, or `{"hex": "…"}`.
impl Serialize for RowText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
                serializer.collect_map([("hex", hex)])
            }
        }
    }
}

impl<'de> Deserialize<'de> for RowText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Hex { hex: String },
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(text.into()),
            Form::Hex { hex } => {
                let digit = |pair: &[u8]| {
                    let pair = std::str::from_utf8(pair).ok()?;
                    u8::from_str_radix(pair, 16).ok()
                };
                let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(digit).collect();
                Ok(bytes.ok_or_else(|| D::Error::custom("`hex` is not hexadecimal"))?.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RowText;

    #[test]
    fn a_row_of_any_bytes_survives_json() {
        for row in [&b"{\"a\":1}"[..], b"", &[0, 159, 146, 150, 255]] {
            let row = RowText::from(row.to_vec());
            let json = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<RowText>(&json).unwrap(), row, "{json}");
        }
    }
}
