//! Storage without a line of Rust: the functions of `conf/storage_by_conf` are nowhere in this
//! file, their conf says all that there is to say.
//!
//! Run it from the root of the repository: `cargo run --example storage_by_conf`
//!
//! ```text
//! {"avg_before":95,"score_3":80,"stu_id":101}
//! {"avg_before":90,"score_3":70,"stu_id":102}
//! function `LoadAverage`: row 2 is rejected: `{"stu_id":103,"score_3":60}`
//!   there is no record `stu_103`, not after 100ms of waiting (param `wait_ms`)
//! ```

use kisflow::{Result, prelude::*};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let flows = Registry::new().load("conf/storage_by_conf").await?;

    let averages = Batch::json([
        r#"{"stu_id":101,"class":"7b","avg_score":95}"#,
        r#"{"stu_id":102,"class":"7a","avg_score":90}"#,
    ]);
    flows.get("Remember")?.run(averages).await?;

    let scores = Batch::json([
        r#"{"stu_id":101,"score_3":80}"#,
        r#"{"stu_id":102,"score_3":70}"#,
        r#"{"stu_id":103,"score_3":60}"#,
    ]);
    let report = flows.get("Recall")?.run(scores).await?;
    print!("{}", report.output().to_ndjson()?);
    for reject in report.rejected() {
        println!("{reject}\n  {}", reject.cause());
    }
    Ok(())
}
