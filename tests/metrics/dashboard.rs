//! The dashboard and the page of metrics speak of what there is, and leave nothing out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{endpoint::Endpoint, run_everything, scrape::Scrape};

#[tokio::test]
async fn the_dashboard_asks_only_for_metrics_and_labels_that_exist() {
    let scrape = everything().await;
    let dashboard =
        serde_json::from_str(&read("kisflow-cli/src/new/template/dashboard.json")).unwrap();
    let mut queries = Vec::new();
    texts(&dashboard, &mut queries);
    let selectors: Vec<Selector<'_>> = queries.iter().flat_map(|query| selectors(query)).collect();

    all_exist(&scrape, &selectors);
    let shows = |metric: &str, name: &String| {
        let part = metric.strip_prefix(name.as_str());
        part.is_some_and(|part| ["", "_bucket", "_sum", "_count"].contains(&part))
    };
    let shown = |name: &String| selectors.iter().any(|selector| shows(selector.metric, name));
    let missing: Vec<_> = scrape.types.keys().filter(|name| !shown(name)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "the dashboard leaves metrics out");
}

#[tokio::test]
async fn the_page_has_every_metric_with_its_type_and_labels_and_asks_for_no_other() {
    let scrape = everything().await;
    let page = read("docs/metrics.md");

    let rows = page.lines().filter_map(|line| line.strip_prefix("| `kisflow_"));
    let mut types = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = format!("kisflow_{}", cells[0].trim_end_matches('`'));
        let told: BTreeSet<&str> =
            cells[2].split(", ").map(|label| label.trim_matches('`')).collect();
        let part = if cells[1] == "histogram" { "_count" } else { "" };
        let known = scrape.labels(&format!("{name}{part}")).unwrap_or_default();
        let known: BTreeSet<&str> = known.into_keys().collect();
        assert_eq!(
            told.into_iter().filter(|label| !label.is_empty()).collect::<BTreeSet<_>>(),
            known,
            "{name}"
        );
        types.insert(name, cells[1].to_owned());
    }
    assert_eq!(types, scrape.types);

    let (_, queries) = page.split_once("## Questions and their queries").unwrap();
    let (queries, _) = queries.split_once("## Traces").unwrap();
    let selectors: Vec<Selector<'_>> = selectors(queries).collect();
    assert!(selectors.len() > 10);
    all_exist(&scrape, &selectors);
}

/// What is scraped when everything has happened.
async fn everything() -> Scrape {
    let endpoint = Endpoint::start().await;
    run_everything(&endpoint).await;
    Scrape::of(endpoint.serve).await
}

/// A file of this repository.
fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[track_caller]
fn all_exist(scrape: &Scrape, selectors: &[Selector<'_>]) {
    for Selector { metric, labels } in selectors {
        let Some(known) = scrape.labels(metric) else {
            panic!("{metric} is asked for, which does not exist");
        };
        for (label, values) in labels {
            let Some(known) = known.get(*label) else { panic!("{metric} has no label `{label}`") };
            let unknown = values.iter().find(|value| !known.contains(**value));
            assert_eq!(unknown, None, "`{label}` of {metric} is never that");
        }
    }
}

/// A metric in a query, with the labels that it is narrowed by.
struct Selector<'a> {
    metric: &'a str,
    labels: Vec<(&'a str, Vec<&'a str>)>,
}

/// Every text within a JSON value.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

/// `metric{label="value",label=~"value|value"}`; a dashboard's variables are not looked into.
fn selectors(query: &str) -> impl Iterator<Item = Selector<'_>> {
    query.match_indices("kisflow_").map(|(start, _)| {
        let text = &query[start..];
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (metric, rest) = text.split_at(end.unwrap_or(text.len()));
        let narrowed = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let pairs = narrowed.map_or("", |(labels, _)| labels).split(',');
        let labels = pairs.filter_map(|pair| pair.split_once('=')).map(|(label, value)| {
            let values = value.trim_start_matches('~').trim_matches('"').split('|');
            (label.trim(), values.filter(|value| !value.contains('$')).collect())
        });
        Selector { metric, labels: labels.collect() }
    })
}
