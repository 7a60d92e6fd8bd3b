//! Storage logic of your own for each engine, and one function that does not know which: the conf
//! chooses. `type: memory` comes with kisflow; `type: log` is made here, in thirty lines.
//!
//! Run it: `cargo run --example caas_engines`
//!
//! ```text
//! Latest: 2 records set
//! Latest: 2 records set
//! History: 2 lines by now
//! History: 4 lines by now
//! ```

use std::sync::{Mutex, PoisonError};

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Average {
    stu_id: u32,
    avg_score: f64,
}

/// Hands its rows to the storage logic of whichever connector its conf names, and prints the reply.
/// What goes in and out is checked when the conf is linked.
#[faas("SaveAverage")]
async fn save_average(
    rows: &[Average],
    engine: Caas<'_, [Average], String>,
    cx: Cx<'_>,
) -> Result<()> {
    let reply = engine.call(rows).await?;
    println!("{}: {reply}", cx.connector().unwrap_or_default());
    Ok(())
}

/// Sets the latest average of each student. `Store` would do the same on Redis.
#[caas(connector = "Latest", function = "SaveAverage")]
async fn set_records(rows: &[Average], records: Store<'_>) -> Result<String> {
    records.put(rows.iter().map(|row| (row.stu_id, row))).await?;
    Ok(format!("{} records set", rows.len()))
}

/// Appends every average. `Conn` is the engine itself, with all that it can do: here `Log`, and with
/// `Conn<'_, Redis>` it would be Redis and its `RPUSH`.
#[caas(connector = "History", function = "SaveAverage")]
async fn append_lines(rows: &[Average], log: Conn<'_, Log>) -> Result<String> {
    let last = log.append(rows.iter().map(|row| format!("{},{}", row.stu_id, row.avg_score)))?;
    Ok(format!("{last} lines by now"))
}

/// `type: log`: an engine that keeps lines.
struct Log {
    lines: Mutex<Vec<String>>,
    max_lines: usize,
}

/// What `params` of such a connector may say.
#[derive(Deserialize)]
struct LogParams {
    max_lines: usize,
}

#[async_trait]
impl Connector for Log {
    const TYPE: &'static str = "log";
    type Params = LogParams;

    /// Called once for each connector of the conf: a real engine makes its connection here.
    async fn connect(_: &ConnConf, params: LogParams) -> Result<Self> {
        Ok(Self { lines: Mutex::default(), max_lines: params.max_lines })
    }
}

impl Log {
    /// The number of the last line.
    fn append(&self, new: impl ExactSizeIterator<Item = String>) -> Result<usize> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() + new.len() > self.max_lines {
            return Err(format!("the log is full: it holds {} lines", lines.len()).into());
        }
        lines.extend(new);
        Ok(lines.len())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    for cname in ["Latest", "History"] {
        let conf = Conf::new()
            .connector(ConnConf::new("Latest", "memory").key("stu_"))
            .connector(ConnConf::new("History", "log").param("max_lines", 1_000))
            // This is all that differs; in YAML, `option: { cname: Latest }`.
            .function(FunctionConf::of::<save_average>(Mode::Save).connector(cname))
            .flow(FlowConf::new("Save").then::<save_average>());
        let flow = Registry::linked().connector::<Log>().link(conf).await?.get("Save")?;
        for avg_score in [95.0, 90.0] {
            let row = |stu_id| Average { stu_id, avg_score };
            flow.run(vec![row(101), row(102)]).await?;
        }
    }
    Ok(())
}
