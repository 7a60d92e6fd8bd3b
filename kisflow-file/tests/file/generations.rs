//! Which of the files rows come from that were at a path: the same text at the same place of a file
//! that was replaced is another row.
#![cfg(unix)]

use kisflow_core::Delivery;

use crate::support::{Place, append, done, follow, next};

/// Where the first row of a delivery was, and in which generation.
fn origin(delivery: &Delivery) -> (String, String) {
    (delivery.receipt().position(0), delivery.receipt().generation())
}

#[tokio::test]
async fn a_file_that_took_the_path_has_another_generation_and_the_same_one_after_a_restart() {
    let place = Place::with("log.ndjson", "bad\n");
    let mut source = place.follow().await;
    let first = next(&mut source).await;
    let at = format!("{}:0", place.path());
    assert_eq!(origin(&first), (at.clone(), String::new()));
    done(&first).await;
    place.rename();
    place.append("bad\n");
    let second = next(&mut source).await;
    assert_eq!(origin(&second), (at.clone(), "2".to_owned()));
    // The process dies before the row is done.
    drop((second, source));
    let mut source = place.follow().await;
    let again = next(&mut source).await;
    assert_eq!(origin(&again), (at.clone(), "2".to_owned()));
    done(&again).await;
    drop((again, source));
    // While it is down, the file is replaced.
    std::fs::remove_file(&place.path).unwrap();
    append(&place.path, "worse\nbad\n");
    let mut source = place.follow().await;
    let third = next(&mut source).await;
    assert_eq!(origin(&third), (at, "3".to_owned()));
}

#[tokio::test]
async fn a_file_of_a_pattern_that_is_made_anew_has_another_generation() {
    let place = Place::new("log-1.ndjson");
    append(&place.path, "bad\n");
    let pattern = place.folder.path().join("log-*.ndjson");
    let conf = place.conf().key(pattern.to_str().unwrap());
    let mut source = place.open_as(&conf, follow()).await.unwrap();
    let first = next(&mut source).await;
    let at = format!("{}:0", place.path());
    assert_eq!(origin(&first), (at.clone(), String::new()));
    done(&first).await;
    std::fs::remove_file(&place.path).unwrap();
    append(&place.folder.path().join("log-2.ndjson"), "worse\n");
    done(&next(&mut source).await).await;
    append(&place.path, "bad\nbad\n");
    let second = next(&mut source).await;
    assert_eq!(origin(&second), (at, "2".to_owned()));
}
