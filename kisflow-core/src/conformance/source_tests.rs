//! The suite passes a source that keeps the rules, and catches those that break one. Time is paused:
//! what waits for ever is found at once.

use super::{
    shelf::{Breaks, Shelves},
    source,
};

async fn check(breaks: Breaks) {
    source(&Shelves(breaks)).await;
}

#[tokio::test(start_paused = true)]
async fn a_source_in_memory_keeps_the_rules() {
    check(Breaks::Nothing).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: rows come in order, each once")]
async fn a_source_that_hands_out_rows_backwards_is_found() {
    check(Breaks::Order).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: a batch has at most `batch.rows` rows")]
async fn a_source_whose_batches_are_too_large_is_found() {
    check(Breaks::BatchSize).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: positions differ")]
async fn a_source_whose_positions_are_those_in_the_batch_is_found() {
    check(Breaks::Positions).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: a read that is cancelled loses no row")]
async fn a_source_that_takes_rows_before_it_waits_is_found() {
    check(Breaks::CancelledReads).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: rows that are there come; nothing came")]
async fn a_source_that_does_not_mend_its_connection_is_found() {
    check(Breaks::Connections).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: rows that are there come; nothing came")]
async fn a_source_that_gives_nothing_back_is_found() {
    check(Breaks::Release).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: rows that are there come; nothing came")]
async fn a_source_that_waits_for_readers_that_are_gone_is_found() {
    check(Breaks::Leases).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: a row that was acknowledged does not come again")]
async fn a_source_that_forgets_what_was_acknowledged_is_found() {
    check(Breaks::Acknowledgement).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: acknowledging twice does no harm; nothing came")]
async fn a_source_that_acknowledges_other_rows_the_second_time_is_found() {
    check(Breaks::Repetition).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: acknowledging twice does no harm: Some(\"nobody has")]
async fn a_source_that_refuses_to_be_told_twice_is_found() {
    check(Breaks::RefusedRepetition).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: a delivery that is dropped comes again")]
async fn a_source_that_takes_what_it_handed_out_for_done_when_it_is_closed_is_found() {
    check(Breaks::Closing).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: rows that are there come; nothing came")]
async fn a_source_that_acknowledges_what_came_before_is_found() {
    check(Breaks::Gaps).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: rows that are there come; nothing came")]
async fn a_source_that_takes_a_dropped_receipt_for_done_is_found() {
    check(Breaks::Drops).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: rows that are there come; nothing came")]
async fn a_source_that_acknowledges_what_it_reads_is_found() {
    check(Breaks::Reads).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: two readers of a group get each row once")]
async fn a_source_whose_readers_do_not_share_is_found() {
    check(Breaks::Sharing).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: rows that are there come; nothing came")]
async fn a_source_that_reads_ahead_without_bound_is_found() {
    check(Breaks::Prefetch).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "broken rule: a source does not end before its rows do")]
async fn a_source_that_ends_when_it_is_empty_is_found() {
    check(Breaks::End).await;
}
