//! The engine of kisflow, and the traits that connectors implement. Programs depend on the crate
//! `kisflow`, which is this and the macros; connectors depend on this alone.
//!
//! | module | what it is |
//! |---|---|
//! | `row`, `batch`, `reject` | rows, rows that travel together, rows that cannot be used |
//! | `action`, `function`, `parameter` | functions, their parameters and results |
//! | `conf` | KisFlow's YAML files as structs |
//! | `connector`, `caas` | storage engines, and storage logic |
//! | `registry`, `link` | what the code offers, bound to what the conf says |
//! | `flow` | a linked chain, and its runs |
//! | `inspect` | findings about a conf before anything connects |
//! | `source`, `serve` | where rows come from, and flows that run by themselves |
//! | [`durable`] | the ordered store of everything that must survive |
//! | `quarantine` | rows that could not be processed |
//! | `health` | whether flows are ready to work |
//! | `metrics` | handles that are made at link |
//! | `text` | text of rows and names, for terminals and logs |

mod action;
mod backoff;
mod batch;
mod caas;
mod conf;
mod connector;
pub mod durable;
mod error;
mod flow;
mod function;
mod health;
mod inspect;
mod keyed;
mod link;
mod metrics;
pub mod millis;
mod parameter;
mod quarantine;
mod registry;
mod reject;
mod round;
mod row;
mod secret;
mod serve;
mod source;
mod text;

pub use async_trait::async_trait;
pub use tokio_util::sync::CancellationToken;

/// For messages about the conf outside the core: those of its tests.
#[doc(hidden)]
pub use crate::conf::{redact_secrets, suggest};
/// For the reference of the conf.
#[doc(hidden)]
pub use crate::connector::UNATTENDED_PARAMS;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub use crate::{
    action::Action,
    batch::{Batch, CsvForm, RowBytes, RowNotes, Rows},
    caas::{BoxFuture, StorageLogic},
    conf::{
        AbortScope, Address, AddressError, BatchConf, Conf, ConfError, ConnConf, ExpectConf,
        FlowConf, FunctionConf, FunctionSourceConf, GivenConf, GivenFile, GlobalConf, Guarantee,
        Mode, MustCheck, OnReject, OptionConf, Ordered, ParamError, Problem, QuarantineConf,
        RawParam, RawParams, RejectedConf, RowDefaults, SourceConf, Start, Status, StepConf,
        TestConf, TestRecords, WaitingConf, WhenFull,
    },
    connector::{
        AsDurable, AsStorage, Connector, Fields, Memory, MemoryParams, Private, PrivateServer,
        PrivateServerConf, PrivateServerPlace, Record, ScratchDir, StartPrivate, Storage,
    },
    durable::{Durable, Usage},
    error::{BoxError, Result, Unavailable, error_chain},
    flow::{
        Cache, Flow, Flows, FunctionReport, Metadata, Report, RowCounts, RunError, RunId,
        RunOutcome, UnknownFlow, Visit,
    },
    function::{Answer, BatchResult, Borrowed, Call, Function, Outcome, Place, RowResult},
    health::Health,
    inspect::{Edge, FunctionInfo, HandsOn, Inspection, RowType, Verdict},
    keyed::{KeyedState, StoredStates},
    link::{Link, LoadError},
    metrics::Exporter,
    parameter::{Caas, Conn, Cx, Parameter, Params, RecordError, State, Store, TestContext},
    quarantine::{
        CauseCount, FieldError, OtherRows, Quarantine, QuarantineError, QuarantineFilter,
        Quarantined, RetryFrom, RetryReport, RowText, fold_cause,
    },
    registry::Registry,
    reject::Reject,
    row::{Codec, Emit, PlainValue, RawRow, Row, json_value_end},
    secret::Secret,
    serve::{Ledger, ServeError, Served, ServedFlow, ServedOutcome, Shutdown, termination},
    source::{
        CarriedOver, Delivery, HandedOut, IdRanges, Positions, Receipt, Redelivery, Settled,
        SoleReader, Source, SourceContext, SourceProblem, StoredPosition, UnconfirmedIds,
        carry_over,
    },
    text::{escaped, is_obeyed},
};

/// What the macros expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "auto")]
    pub use inventory;

    pub use crate::{
        caas::{CaasCall, CaasDef},
        connector::ConnectorSlot,
        function::{
            Collector, Done, Emits, Failure, Fallible, Filter, FilterMap, Find, FlatMap, Found,
            FunctionDef, KeyedShim, Map, Missing, Plain, Replied, Shape, Shim, Unfit, Unreadable,
            task,
        },
        parameter::BoundStore,
        row::{FieldNames, Fields, Given, Hidden, Learned},
    };

    #[cfg(feature = "auto")]
    inventory::collect!(FunctionDef);
    #[cfg(feature = "auto")]
    inventory::collect!(CaasDef);

    /// Adds a definition to the list that `Registry::linked()` reads.
    #[cfg(feature = "auto")]
    #[macro_export]
    #[doc(hidden)]
    macro_rules! __submit {
        ($definition:expr) => {
            $crate::__private::inventory::submit! { $definition }
        };
    }

    /// Without the feature `auto` functions are registered by name.
    #[cfg(not(feature = "auto"))]
    #[macro_export]
    #[doc(hidden)]
    macro_rules! __submit {
        ($definition:expr) => {};
    }
}
