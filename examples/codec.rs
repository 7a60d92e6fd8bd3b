//! Other encodings than JSON: rows that come as CSV, as MessagePack, or as text that only its type
//! understands. The function reads them all; it never sees how they were written.
//!
//! Run it: `cargo run --example codec`
//!
//! ```text
//! CSV: 95 90
//!   function `Average`: row 2 is rejected: `103,ninety,80`: invalid float literal
//! MessagePack: 95 90
//! the type's own: 95 90
//! ```

use kisflow::{RawRow, Result, prelude::*};

/// No `Deserialize`: this type says itself how it is read, below.
#[derive(Serialize)]
struct Scores {
    stu_id: u32,
    score_1: f64,
    score_2: f64,
}

#[faas("Average")]
fn average(row: &Scores) -> f64 {
    (row.score_1 + row.score_2) / 2.0
}

/// A type that always comes in the same form, here `101: 100 + 90`, is a `Row` of its own.
impl Row for Scores {
    fn decode(row: RawRow<'_>) -> Result<Self> {
        let (stu_id, scores) = row.text()?.split_once(": ").ok_or("expected `id: scores`")?;
        let (score_1, score_2) = scores.split_once(" + ").ok_or("expected two scores")?;
        Ok(Self { stu_id: stu_id.parse()?, score_1: score_1.parse()?, score_2: score_2.parse()? })
    }
}

/// A type that comes in several forms has a `Codec` for each; the batch carries it.
struct Csv;

impl Codec<Scores> for Csv {
    fn decode(&self, row: &[u8]) -> Result<Scores> {
        let fields: Vec<&str> = std::str::from_utf8(row)?.split(',').collect();
        let [stu_id, score_1, score_2] = fields.as_slice() else {
            return Err(format!("expected 3 fields, found {}", fields.len()).into());
        };
        Ok(Scores { stu_id: stu_id.parse()?, score_1: score_1.parse()?, score_2: score_2.parse()? })
    }

    fn encode(&self, row: &Scores, out: &mut Vec<u8>) -> Result<()> {
        out.extend(format!("{},{},{}", row.stu_id, row.score_1, row.score_2).bytes());
        Ok(())
    }
}

/// For a format that serde knows, its crate does the work.
struct MessagePack;

impl Codec<Scores> for MessagePack {
    /// Its structs are lists: a tuple reads them.
    fn decode(&self, row: &[u8]) -> Result<Scores> {
        let (stu_id, score_1, score_2) = rmp_serde::from_slice(row)?;
        Ok(Scores { stu_id, score_1, score_2 })
    }

    fn encode(&self, row: &Scores, out: &mut Vec<u8>) -> Result<()> {
        Ok(rmp_serde::encode::write(out, row)?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let conf = FlowConf::new("Averages").on_reject(OnReject::Quarantine).then::<average>();
    let flow = Registry::linked().link(conf).await?.get("Averages")?;

    // What a peer would send: two rows as MessagePack.
    let packed = Batch::encoded(Csv, ["101,100,90", "102,100,80"]).encode(&MessagePack)?;
    let batches = [
        ("CSV", Batch::encoded(Csv, ["101,100,90", "102,100,80", "103,ninety,80"])),
        ("MessagePack", Batch::encoded(MessagePack, packed)),
        // Rows that name no codec are the type's business; one with `Deserialize` would read JSON.
        ("the type's own", Batch::json(["101: 100 + 90", "102: 100 + 80"])),
    ];
    for (encoding, batch) in batches {
        let report = flow.run(batch).await?;
        let averages = report.output().rows::<f64>()?;
        let averages: Vec<_> = averages.iter().map(f64::to_string).collect();
        println!("{encoding}: {}", averages.join(" "));
        report.rejected().iter().for_each(|reject| println!("  {reject:?}"));
    }
    Ok(())
}
