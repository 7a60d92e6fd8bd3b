//! Stubs in the place of connectors: dry runs, and tests of flows.

use std::collections::BTreeMap;

use kisflow::{Result, prelude::*};
use serde_json::Value;

/// An engine that nobody may connect here.
struct Engine;

#[derive(Deserialize)]
struct EngineParams {}

#[async_trait]
impl Connector for Engine {
    const TYPE: &'static str = "engine";
    type Params = EngineParams;

    async fn connect(_: &ConnConf, EngineParams {}: EngineParams) -> Result<Self> {
        Err("a stub connects to nothing".into())
    }

    fn storage() -> Option<kisflow::AsStorage<Self>> {
        // Nobody could link Keep to an engine without one.
        Some(|_| unreachable!("nobody is connected"))
    }
}

#[derive(Serialize, Deserialize)]
struct Score {
    id: u32,
    score: f64,
}

#[faas("Talks")]
async fn talks(rows: &[Score], _engine: Conn<'_, Engine>) -> Result<Vec<Score>> {
    Err(format!("talks to its engine about {} rows", rows.len()).into())
}

#[caas(connector = "Kept", function = "Calls")]
async fn calls_engine(_args: &[u32], _engine: Conn<'_, Engine>) -> Result<Vec<f64>> {
    Err("calls its engine".into())
}

#[faas("Calls")]
async fn calls(rows: &[Score], engine: Caas<'_, [u32], Vec<f64>>) -> Result<Vec<Score>> {
    let ids: Vec<u32> = rows.iter().map(|row| row.id).collect();
    let scores = engine.call(&ids).await?;
    Ok(ids.into_iter().zip(scores).map(|(id, score)| Score { id, score }).collect())
}

#[faas("Double")]
fn double(row: &Score) -> Score {
    Score { id: row.id, score: row.score * 2.0 }
}

fn conf() -> Conf {
    let on = |function: FunctionConf| function.connector("Kept");
    Conf::new()
        .connector(ConnConf::new("Kept", Engine::TYPE).key("score:"))
        .function(on(FunctionConf::new("Keep", Mode::Save)).param("id", "id"))
        .function(on(FunctionConf::new("Talks", Mode::Expand)))
        .function(on(FunctionConf::new("Calls", Mode::Load)))
        .flow(
            FlowConf::new("F")
                .then_named("Talks")
                .then_named("Calls")
                .then_named("Double")
                .then_named("Keep"),
        )
}

#[tokio::test]
async fn a_function_that_talks_to_its_engine_is_left_out_and_the_rest_runs() {
    let registry = Registry::linked().connector::<Engine>().stub_connectors();
    let flows = registry.link(conf()).await.unwrap();
    let left_out = |function: &str| ("F".to_owned(), function.to_owned());
    assert_eq!(flows.left_out(), [left_out("Talks"), left_out("Calls")]);

    let report = flows.get("F").unwrap().run(Batch::json([r#"{"id":1,"score":2}"#])).await.unwrap();
    report.assert_balanced();
    assert_eq!(report.rows_out(), 1);
    let kept = flows.store("Kept").unwrap().get::<BTreeMap<String, Value>>([1]).await.unwrap();
    assert_eq!(kept[0].as_ref().unwrap()["score"], 4.0);
    assert!(flows.store("Other").is_none());
}

#[tokio::test]
async fn without_stubs_the_engine_is_connected() {
    let error = Registry::linked().connector::<Engine>().link(conf()).await.unwrap_err();
    assert!(error.to_string().contains("Kept"), "{error}");
}
