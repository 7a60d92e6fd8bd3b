//! Encodings other than JSON: named for a batch, or carried by a row type.

use kisflow::{Result, prelude::*};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    symbol: String,
    cents: u64,
}

/// Rows like `KIS,4200`.
struct Csv;

impl Codec<Price> for Csv {
    fn decode(&self, row: &[u8]) -> Result<Price> {
        let (symbol, cents) =
            std::str::from_utf8(row)?.split_once(',').ok_or("expected two fields")?;
        Ok(Price { symbol: symbol.to_owned(), cents: cents.parse()? })
    }

    fn encode(&self, row: &Price, out: &mut Vec<u8>) -> Result<()> {
        out.extend(format!("{},{}", row.symbol, row.cents).bytes());
        Ok(())
    }
}

/// Any type as MessagePack.
struct MessagePack;

impl<T: Serialize + for<'de> Deserialize<'de>> Codec<T> for MessagePack {
    fn decode(&self, row: &[u8]) -> Result<T> {
        Ok(rmp_serde::from_slice(row)?)
    }

    fn encode(&self, row: &T, out: &mut Vec<u8>) -> Result<()> {
        out.extend(rmp_serde::to_vec(row)?);
        Ok(())
    }
}

/// Another type with some of the fields.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Symbol {
    symbol: String,
}

#[faas("Dear")]
fn dear(row: &Price) -> bool {
    row.cents >= 100
}

#[faas("ToSymbol")]
fn to_symbol(row: &Symbol) -> Symbol {
    Symbol { symbol: row.symbol.to_lowercase() }
}

/// A type that carries its encoding: `level message`. It has no `Deserialize`.
#[derive(Debug, PartialEq)]
struct LogLine {
    level: String,
    message: String,
}

impl Row for LogLine {
    fn decode(row: RawRow<'_>) -> Result<Self> {
        let (level, message) =
            row.text()?.split_once(' ').ok_or("a log line has a level and a message")?;
        Ok(Self { level: level.to_owned(), message: message.to_owned() })
    }
}

#[faas("Warnings")]
fn warnings(rows: &[LogLine]) -> Vec<String> {
    rows.iter().filter(|row| row.level == "warn").map(|row| row.message.clone()).collect()
}

async fn run(conf: impl Into<Conf>, batch: Batch) -> Result<Report, RunError> {
    let flows = Registry::linked().link(conf).await.unwrap();
    let result = flows.iter().next().unwrap().run(batch).await;
    result.as_ref().unwrap_or_else(|error| error.report()).assert_balanced();
    result
}

#[tokio::test]
async fn a_batch_names_its_codec_and_functions_read_it_as_any_type() {
    let flow = FlowConf::new("F").then::<dear>().then::<to_symbol>();
    let report = run(flow, Batch::encoded(Csv, ["KIS,4200", "FLW,99", "RST,100"])).await.unwrap();
    assert_eq!(
        *report.output().rows::<Symbol>().unwrap(),
        [Symbol { symbol: "kis".into() }, Symbol { symbol: "rst".into() }]
    );
    assert_eq!(report.rows().filtered, 1);
}

#[tokio::test]
async fn a_row_that_the_codec_cannot_read_is_rejected_as_it_came() {
    let flow =
        FlowConf::new("F").then::<dear>().then::<to_symbol>().on_reject(OnReject::Quarantine);
    let report =
        run(flow, Batch::encoded(Csv, ["KIS,4200", "no comma", "RST,many"])).await.unwrap();
    let rejected: Vec<_> = report
        .rejected()
        .iter()
        .map(|reject| (reject.index(), &reject.row()[..], reject.cause().to_string()))
        .collect();
    assert_eq!(rejected[0], (1, &b"no comma"[..], "expected two fields".to_owned()));
    assert_eq!((rejected[1].0, rejected[1].1), (2, &b"RST,many"[..]));
    assert_eq!(report.rows_out(), 1);
    // A function of another type finds the same rows wanting.
    let error =
        run(FlowConf::new("F").then::<to_symbol>(), Batch::encoded(Csv, ["KIS,1", "no comma"]))
            .await
            .unwrap_err();
    assert_eq!(
        (error.rejected()[0].index(), &error.rejected()[0].row()[..]),
        (1, &b"no comma"[..])
    );
}

#[tokio::test]
async fn must_holds_for_rows_of_any_encoding() {
    let conf = Conf::new()
        .flow(FlowConf::new("F").then::<to_symbol>())
        .function(FunctionConf::of::<to_symbol>(Mode::Verify).must("cents").must("volume"));
    let error = run(conf, Batch::encoded(Csv, ["KIS,1"])).await.unwrap_err();
    assert_eq!(error.rejected()[0].field(), Some("volume"));
}

#[test]
fn rows_are_written_in_another_encoding_than_they_came_in() {
    let batch = Batch::encoded(Csv, ["KIS,4200", "RST,100"]);
    let packed = batch.encode::<Price>(&MessagePack).unwrap();
    let again = Batch::encoded::<Price, _>(MessagePack, packed);
    assert_eq!(again.encode::<Price>(&Csv).unwrap(), ["KIS,4200", "RST,100"]);
    assert_eq!(
        again.to_ndjson().unwrap(),
        "{\"symbol\":\"KIS\",\"cents\":4200}\n{\"symbol\":\"RST\",\"cents\":100}\n"
    );
    assert!(
        Batch::encoded(Csv, ["x"])
            .to_ndjson()
            .unwrap_err()
            .to_string()
            .contains("row 0 is rejected")
    );
}

#[tokio::test]
async fn a_type_carries_an_encoding_of_its_own() {
    let rows = ["info all is well", "warn disk is nearly full"];
    let report = run(FlowConf::new("F").then::<warnings>(), Batch::json(rows)).await.unwrap();
    assert_eq!(*report.output().rows::<String>().unwrap(), ["disk is nearly full"]);
    let error =
        run(FlowConf::new("F").then::<warnings>(), Batch::json(["warn"])).await.unwrap_err();
    assert_eq!(error.rejected()[0].cause().to_string(), "a log line has a level and a message");
}
