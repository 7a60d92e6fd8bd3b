//! Stream computing inside your own service: small typed functions, strung into flows by YAML.
//!
//! Write one function per computation, annotate it with [`#[faas]`](macro@faas), string functions
//! into flows by conf, keep intermediate results in storage that you already run, and run the
//! flows as tokio tasks.
//!
//! ```
//! use kisflow::{Result, prelude::*};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Scores {
//!     stu_id: u32,
//!     score_1: f64,
//!     score_2: f64,
//! }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Average {
//!     stu_id: u32,
//!     avg_score: f64,
//! }
//!
//! #[faas("AvgStuScore12")]
//! fn avg_stu_score_12(row: &Scores) -> Average {
//!     Average { stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2) / 2.0 }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let flows = Registry::linked().link(FlowConf::new("CalStuAvgScore12").then::<avg_stu_score_12>()).await?;
//! let rows = Batch::json([r#"{"stu_id":101,"score_1":100,"score_2":90}"#]);
//! let report = flows.get("CalStuAvgScore12")?.run(rows).await?;
//! assert_eq!(*report.output().rows::<Average>()?, [Average { stu_id: 101, avg_score: 95.0 }]);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `auto` | yes | `Registry::linked()`, which finds every `#[faas]` and `#[caas]` |
//! | `cli` | no | [`cli`], the program's own command line |
//! | `file` | yes | [`File`] and [`Stdin`], sources of `type: file` and `type: stdin` |
//! | `http` | no | [`Http`], sources of `type: http`, which take posted rows |
//! | `nats` | no | [`Nats`], sources of `type: nats` |
//! | `postgres` | no | [`Postgres`], connectors of `type: postgres` |
//! | `prometheus` | yes | [`Prometheus`], the endpoint of metrics and health |
//! | `redb` | yes | [`Redb`], the embedded store: quarantine and positions without a server |
//! | `redis` | no | [`Redis`], connectors of `type: redis`, and [`RedisStream`], sources of `type: redis_stream` |
//!
//! # Where to look
//!
//! A program starts with a [`Registry`], runs a [`Batch`] through a [`Flow`], and gets a
//! [`Report`]. [`Parameter`] lists the parameters of functions; an engine implements [`Connector`]
//! and [`Storage`].
//!
//! [`Flows::serve`] runs flows by themselves, each fed by a [`Source`]. [`Quarantine`] has the rows
//! that could not be processed; an engine implements [`Durable`] to keep them.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cli")]
#[doc(inline)]
pub use kisflow_cli::{cli, cli_with};
#[doc(inline)]
pub use kisflow_core::millis;
#[doc(hidden)]
pub use kisflow_core::{__private, __submit};
#[doc(inline)]
pub use kisflow_core::{
    AbortScope, Action, Address, AddressError, Answer, AsDurable, AsStorage, Batch, BatchConf,
    BatchResult, Borrowed, BoxError, BoxFuture, Caas, Cache, Call, CancellationToken, CarriedOver,
    CauseCount, Codec, Conf, ConfError, Conn, ConnConf, Connector, CsvForm, Cx, Delivery, Durable,
    Edge, Emit, ExpectConf, Exporter, FieldError, Fields, Flow, FlowConf, Flows, Function,
    FunctionConf, FunctionInfo, FunctionReport, FunctionSourceConf, GivenConf, GivenFile,
    GlobalConf, Guarantee, HandedOut, HandsOn, Health, IdRanges, Inspection, KeyedState, Ledger,
    Link, LoadError, Memory, MemoryParams, Metadata, Mode, MustCheck, OnReject, OptionConf,
    Ordered, OtherRows, Outcome, ParamError, Parameter, Params, Place, PlainValue, Positions,
    Private, PrivateServer, PrivateServerConf, PrivateServerPlace, Problem, Quarantine,
    QuarantineConf, QuarantineError, QuarantineFilter, Quarantined, RawParam, RawParams, RawRow,
    Receipt, Record, RecordError, Redelivery, Registry, Reject, RejectedConf, Report, Result,
    RetryFrom, RetryReport, Row, RowBytes, RowCounts, RowDefaults, RowNotes, RowResult, RowText,
    RowType, Rows, RunError, RunId, RunOutcome, ScratchDir, Secret, ServeError, Served, ServedFlow,
    ServedOutcome, Settled, Shutdown, SoleReader, Source, SourceConf, SourceContext, SourceProblem,
    Start, StartPrivate, State, Status, StepConf, Storage, StorageLogic, Store, StoredPosition,
    StoredStates, TestConf, TestContext, TestRecords, Unavailable, UnconfirmedIds, UnknownFlow,
    Usage, Verdict, Visit, WaitingConf, WhenFull, async_trait, carry_over, durable, error_chain,
    escaped, fold_cause, is_obeyed, json_value_end, termination,
};
#[cfg(feature = "file")]
#[doc(inline)]
pub use kisflow_file::{File, Stdin};
#[cfg(feature = "http")]
#[doc(inline)]
pub use kisflow_http::Http;
#[doc(inline)]
pub use kisflow_macros::{caas, faas};
#[cfg(feature = "nats")]
#[doc(inline)]
pub use kisflow_nats::Nats;
#[cfg(feature = "postgres")]
#[doc(inline)]
pub use kisflow_postgres::Postgres;
#[cfg(feature = "prometheus")]
#[doc(inline)]
pub use kisflow_prometheus::Prometheus;
#[cfg(feature = "redb")]
#[doc(inline)]
pub use kisflow_redb::Redb;
#[cfg(feature = "redis")]
#[doc(inline)]
pub use kisflow_redis::{Redis, RedisStream};

/// The items that most programs with flows use: `use kisflow::prelude::*;`.
///
/// It has neither `File` nor `Result`, because programs use other types with these names.
pub mod prelude {
    #[cfg(feature = "file")]
    pub use kisflow_file::Stdin;
    #[cfg(feature = "http")]
    pub use kisflow_http::Http;
    #[cfg(feature = "nats")]
    pub use kisflow_nats::Nats;
    #[cfg(feature = "postgres")]
    pub use kisflow_postgres::Postgres;
    #[cfg(feature = "prometheus")]
    pub use kisflow_prometheus::Prometheus;
    #[cfg(feature = "redb")]
    pub use kisflow_redb::Redb;
    #[cfg(feature = "redis")]
    pub use kisflow_redis::{Redis, RedisStream};
    pub use serde::{Deserialize, Serialize};

    pub use crate::{
        Action, Batch, BoxError, Caas, CancellationToken, Codec, Conf, Conn, ConnConf, Connector,
        Cx, Flow, FlowConf, Flows, Function, FunctionConf, GlobalConf, Memory, Mode, OnReject,
        Params, RawParams, RawRow, Registry, Report, Row, RunError, RunOutcome, SourceConf, State,
        StepConf, Storage, Store, async_trait, caas, faas, termination,
    };
}

/// Runs the examples of the macros' documentation: their own crate cannot depend on this one.
#[cfg(doctest)]
mod macros {
    #[doc = include_str!("../kisflow-macros/src/faas.md")]
    mod faas {}
    #[doc = include_str!("../kisflow-macros/src/caas.md")]
    mod caas {}
}
