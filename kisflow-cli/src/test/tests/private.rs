//! Tests on a private engine: each has its own.

use kisflow_core::{
    Answer, AsStorage, Borrowed, Call, Conn, ConnConf, Connector, Function, Link, Memory,
    Parameter, Place, Private, Registry, Result, StartPrivate, Storage,
};
use serde_json::Value;

use super::{Row, check};

/// An engine that a test can have for itself.
struct Held(Memory);

#[kisflow_core::async_trait]
impl Connector for Held {
    const TYPE: &'static str = "held";
    type Params = Row;

    async fn connect(_: &ConnConf, _: Row) -> Result<Self> {
        Err("a test connects to nothing".into())
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|held| &held.0)
    }

    fn private() -> Option<StartPrivate<Self>> {
        Some(|_, _| Box::pin(async { Ok(Private::new(Self(Memory::new()), ())) }))
    }
}

/// Functions that talk to it, and count what they find.
macro_rules! counting {
    ($($name:ident)*) => {$(
        struct $name;

        impl Function for $name {
            const NAME: &'static str = stringify!($name);
            const PLACE: Place = Place { file: file!(), line: line!() };
            const ASYNC: bool = true;
            type Bound = <Conn<'static, Held> as Parameter>::Bound;

            fn bind(link: &mut Link<'_>) -> Option<Self::Bound> {
                <Conn<'static, Held> as Parameter>::bind(link)
            }

            fn call<'a>(bound: &'a Self::Bound, call: Call<'a>) -> Answer<'a> {
                let held = <Conn<'static, Held> as Parameter>::get(bound, call.cx());
                call.batch_async(|rows: Borrowed<Row>| async move {
                    let keys: Vec<String> = (0..10).map(|id| format!("n{id}")).collect();
                    let there = held?.0.get(&keys).await?.iter().flatten().count();
                    let there = Row::from_iter([("there".to_owned(), Value::from(there))]);
                    call.finish_async(&rows, vec![there])
                })
            }
        }
    )*};
}

counting! { Hold Renew }

pub(super) fn register(registry: Registry) -> Registry {
    registry.connector::<Held>().function::<Hold>().function::<Renew>()
}

#[test]
fn a_private_engine_holds_what_this_test_gives_it_and_nothing_else() {
    let found = |there| format!("expect: {{rows: [{{there: {there}}}]}}\n");
    let saved = "given: {rows: [{id: 1, n: 5}]}\n";
    check(&format!("flow: Renew\n{saved}{}", found(1)), &[]);
    let given = "given: {rows: [{id: 1, n: 5}], records: {Fresh: {2: {n: 1}, 3: {n: 1}}}}\n";
    check(&format!("flow: Renew\n{given}{}", found(3)), &[]);
    // Nothing is left of the tests before.
    check(&format!("function: Renew\n{saved}{}", found(0)), &[]);
    let kept = "expect: {records: {Fresh: {1: {n: 5}}}}\n";
    check(&format!("flow: Renew\n{saved}{kept}"), &[]);
}
