//! A parameter of a program's own: the shop's prices, which the conf names a file for.

use std::{collections::BTreeMap, fs};

use kisflow::{Link, Parameter, Result, prelude::*};
use tempfile::TempDir;

// region: parameter
/// The prices of the file that the function's param `prices` names, read once, at link.
#[derive(Clone, Copy)]
struct Prices<'a>(&'a BTreeMap<String, f64>);

impl<'a> Prices<'a> {
    /// For unit tests.
    fn of(prices: &'a BTreeMap<String, f64>) -> Self {
        Self(prices)
    }

    fn of_article(&self, article: &str) -> Option<f64> {
        self.0.get(article).copied()
    }
}

impl Parameter for Prices<'static> {
    type Bound = BTreeMap<String, f64>;
    type Of<'a> = Prices<'a>;

    fn bind(link: &mut Link<'_>) -> Option<Self::Bound> {
        // `None` after the problem has been reported, with the line of the param.
        let path: String = link.param("prices")?;
        let read = fs::read_to_string(&path).map_err(|error| error.to_string());
        let read = read.and_then(|text| serde_json::from_str(&text).map_err(|e| e.to_string()));
        match read {
            Ok(prices) => Some(prices),
            Err(error) => {
                link.param_problem("prices", format!("cannot read {path}: {error}"));
                None
            }
        }
    }

    fn get<'a>(prices: &'a Self::Bound, _: Cx<'a>) -> Result<Prices<'a>> {
        Ok(Prices(prices))
    }
}

#[faas("Price")]
fn price(article: &String, prices: Prices<'_>) -> Option<f64> {
    prices.of_article(article)
}

#[test]
fn an_article_without_a_price_is_filtered() {
    let list = BTreeMap::from([("tea".to_owned(), 6.25)]);
    assert_eq!(price(&"tea".to_owned(), Prices::of(&list)), Some(6.25));
    assert_eq!(price(&"cup".to_owned(), Prices::of(&list)), None);
}
// endregion

#[tokio::test]
async fn a_parameter_is_found_at_link_or_its_problem_is_told() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("prices.json");
    fs::write(&file, r#"{"tea":6.25}"#).unwrap();
    let conf = |path: &str| {
        let function = FunctionConf::of::<price>(Mode::Calculate).param("prices", path);
        Conf::new().function(function).flow(FlowConf::new("F").then::<price>())
    };
    let registry = || Registry::new().function::<price>();
    let flows = registry().link(conf(&file.to_string_lossy())).await.unwrap();
    let report = flows.get("F").unwrap().run(Batch::json([r#""tea""#, r#""cup""#])).await.unwrap();
    report.assert_balanced();
    assert_eq!(*report.output().rows::<f64>().unwrap(), [6.25]);
    let error = registry().link(conf("nowhere.json")).await.unwrap_err().to_string();
    assert!(error.contains("cannot read nowhere.json"), "{error}");
}
