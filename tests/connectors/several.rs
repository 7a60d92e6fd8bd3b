//! A function with several connectors: each parameter takes its own, by its name.

use kisflow::{Result, prelude::*};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
}

/// An engine of which there are several: it knows its name.
struct Desk(String);

#[derive(Deserialize)]
struct NoParams {}

#[async_trait]
impl Connector for Desk {
    const TYPE: &'static str = "desk";
    type Params = NoParams;

    async fn connect(conf: &ConnConf, _: NoParams) -> Result<Self> {
        Ok(Self(conf.cname.clone()))
    }
}

#[faas("Both")]
fn both(rows: &[Order], orders: Conn<'_, Desk>, _log: Conn<'_, Desk>, cx: Cx<'_>) -> Vec<String> {
    assert_eq!(cx.connector(), None, "it has no single one");
    rows.iter().map(|row| format!("{}: {} and {}", row.id, orders.0, _log.0)).collect()
}

#[faas("Copy")]
async fn copy(rows: &[Order], from: Store<'_>, to: Store<'_>) -> Result<Vec<Order>> {
    let found = from.get::<Order>(rows.iter().map(|row| row.id)).await?;
    let found: Vec<Order> = found.into_iter().flatten().collect();
    to.put(found.iter().map(|row| (row.id, row.clone()))).await?;
    Ok(found)
}

#[faas("Pattern")]
fn pattern(_: &[Order], _: Conn<'_, Desk>) -> Action {
    Action::Reuse
}

#[faas("Called")]
async fn called(
    rows: &[Order],
    desk: Caas<'_, [Order], String>,
    log: Conn<'_, Desk>,
) -> Result<Vec<String>> {
    Ok(vec![format!("{} then {}", desk.call(rows).await?, log.0)])
}

#[caas(connector = "Orders", function = "Called")]
async fn call_orders(rows: &[Order], orders_desk: Conn<'_, Desk>) -> String {
    format!("{} rows by {}", rows.len(), orders_desk.0)
}

fn conf(function: FunctionConf) -> Conf {
    let flow = FlowConf::new("F").then_named(function.fname.as_str());
    Conf::new()
        .connector(ConnConf::new("Orders", "desk"))
        .connector(ConnConf::new("Audit", "desk"))
        .connector(ConnConf::new("Kept", "memory"))
        .connector(ConnConf::new("Copied", "memory"))
        .function(function)
        .flow(flow)
}

fn function(name: &str, connectors: &[(&str, &str)]) -> FunctionConf {
    let function = FunctionConf::new(name, Mode::Expand);
    connectors.iter().fold(function, |function, (name, cname)| function.connector_of(*name, *cname))
}

fn registry() -> Registry {
    Registry::linked().connector::<Desk>()
}

async fn out(conf: Conf) -> String {
    let flows = registry().link(conf).await.unwrap();
    let report = flows.get("F").unwrap().run(vec![Order { id: 7 }]).await.unwrap();
    report.output().to_ndjson().unwrap()
}

#[tokio::test]
async fn each_parameter_takes_the_connector_of_its_name() {
    let both = function("Both", &[("orders", "Orders"), ("log", "Audit")]);
    assert_eq!(out(conf(both)).await, "\"7: Orders and Audit\"\n");
    let swapped = function("Both", &[("orders", "Audit"), ("log", "Orders")]);
    assert_eq!(out(conf(swapped)).await, "\"7: Audit and Orders\"\n");
    let one = FunctionConf::new("Pattern", Mode::Expand).connector("Audit");
    assert_eq!(out(conf(one)).await, "{\"id\":7}\n");
    let called = function("Called", &[("desk", "Orders"), ("log", "Audit")]);
    assert_eq!(out(conf(called)).await, "\"1 rows by Orders then Audit\"\n");
}

#[tokio::test]
async fn stores_of_several_connectors_are_apart() {
    let flows = registry()
        .link(conf(function("Copy", &[("from", "Kept"), ("to", "Copied")])))
        .await
        .unwrap();
    flows.store("Kept").unwrap().put([(7, Order { id: 7 })]).await.unwrap();
    flows.get("F").unwrap().run(vec![Order { id: 7 }]).await.unwrap();
    let copied = flows.store("Copied").unwrap().get::<Order>([7]).await.unwrap();
    assert_eq!(*copied[0].as_ref().unwrap(), Order { id: 7 });
}

#[tokio::test]
async fn the_map_is_read_from_yaml_and_says_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let write = |cname: &str| {
        let text = format!(
            "kistype: conn\ncname: Orders\ntype: desk\n---\nkistype: conn\ncname: Audit\ntype: desk\n---\nkistype: conn\ncname: Kept\ntype: memory\n---\nkistype: flow\nflow_name: F\nflows: [{{fname: Both}}]\n---\nkistype: func\nfname: Both\nfmode: Expand\noption:\n  cname: {cname}\n"
        );
        std::fs::write(dir.path().join("conf.yml"), text).unwrap();
    };
    write("{orders: Orders, log: Audit}");
    assert_eq!(out(Conf::read(dir.path()).unwrap()).await, "\"7: Orders and Audit\"\n");
    let inspection = registry().inspect(dir.path());
    assert_eq!(inspection.connectors_of["Both"], ["Audit", "Orders"]);
    for (cname, expect) in [
        (
            "{order: Orders, log: Audit}",
            "conf.yml:21: option.cname: function `Both`: its parameter `orders` wants a connector, and the map `option.cname` has no `orders`; did you mean \"order\"?",
        ),
        (
            "{orders: Order, log: Audit}",
            "conf.yml:21: option.cname.orders: no connector is named \"Order\"; did you mean \"Orders\"?",
        ),
        (
            "{orders: Kept, log: Audit}",
            "conf.yml:21: option.cname: function `Both`: its parameter `orders` wants a connector of `type: desk`, and `Kept` is of `type: memory`",
        ),
        (
            "Kept",
            "function `Both`: the function wants a connector of `type: desk`, and `Kept` is of `type: memory`; a function with several connectors names them by parameter: `cname: {orders: …}`",
        ),
        ("{}", "conf.yml:21: option.cname: the map names no connector"),
        (
            "{orders: [], log: Audit}",
            "conf.yml:21: option.cname.orders: expected a text, found a list",
        ),
    ] {
        write(cname);
        let error = registry().load(dir.path()).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{cname}: {error}");
    }
}

#[tokio::test]
async fn a_map_that_does_not_fit_is_a_problem() {
    for (function, expect) in [
        (
            function("Pattern", &[("orders", "Orders")]),
            "it wants one connector, and `option.cname` is a map that gives parameters theirs by name (orders); name one connector, or take it as a parameter with a name",
        ),
        (
            function("Both", &[("orders", "Orders"), ("log", "Audit")]).connector("Audit"),
            "the function has one connector, and several by name; keep one of the two",
        ),
        (
            FunctionConf::new("Keep", Mode::Save).connector_of("store", "Kept").param("id", "id"),
            "it wants one connector, and `option.cname` is a map",
        ),
    ] {
        let error = registry().link(conf(function)).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[tokio::test]
async fn a_name_of_the_map_that_no_parameter_has_is_a_problem() {
    let both = function("Both", &[("orders", "Orders"), ("log", "Audit"), ("lgo", "Audit")]);
    let error = registry().link(conf(both)).await.unwrap_err().to_string();
    let expect = "the map `option.cname` names `lgo`, and no parameter of the function takes it; did you mean \"log\"?";
    assert!(error.contains(expect), "{error}");
}
