//! [`Fields`]: the fields of a row type.
//!
//! serde has no table of a type's fields, so an inspection runs the type's own `Deserialize` on
//! made-up rows. A field that refuses its made-up value gets another, and is left out if it refuses
//! all of them. For a type that is read, a field is required if a row without it gives exactly that
//! error. For a type that is handed on, a made-up value is written, to see the names that it
//! writes. Without such an answer (a type that is not a struct, `#[serde(flatten)]`, a field that
//! cannot be made up), nothing is claimed.

use std::{
    any::{TypeId, type_name},
    cell::Cell,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::made_up::{Answer, KINDS, MadeUp, Plan};

/// The fields of a row type.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Fields {
    /// The type's name; empty if it is unknown.
    pub(crate) type_name: &'static str,
    pub(crate) type_id: Option<TypeId>,
    /// Every field it reads, aliases too; empty where the type does not say.
    pub(crate) known: &'static [&'static str],
    /// The fields without which it refuses a row.
    pub(crate) required: Vec<&'static str>,
    /// Whether a row of it could be made up: otherwise there may be more that it requires.
    pub(crate) certain: bool,
    /// The fields that a row of it may have when it is handed on, where that is known.
    pub(crate) written: Option<Vec<String>>,
}

impl Fields {
    /// Whether `required` is all that a row has to have.
    pub(crate) fn says_what_it_needs(&self) -> bool {
        self.certain && !self.known.is_empty()
    }

    /// What is known of a type that says nothing.
    pub(crate) fn hidden<T>() -> Self {
        Self {
            type_name: type_name::<T>(),
            type_id: None,
            known: &[],
            required: Vec::new(),
            certain: false,
            written: None,
        }
    }
}

/// Asks `T`.
pub(crate) fn fields_of<T: DeserializeOwned>() -> Fields {
    ask::<T>().0
}

/// Asks `T`, and hands out the row that was made up.
fn ask<T: Deserialize<'static>>() -> (Fields, Option<MadeUpRow<T>>) {
    let known = match read::<T>(MadeUp::Names) {
        Err(Answer::Fields(known)) => known,
        _ => &[],
    };
    let fields = Fields { known, ..Fields::hidden::<T>() };
    let Some(mut made_up) = make_up::<T>(known.len()) else { return (fields, None) };
    let MadeUpRow { plan, aliased, .. } = &mut made_up;
    let mut required = Vec::new();
    for (index, field) in known.iter().enumerate() {
        let with = plan.fields.get_mut(index).and_then(Option::take);
        match read::<T>(MadeUp::Row(plan)) {
            Err(Answer::Missing(missing)) if missing == *field && !aliased.contains(field) => {
                required.push(*field);
            }
            _ => {}
        }
        plan.fields.iter_mut().skip(index).take(1).for_each(|field| *field = with);
    }
    (Fields { required, certain: true, ..fields }, Some(made_up))
}

/// A row that its type takes.
struct MadeUpRow<T> {
    row: T,
    plan: Plan,
    /// Fields that may come under other names: a row need not have one of this name.
    aliased: Vec<&'static str>,
}

/// Makes a row up. A field that is refused is something else the next time.
fn make_up<T: Deserialize<'static>>(fields: usize) -> Option<MadeUpRow<T>> {
    let mut plan = Plan { fields: vec![Some(0); fields], last: Cell::new(None) };
    let mut aliased = Vec::new();
    loop {
        let answer = match read::<T>(MadeUp::Row(&plan)) {
            Ok(row) => return Some(MadeUpRow { row, plan, aliased }),
            Err(answer) => answer,
        };
        let refused = plan.fields.get_mut(plan.last.take()?)?;
        *refused = match answer {
            Answer::Twice(field) => {
                aliased.push(field);
                None
            }
            _ => refused.map(|kind| kind + 1).filter(|kind| *kind < KINDS),
        };
    }
}

/// Reads a made-up row. What a type of the program's own does with such a row is not known: one that
/// panics refuses it.
fn read<T: Deserialize<'static>>(row: MadeUp<'_>) -> Result<T, Answer> {
    catch_unwind(AssertUnwindSafe(|| T::deserialize(row))).unwrap_or(Err(Answer::Other))
}

/// The fields of rows of a type that is handed on.
#[derive(Debug)]
pub struct Given<T>(PhantomData<T>);

// `Deserialize<'static>`: of a type with a `&'static str` the compiler would find that it is not
// `DeserializeOwned` only when it has chosen this already.
impl<T: Serialize + Deserialize<'static> + 'static> Given<T> {
    /// The fields of a type that can also be read: those that a made-up value of it writes, unless it
    /// has left some out. (A field may have one name for reading and another for writing.)
    #[must_use]
    pub fn fields() -> Fields {
        let (fields, made_up) = ask::<T>();
        let written = made_up.and_then(|MadeUpRow { row, aliased, .. }| {
            let Ok(serde_json::Value::Object(row)) = serde_json::to_value(row) else { return None };
            let all = row.len() + aliased.len() >= fields.known.len() && !fields.known.is_empty();
            all.then(|| {
                let known = fields.known.iter().copied().filter(|name| row.contains_key(*name));
                let others = row.keys().map(String::as_str);
                let others = others.filter(|name| !fields.known.contains(name));
                known.chain(others).map(str::to_owned).collect()
            })
        });
        Fields { written, type_id: Some(TypeId::of::<T>()), ..fields }
    }
}

/// What every other type is: one that hides its fields.
pub trait Hidden<T> {
    /// Nothing but its name.
    #[must_use]
    fn fields() -> Fields {
        Fields::hidden::<T>()
    }
}

impl<T> Hidden<T> for Given<T> {}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::{Deserialize, Serialize};

    use super::{Given, Hidden as _, fields_of};

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Inner {
        at: (u8, f32),
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    enum Kind {
        Point { x: u8 },
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Outer {
        id: u32,
        #[serde(rename = "kisName")]
        name: String,
        maybe: Option<f64>,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(alias = "old")]
        new: u8,
        inner: Inner,
        kind: Kind,
        more: HashMap<String, u8>,
    }

    #[test]
    fn a_struct_names_the_fields_it_cannot_do_without() {
        let fields = fields_of::<Outer>();
        assert!(fields.known.contains(&"old") && fields.known.contains(&"maybe"));
        // `new` may come as `old`, so a row need not have a field of that name.
        assert_eq!(fields.required, ["id", "kisName", "inner", "kind", "more"]);
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Plain {
        id: u32,
        #[serde(rename = "kisName")]
        name: String,
        maybe: Option<f64>,
        #[serde(default)]
        tags: Vec<String>,
        inner: Inner,
        kind: Kind,
        more: HashMap<String, u8>,
    }

    #[test]
    fn optional_and_defaulted_fields_are_not_required() {
        assert_eq!(fields_of::<Plain>().required, ["id", "kisName", "inner", "kind", "more"]);
    }

    /// Accepts only a text that is never made up.
    struct Secret;

    impl<'de> Deserialize<'de> for Secret {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match String::deserialize(deserializer)?.as_str() {
                "open sesame" => Ok(Self),
                _ => Err(serde::de::Error::custom("no")),
            }
        }
    }

    /// Takes for granted what a text is.
    struct Hasty;

    impl<'de> Deserialize<'de> for Hasty {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            assert_eq!(String::deserialize(deserializer)?.len(), 10);
            Ok(Self)
        }
    }

    /// A first variant that has itself within.
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    enum Endless {
        More(Box<Endless>),
        Pair { both: (Box<Endless>, Box<Endless>) },
        Last,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Choosy {
        count: std::num::NonZeroU32,
        from: std::net::IpAddr,
        endless: Endless,
        hasty: Hasty,
        any: serde_json::Value,
        #[serde(default, deserialize_with = "secret")]
        secret: Option<Secret>,
    }

    fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Secret::deserialize(from).map(Some)
    }

    #[test]
    fn a_field_that_refuses_what_is_made_up_gets_something_else_or_is_left_out() {
        let fields = fields_of::<Choosy>();
        assert_eq!(fields.required, ["count", "from", "endless", "hasty", "any"]);
        assert!(fields.certain);
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Locked {
        id: u32,
        secret: Secret,
    }

    #[test]
    fn where_no_row_can_be_made_up_nothing_is_certain() {
        let fields = fields_of::<Locked>();
        assert_eq!((fields.known, fields.certain), (&["id", "secret"][..], false));
        assert!(fields.required.is_empty());
    }

    #[test]
    fn a_type_that_is_no_struct_requires_nothing() {
        assert!(fields_of::<HashMap<String, u8>>().required.is_empty());
        assert!(fields_of::<serde_json::Value>().required.is_empty());
    }

    #[derive(Serialize, Deserialize)]
    struct Written {
        #[serde(rename(serialize = "out", deserialize = "in"))]
        renamed: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        maybe: Option<Box<Written>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<String>,
    }

    #[test]
    fn a_type_that_can_be_read_says_what_it_may_write() {
        let fields = Given::<Written>::fields();
        assert_eq!(fields.written.unwrap(), ["maybe", "tags", "out"]);
    }

    #[derive(Serialize, Deserialize)]
    struct Aliased {
        id: u8,
        #[serde(alias = "a")]
        b: u8,
    }

    #[derive(Serialize, Deserialize)]
    struct LeftOut {
        id: u8,
        #[serde(
            rename(serialize = "out", deserialize = "in"),
            skip_serializing_if = "Option::is_some"
        )]
        maybe: Option<u8>,
    }

    #[test]
    fn a_field_that_was_left_out_may_have_any_name() {
        assert_eq!(Given::<Aliased>::fields().written.unwrap(), ["id", "b"]);
        assert_eq!(Given::<LeftOut>::fields().written, None);
    }

    #[derive(Serialize)]
    struct OnlyWritten {
        a: u8,
    }

    #[test]
    fn a_type_that_hides_its_fields_claims_nothing() {
        assert!(Given::<OnlyWritten>::fields().written.is_none());
        assert!(Given::<HashMap<String, u8>>::fields().written.is_none());
        assert!(Given::<serde_json::Value>::fields().written.is_none());
        assert!(Given::<OnlyWritten>::fields().type_name.ends_with("OnlyWritten"));
    }
}
