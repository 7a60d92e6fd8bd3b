//! Several statements as one transaction, in one round trip.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use deadpool_postgres::Client;
use futures_util::future::poll_fn;
use tokio_postgres::{Error as DriverError, Row, Statement, error::SqlState, types::ToSql};

const BEGIN: &str = "begin isolation level read committed read write";

pub(super) type Param<'c> = Box<dyn ToSql + Sync + Send + 'c>;

/// A statement and its params.
pub(super) struct Call<'s, 'c> {
    sql: &'s str,
    params: Vec<Param<'c>>,
}

impl<'s, 'c> Call<'s, 'c> {
    pub(super) fn new(sql: &'s str, params: Vec<Param<'c>>) -> Self {
        Self { sql, params }
    }

    pub(super) fn is(&self, sql: &str) -> bool {
        std::ptr::eq(self.sql, sql)
    }
}

/// Runs statements as one transaction, and `before` as one of its own in front of them. All of it is
/// sent at once: if a statement fails, so do those behind it, and the server rolls back.
///
/// # Errors
///
/// The first error. After one that came from the server, nothing was changed.
pub(super) async fn run(
    client: &Client,
    before: Option<&Call<'_, '_>>,
    calls: &[Call<'_, '_>],
) -> Result<Vec<Vec<Row>>, DriverError> {
    let mut prepared: Vec<(Statement, Vec<&(dyn ToSql + Sync)>)> = Vec::with_capacity(calls.len());
    for call in before.into_iter().chain(calls) {
        let params = call.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
        prepared.push((client.prepare_cached(call.sql).await?, params));
    }
    let mut prepared_first = prepared.iter();
    let first = before.and_then(|_| prepared_first.next());
    let mut answers: Vec<Answering<'_>> = Vec::with_capacity(prepared.len() + 2);
    answers.extend(first.map(|call| query(client, call)));
    answers.push(command(client, BEGIN));
    answers.extend(prepared_first.map(|call| query(client, call)));
    answers.push(command(client, "commit"));
    let own = calls.len();
    let mut answers = in_order(answers).await?;
    // Without those to `before`, `begin` and `commit`.
    answers.pop();
    Ok(answers.split_off(answers.len() - own))
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, DriverError>> + Send + 'a>>;

fn query<'a>(
    client: &'a Client,
    (statement, params): &'a (Statement, Vec<&'a (dyn ToSql + Sync)>),
) -> Answering<'a> {
    Box::pin(client.query(statement, params))
}

fn command<'a>(client: &'a Client, sql: &'static str) -> Answering<'a> {
    Box::pin(async move { client.batch_execute(sql).await.map(|()| Vec::new()) })
}

/// Sends everything in order, and then waits for the answers.
async fn in_order(mut answers: Vec<Answering<'_>>) -> Result<Vec<Vec<Row>>, DriverError> {
    // A call is sent when it is polled for the first time.
    let mut early = poll_fn(|context: &mut Context<'_>| {
        Poll::Ready(answers.iter_mut().map(|call| call.as_mut().poll(context)).collect::<Vec<_>>())
    })
    .await
    .into_iter();
    let (mut rows, mut failure) = (Vec::with_capacity(answers.len()), None);
    for call in answers {
        let answer = match early.next() {
            Some(Poll::Ready(answer)) => answer,
            _ => call.await,
        };
        match answer {
            Ok(answer) => rows.push(answer),
            // The one that says that an earlier statement failed is not the first.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(rows), Err)
}

/// Whether another commit has put one of the keys first: `put.sql` and `put_new.sql` raise this.
pub(super) fn was_overtaken(error: &DriverError) -> bool {
    error.code() == Some(&SqlState::INVALID_TEXT_REPRESENTATION)
}
