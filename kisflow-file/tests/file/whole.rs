//! Files that are read to their end: rows, positions, errors, restarts.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{self, Place, done, next, rest, rows_of, silent, soon, take};
use kisflow_core::{Source, SourceContext, Start, durable::MemoryStore};
use kisflow_file::{File, FileError};
use serde_json::json;

#[tokio::test]
async fn a_file_is_read_to_its_end_and_ends() {
    let place = Place::with("rows.ndjson", "\u{feff}{\"a\":1}\r\n\n{\"a\":2}\n{\"a\":3}");
    let mut file = place.open(json!({})).await.unwrap();
    let delivery = next(&mut file).await;
    assert_eq!(rows_of(&delivery), [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]);
    let positions: Vec<_> = (0..3).map(|row| delivery.receipt().position(row)).collect();
    let expect: Vec<_> = [3, 13, 21].map(|at| format!("{}:{at}", place.path())).into();
    assert_eq!(positions, expect);
    assert!(soon(file.next()).await.unwrap().is_none());
    assert!(soon(file.next()).await.unwrap().is_none(), "it stays at its end");
}

#[tokio::test]
async fn a_large_file_comes_whole_in_batches() {
    let lines: Vec<String> = (0..50_000)
        .map(|id| format!("{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(id % 97)))
        .collect();
    let place = Place::with("rows.ndjson", lines.join("\n"));
    let mut file = place
        .open_as(&place.conf().batch(700, Duration::from_millis(20)), json!({}))
        .await
        .unwrap();
    assert!(rest(&mut file).await == lines, "rows differ");
}

#[tokio::test]
async fn csv_is_told_by_the_ending() {
    let place = Place::with("prices.tsv", "article\tprice\n007\t1.50\n8\n");
    let mut file = place.open(json!({"text": ["article"]})).await.unwrap();
    assert_eq!(rest(&mut file).await, [r#"{"article":"007","price":1.50}"#, "8"]);
    let place = Place::with("prices.csv", "1;2\n");
    let params = json!({"header": false, "fields": ["a", "b"], "delimiter": ";"});
    assert_eq!(rest(&mut place.open(params).await.unwrap()).await, [r#"{"a":1,"b":2}"#]);
    let file = place.open(json!({"format": "ndjson"})).await;
    assert_eq!(
        rest(&mut file.unwrap()).await,
        [""; 0],
        "the position does not depend on the format"
    );
}

#[tokio::test]
async fn a_new_group_that_begins_in_a_csv_file_knows_the_header() {
    for (start, expect) in [("0", vec![r#"{"id":1}"#, r#"{"id":2}"#]), ("3", vec![r#"{"id":2}"#])] {
        let place = Place::with("rows.csv", "id\n1\n2\n");
        let conf = place.conf().start(Start::After(start.to_owned()));
        assert_eq!(
            rest(&mut place.open_as(&conf, json!({})).await.unwrap()).await,
            expect,
            "{start}"
        );
    }
    // In a header that is not complete nothing can begin.
    let place = Place::with("rows.csv", "id,na");
    let conf = place.conf().start(Start::After("3".to_owned()));
    let mut file = place.open_as(&conf, support::follow()).await.unwrap();
    place.append("me\n1,x\n");
    assert_eq!(take(&mut file, 1).await, [r#"{"id":1,"name":"x"}"#]);
}

#[tokio::test]
async fn a_restart_goes_on_behind_what_is_done_and_knows_the_header() {
    let place = Place::with("rows.csv", "id,name\n1,a\n2,b\n3,c\n4,d\n");
    let conf = place.conf().batch(1, Duration::ZERO);
    let mut file = place.open_as(&conf, json!({})).await.unwrap();
    assert_eq!(take(&mut file, 2).await.len(), 2);
    let third = next(&mut file).await;
    drop((third, file));
    let mut file = place.open_as(&conf, json!({})).await.unwrap();
    assert_eq!(rest(&mut file).await, [r#"{"id":3,"name":"c"}"#, r#"{"id":4,"name":"d"}"#]);
    let mut file = place.open_as(&conf, json!({})).await.unwrap();
    assert_eq!(rest(&mut file).await, [""; 0]);
    place.append("5,e\n");
    let mut file = place.open_as(&conf, json!({})).await.unwrap();
    assert_eq!(rest(&mut file).await, [r#"{"id":5,"name":"e"}"#]);
}

#[tokio::test]
async fn another_file_at_the_path_is_read_from_its_start() {
    for (name, replace) in [
        (
            "another inode",
            Box::new(|place: &Place| {
                let text = std::fs::read(&place.path).unwrap();
                place.rename();
                place.append(text);
            }) as Box<dyn Fn(&Place)>,
        ),
        (
            "another beginning",
            Box::new(|place: &Place| {
                std::fs::write(&place.path, "{\"b\":1}\n{\"b\":2}\n").unwrap();
            }),
        ),
        (
            "shorter",
            Box::new(|place: &Place| {
                std::fs::write(&place.path, "{\"a\":1}\n").unwrap();
            }),
        ),
    ] {
        let place = Place::with("rows.ndjson", "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(rest(&mut place.open(json!({})).await.unwrap()).await.len(), 2);
        replace(&place);
        let text = std::fs::read_to_string(&place.path).unwrap();
        let expect: Vec<_> = text.lines().collect();
        assert_eq!(rest(&mut place.open(json!({})).await.unwrap()).await, expect, "{name}");
    }
}

#[tokio::test]
async fn a_new_group_begins_where_the_conf_says() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    for (start, expect) in [
        (Start::After("8".to_owned()), vec![r#"{"a":3}"#]),
        (Start::After(format!("{}:0", place.path())), vec![r#"{"a":2}"#, r#"{"a":3}"#]),
        (Start::After("16".to_owned()), vec![]),
        (Start::After("999".to_owned()), vec![r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]),
        (Start::Latest, vec![]),
    ] {
        let fresh = Place {
            store: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            path: place.path.clone(),
        };
        let mut file = fresh.open_as(&fresh.conf().start(start.clone()), json!({})).await.unwrap();
        assert_eq!(rest(&mut file).await, expect, "{start:?}");
    }
}

#[tokio::test]
async fn a_group_that_began_at_the_end_stays_there_over_a_restart() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n{\"a\":2");
    let conf = place.conf().start(Start::Latest);
    let mut file = place.open_as(&conf, json!({"follow": true})).await.unwrap();
    silent(&mut file).await;
    drop(file);
    place.append("2}\n{\"a\":3}\n");
    let mut file = place.open_as(&conf, json!({})).await.unwrap();
    assert_eq!(rest(&mut file).await, [r#"{"a":22}"#, r#"{"a":3}"#]);
}

#[tokio::test]
async fn a_position_is_committed_up_to_the_first_row_that_is_not_done() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    let conf = place.conf().batch(1, Duration::ZERO);
    let mut file = place.open_as(&conf, json!({})).await.unwrap();
    let deliveries = [next(&mut file).await, next(&mut file).await, next(&mut file).await];
    done(&deliveries[2]).await;
    done(&deliveries[1]).await;
    let mut again = place.open_as(&conf, json!({})).await.unwrap();
    assert_eq!(rows_of(&next(&mut again).await), [r#"{"a":1}"#]);
    done(&deliveries[0]).await;
    done(&deliveries[1]).await;
    let mut again = place.open_as(&conf, json!({})).await.unwrap();
    assert_eq!(rest(&mut again).await, [""; 0]);
}

#[tokio::test]
async fn two_stores_each_read_all_rows() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n");
    let other = SourceContext::new("flow", "lines", Arc::new(MemoryStore::default()));
    assert_eq!(rest(&mut place.open(json!({})).await.unwrap()).await.len(), 1);
    let mut file = soon(File::open(&place.conf(), Default::default(), other)).await.unwrap();
    assert_eq!(rest(&mut file).await.len(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_an_error_that_says_what_to_do() {
    let place = Place::new("rows.ndjson");
    let path = place.path();
    let message = |error: &kisflow_core::BoxError| error.to_string();
    let error = place.open(json!({})).await.err().unwrap();
    assert!(error.downcast_ref::<FileError>().unwrap().is_missing());
    assert_eq!(
        message(&error),
        format!("there is no file {path}; mend `key`, or wait for it with `follow: true`")
    );
    std::fs::create_dir(path).unwrap();
    for params in [json!({}), json!({"follow": true})] {
        let error = place.open(params).await.err().unwrap();
        assert_eq!(message(&error), format!("{path} is a directory; `key` names one file"));
    }
    let place = Place::with("rows.ndjson", b"\xFF\xFE{\0");
    let error = place.open(json!({})).await.err().unwrap();
    assert!(error.downcast_ref::<FileError>().unwrap().is_content());
    assert!(message(&error).contains("UTF-16; convert it"), "{error}");
    let place = Place::with("rows.csv", "a,a\n");
    let mut file = place.open(json!({})).await.unwrap();
    for _ in 0..3 {
        let error = soon(file.next()).await.err().unwrap();
        assert!(message(&error).ends_with("has the name `a` twice; rename one"), "{error}");
    }
    std::fs::write(&place.path, "a,b\n1,2\n").unwrap();
    assert_eq!(rest(&mut file).await, [r#"{"a":1,"b":2}"#], "mended");
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_refused_and_not_waited_for() {
    let place = Place::new("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&place.path).status().unwrap().success());
    let error = place.open(json!({"follow": true})).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("{} is no regular file; read pipes with `type: stdin`", place.path())
    );
}
