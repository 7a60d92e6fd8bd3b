//! Lines that cannot be read, through the sources: what follows them is handed out.

use crate::support::{Place, done, next, rows_of, soon, take};
use kisflow_core::error_chain;
use serde_json::json;

/// Each row of a file that ends, with why it cannot be read, and its offset.
async fn read(name: &str, text: impl AsRef<[u8]>) -> Vec<String> {
    let place = Place::with(name, text);
    let mut file = place.open(json!({})).await.unwrap();
    let mut rows = Vec::new();
    while let Some(delivery) = soon(kisflow_core::Source::next(&mut file)).await.unwrap() {
        let broken = delivery.batch().unreadable();
        for (index, row) in rows_of(&delivery).into_iter().enumerate() {
            let position = delivery.receipt().position(index);
            let offset = position.rsplit(':').next().unwrap().to_owned();
            let reject = broken.iter().find(|reject| reject.index() == index);
            let cause = reject.map(|reject| format!(" ! {}", error_chain(reject.cause())));
            rows.push(format!("{offset} {row}{}", cause.unwrap_or_default()));
        }
        done(&delivery).await;
    }
    rows
}

async fn check(name: &str, text: impl AsRef<[u8]>, expect: &[&str]) {
    assert_eq!(read(name, text).await, expect);
}

#[tokio::test]
async fn a_file_that_ends_hands_out_what_it_can_and_says_why_of_the_rest() {
    check(
        "o.csv",
        "id,article,count\n1,tea\n2,tea,3,4\n3,tea,2,\n\"4\"x,tea,2\n5,tea,2\n",
        &[
            "17 1,tea ! 2 fields, the header has 3",
            "23 2,tea,3,4 ! 4 fields, the header has 3",
            "33 3,tea,2, ! 4 fields, the header has 3",
            "42 \"4\"x,tea,2 ! text behind a closing quote",
            r#"53 {"id":5,"article":"tea","count":2}"#,
        ],
    )
    .await;
    check(
        "o.csv",
        "id,article,count\r1,tea,2\r2,cup,3\r",
        &[r#"17 {"id":1,"article":"tea","count":2}"#, r#"25 {"id":2,"article":"cup","count":3}"#],
    )
    .await;
    check("o.csv", "id,article\n1,\"tea", &["11 1,\"tea ! a quote is not closed"]).await;
    check("o.csv", "id,article", &[]).await;
}

#[tokio::test]
async fn a_quote_that_is_not_closed_holds_up_no_followed_file() {
    let place = Place::with("o.csv", "id,article\n1,tea\n");
    let params = json!({"follow": true, "poll_ms": 5, "quote_wait_ms": 1});
    let mut file = place.open(params).await.unwrap();
    assert_eq!(take(&mut file, 1).await, [r#"{"id":1,"article":"tea"}"#]);
    place.append("2,\"tea\n3,cup\n4,pot\n");
    let delivery = next(&mut file).await;
    assert_eq!(
        rows_of(&delivery),
        ["2,\"tea", r#"{"id":3,"article":"cup"}"#, r#"{"id":4,"article":"pot"}"#]
    );
    assert_eq!(delivery.batch().unreadable().len(), 1);
    assert!(delivery.receipt().position(1).ends_with(":24"));
    done(&delivery).await;
    // What closes it has come too late to be a part of it.
    place.append("5,\"a\nb\"\n");
    assert_eq!(take(&mut file, 1).await, [r#"{"id":5,"article":"a\nb"}"#]);
}

#[tokio::test]
async fn a_position_between_the_two_characters_of_a_line_end_is_one_between_lines() {
    let place = Place::with("o.csv", "id,article\r\n1,tea\r");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 1).await, [r#"{"id":1,"article":"tea"}"#]);
    drop(file);
    place.append("\n2,cup\r\n");
    let mut file = place.follow().await;
    assert_eq!(take(&mut file, 1).await, [r#"{"id":2,"article":"cup"}"#]);
}
