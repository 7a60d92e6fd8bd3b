//! Unit tests of functions, as docs/testing.md shows them: each function is called by hand, with
//! parameters that a test makes.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use kisflow::{ConnConf, Private, Result, TestContext, prelude::*};
use kisflow_redis::fred::prelude::*;

// region: rows
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    article: String,
    count: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Invoice {
    id: u32,
    total: f64,
}
// endregion

fn order(id: u32, article: &str, count: u32) -> Order {
    Order { id, article: article.to_owned(), count }
}

// region: params
#[derive(Deserialize)]
struct Discount {
    from: u32,
    percent: f64,
}

type Prices = HashMap<String, f64>;

#[faas("Total")]
fn total(
    row: &Order,
    prices: State<'_, Prices>,
    discount: Params<'_, Discount>,
) -> Result<Invoice> {
    let price = prices.get(&row.article).ok_or("no such article")?;
    let percent = if row.count >= discount.from { discount.percent } else { 0.0 };
    let total = price * f64::from(row.count) * (1.0 - percent / 100.0);
    Ok(Invoice { id: row.id, total })
}

#[test]
fn ten_cups_are_cheaper() {
    let prices = Prices::from([("cup".to_owned(), 15.0)]);
    let discount = Discount { from: 10, percent: 20.0 };
    let total = |count| {
        let (prices, discount) = (State::of(&prices), Params::of(&discount));
        total(&order(1, "cup", count), prices, discount).unwrap().total
    };
    assert_eq!((total(9), total(10)), (135.0, 120.0));
}
// endregion

// region: store
#[faas("SaveInvoice")]
async fn save_invoice(rows: &[Invoice], store: Store<'_>) -> Result<Action> {
    store.put(rows.iter().map(|row| (row.id, row))).await?;
    Ok(Action::Reuse)
}

#[tokio::test]
async fn an_invoice_is_kept_under_its_id() {
    let memory = Memory::new();
    let store = Store::of(&memory).with_key("invoice:");
    save_invoice(&[Invoice { id: 7, total: 12.5 }], store).await.unwrap();
    let kept = store.get::<Invoice>([7, 8]).await.unwrap();
    assert_eq!(*kept[0].as_ref().unwrap(), Invoice { id: 7, total: 12.5 });
    assert!(kept[1].is_err());
}
// endregion

// region: context
#[faas("LoadInvoice")]
async fn load_invoice(rows: &[u32], store: Store<'_>, cx: Cx<'_>) -> Result<Vec<Invoice>> {
    let found = store.get(rows).await?.into_iter().enumerate();
    Ok(found.filter_map(|(position, invoice)| cx.accept(position, invoice)).collect())
}

#[tokio::test]
async fn an_invoice_that_is_not_there_is_rejected() {
    let memory = Memory::new();
    let store = Store::of(&memory);
    store.put([(7, Invoice { id: 7, total: 12.5 })]).await.unwrap();

    let context = TestContext::new(FunctionConf::new("LoadInvoice", Mode::Load));
    let found = load_invoice(&[8, 7], store, Cx::of(&context)).await.unwrap();
    assert_eq!(found, [Invoice { id: 7, total: 12.5 }]);

    let rejected = context.take_rejected();
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].0, 0);
    assert!(rejected[0].1.to_string().starts_with("there is no record `8`"));
}
// endregion

// region: caas
#[faas("Price")]
async fn price(rows: &[Order], prices: Caas<'_, [String], Vec<f64>>) -> Result<Vec<Invoice>> {
    let articles: Vec<String> = rows.iter().map(|row| row.article.clone()).collect();
    let prices = prices.call(&articles).await?;
    let total =
        |(row, price): (&Order, f64)| Invoice { id: row.id, total: price * f64::from(row.count) };
    Ok(rows.iter().zip(prices).map(total).collect())
}

#[tokio::test]
async fn an_order_costs_what_the_storage_logic_says() {
    let prices = |articles: &[String]| Ok(vec![2.5; articles.len()]);
    let invoices = price(&[order(1, "tea", 3)], Caas::of(&prices)).await.unwrap();
    assert_eq!(invoices, [Invoice { id: 1, total: 7.5 }]);

    let away = |_: &[String]| Err("the price list is away".into());
    let error = price(&[order(1, "tea", 3)], Caas::of(&away)).await.unwrap_err();
    assert_eq!(error.to_string(), "the price list is away");
}
// endregion

// region: conn
#[faas("CountOrders")]
async fn count_orders(rows: &[Order], redis: Conn<'_, Redis>) -> Result<Action> {
    let pipeline = redis.client().next().pipeline();
    for row in rows {
        let () = pipeline.hincrby("orders", &*row.article, i64::from(row.count)).await?;
    }
    let () = pipeline.last().await?;
    Ok(Action::Reuse)
}

#[tokio::test]
async fn orders_are_counted_by_article() {
    let redis = Private::<Redis>::start(&ConnConf::new("Orders", "redis")).await.unwrap();
    let rows = [order(1, "tea", 2), order(2, "cup", 1), order(3, "tea", 5)];
    count_orders(&rows, Conn::of(&redis)).await.unwrap();
    let counted: BTreeMap<String, i64> = redis.client().hgetall("orders").await.unwrap();
    assert_eq!(counted, BTreeMap::from([("cup".to_owned(), 1), ("tea".to_owned(), 7)]));
}
// endregion

#[faas("Describe")]
fn describe(_rows: &[u32], cx: Cx<'_>) -> Vec<String> {
    let (flow, function, mode, attempt) = (cx.flow(), cx.function(), cx.mode(), cx.attempt());
    let (connector, unit) = (cx.connector(), cx.param("unit"));
    let pool = cx.connector_params().and_then(|params| params.get("pool"));
    vec![format!(
        "{flow} {function} {mode:?} {attempt} {connector:?} {unit:?} {pool:?} {}",
        cx.is_cancelled()
    )]
}

#[test]
fn a_context_says_what_a_test_gives_it() {
    let plain = TestContext::new(FunctionConf::new("Describe", Mode::Expand));
    assert_eq!(describe(&[], Cx::of(&plain)), ["test Describe Expand 1 None None None false"]);

    let stop = CancellationToken::new();
    let function = FunctionConf::new("Describe", Mode::Verify).param("unit", "kg");
    let context = TestContext::new(function)
        .flow("Weights")
        .attempt(3)
        .connector(ConnConf::new("Scale", "redis").param("pool", 4))
        .cancelled_by(stop.clone());
    let cx = Cx::of(&context);
    cx.cache().set("seen", 5_u32, Duration::from_secs(60));
    stop.cancel();
    assert_eq!(
        describe(&[], cx),
        [r#"Weights Describe Verify 3 Some("Scale") Some("kg") Some(4) true"#]
    );
    assert_eq!(cx.cache().get::<u32>("seen").as_deref(), Some(&5));
    assert!(context.take_rejected().is_empty());
}

#[tokio::test]
async fn a_store_of_a_test_waits_as_wait_ms_says() {
    let memory = Memory::new();
    let store = Store::of(&memory).with_wait(Duration::from_secs(600));
    let (found, put) =
        tokio::join!(store.get::<Invoice>([7]), store.put([(7, Invoice { id: 7, total: 1.0 })]));
    put.unwrap();
    assert_eq!(found.unwrap()[0].as_ref().unwrap().total, 1.0);
}

#[tokio::test]
async fn a_private_engine_is_new_each_time_and_needs_nothing_of_the_conf() {
    let conf = ConnConf::new("Orders", "redis").addrs("10.0.0.1:1,10.0.0.2:1").key("order:");
    let conf = conf.param("password_env", "NOT_SET_ANYWHERE").param("tls", true);
    let one = Private::<Redis>::start(&conf).await.unwrap();
    let other = Private::<Redis>::start(&conf).await.unwrap();
    let () = one.client().set("key", "value", None, None, false).await.unwrap();
    assert_eq!(other.client().get::<Option<String>, _>("key").await.unwrap(), None);
    let redb = Private::<Redb>::start(&ConnConf::new("Kept", "redb")).await.unwrap();
    let kept = Store::of(&*redb);
    kept.put([(7, Invoice { id: 7, total: 1.0 })]).await.unwrap();
    assert!(kept.get::<Invoice>([7]).await.unwrap()[0].is_ok());
}
