//! Files that are followed: growth, rotation, truncation, files that come and go.

use crate::support::{Place, append, follow, next, rows_of, silent, soon, take};
use kisflow_core::Source;
use kisflow_file::FileError;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_half_written_line_waits_for_its_end() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n{\"a\":");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1}"#]);
    silent(&mut file).await;
    place.append("2}");
    silent(&mut file).await;
    place.append("\r\n{");
    let delivery = next(&mut file).await;
    assert_eq!(rows_of(&delivery), [r#"{"a":2}"#]);
    assert_eq!(delivery.receipt().position(0), format!("{}:8", place.path()));
    silent(&mut file).await;
}

#[tokio::test]
async fn a_csv_field_over_several_lines_waits_for_its_end() {
    let place = Place::with("rows.csv", "id,na");
    let mut file = place.follow().await;
    silent(&mut file).await;
    place.append("me\n1,\"two\n");
    silent(&mut file).await;
    place.append("lines\"\n");
    assert_eq!(take(&mut file, 1).await, [r#"{"id":1,"name":"two\nlines"}"#]);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_waited_for() {
    let place = Place::new("rows.ndjson");
    let mut file = place.follow().await;
    silent(&mut file).await;
    place.append("{\"a\":1}\n");
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1}"#]);
}

#[tokio::test]
async fn a_file_that_was_there_for_a_moment_while_it_was_waited_for_is_read() {
    let place = Place::new("rows.ndjson");
    let mut file = place.follow().await;
    place.append("{\"a\":1}\n");
    place.rename();
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1}"#]);
    // And before a row was done.
    let place = Place::with("rows.ndjson", "{\"a\":1}\n");
    drop(next(&mut place.follow().await).await);
    place.rename();
    place.append("{\"a\":2}\n");
    assert_eq!(take(&mut place.follow().await, 2).await, [r#"{"a":1}"#, r#"{"a":2}"#]);
}

#[tokio::test]
async fn a_rotated_file_is_read_to_its_end_first() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1}"#]);
    let aside = place.rename();
    append(&aside, "{\"a\":2}\n{\"a\":3}\n{\"a\":4}");
    place.append("{\"b\":1}\n{\"b\":2}\n");
    // The last line has no end and will get none.
    assert_eq!(
        take(&mut file, 5).await,
        [r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":4}"#, r#"{"b":1}"#, r#"{"b":2}"#]
    );
    // The position is that of the new file.
    drop(file);
    place.append("{\"b\":3}\n");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 1).await, [r#"{"b":3}"#]);
}

#[tokio::test]
async fn a_rotated_file_is_read_on_for_a_while() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n");
    let params = json!({"follow": true, "poll_ms": 5, "rotate_wait_ms": 1000});
    let mut file = place.open(params).await.unwrap();
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1}"#]);
    let aside = place.rename();
    place.append("{\"b\":1}\n");
    silent(&mut file).await;
    append(&aside, "{\"a\":2}\n");
    assert_eq!(take(&mut file, 2).await, [r#"{"a":2}"#, r#"{"b":1}"#]);
}

#[tokio::test]
async fn a_file_that_was_empty_at_first_is_known_by_what_came() {
    let place = Place::with("rows.ndjson", "");
    let mut file = place.follow().await;
    place.append("{\"a\":1}\n");
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1}"#]);
    std::fs::write(&place.path, "{\"b\":1}\n{\"b\":2}\n").unwrap();
    assert_eq!(take(&mut file, 2).await, [r#"{"b":1}"#, r#"{"b":2}"#]);
    drop(file);
    // The same inode, and more than was read.
    let place = Place::with("rows.ndjson", "");
    let mut file = place.follow().await;
    place.append("{\"a\":1}\n");
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1}"#]);
    drop(file);
    std::fs::write(&place.path, "{\"b\":1}\n{\"b\":2}\n").unwrap();
    assert_eq!(take(&mut place.follow().await, 2).await, [r#"{"b":1}"#, r#"{"b":2}"#]);
}

#[tokio::test]
async fn each_file_has_its_own_header() {
    let place = Place::with("rows.csv", "a,b\n1,2\n");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1,"b":2}"#]);
    place.rename();
    place.append("c,d\n3,4\n");
    assert_eq!(take(&mut file, 1).await, [r#"{"c":3,"d":4}"#]);
}

#[tokio::test]
async fn a_file_that_is_removed_is_read_on_until_another_takes_its_place() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 1).await, [r#"{"a":1}"#]);
    let mut writer = std::fs::OpenOptions::new().append(true).open(&place.path).unwrap();
    std::fs::remove_file(&place.path).unwrap();
    std::io::Write::write_all(&mut writer, b"{\"a\":2}\n").unwrap();
    assert_eq!(take(&mut file, 1).await, [r#"{"a":2}"#]);
    silent(&mut file).await;
    place.append("{\"b\":1}\n");
    assert_eq!(take(&mut file, 1).await, [r#"{"b":1}"#]);
}

#[tokio::test]
async fn a_truncated_file_is_read_from_its_start() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n{\"a\":2}\n");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 2).await.len(), 2);
    std::fs::write(&place.path, "{\"b\":1}\n").unwrap();
    assert_eq!(take(&mut file, 1).await, [r#"{"b":1}"#]);
    // It has grown past where it was read before anybody looked.
    std::fs::write(&place.path, "{\"c\":1}\n{\"c\":2}\n{\"c\":3}\n").unwrap();
    assert_eq!(take(&mut file, 3).await, [r#"{"c":1}"#, r#"{"c":2}"#, r#"{"c":3}"#]);
}

#[tokio::test]
async fn what_was_read_of_a_line_before_it_was_truncated_is_a_row() {
    let place = Place::with("rows.ndjson", "{\"a\":1}\n{\"a\":");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 1).await.len(), 1);
    silent(&mut file).await;
    std::fs::write(&place.path, "{\"b\":1}\n").unwrap();
    assert_eq!(take(&mut file, 2).await, [r#"{"a":"#, r#"{"b":1}"#]);
}

#[tokio::test]
async fn a_file_in_utf16_is_an_error_until_another_takes_its_place() {
    let place = Place::new("rows.ndjson");
    let mut file = place.follow().await;
    silent(&mut file).await;
    place.append(b"\xFE\xFF\0{");
    for _ in 0..3 {
        let error = soon(file.next()).await.err().unwrap();
        assert!(error.downcast_ref::<FileError>().unwrap().is_content());
    }
    std::fs::write(&place.path, "{\"b\":1}\n").unwrap();
    assert_eq!(take(&mut file, 1).await, [r#"{"b":1}"#]);
}

#[tokio::test]
async fn lines_that_are_written_one_by_one_travel_together() {
    let place = Place::new("rows.ndjson");
    let conf = place.conf().batch(10, Duration::from_secs(60));
    let mut file = place.open_as(&conf, follow()).await.unwrap();
    place.append("{\"id\":0}\n");
    silent(&mut file).await;
    place.append("{\"id\":1}\n".repeat(9));
    let delivery = next(&mut file).await;
    assert_eq!(rows_of(&delivery).len(), 10);
}
