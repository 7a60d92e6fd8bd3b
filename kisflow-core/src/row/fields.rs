//! [`Fields`]: what a row type says of its fields.
//!
//! serde has no table of a type's fields, so the type's own `Deserialize` is run on made-up rows,
//! once at link. Of a type that is read, a field is required when a row without it gets exactly
//! that complaint. Of a type that is handed on, a made-up value is written, to see the names that it
//! writes. Where there is no such answer (a type that is no struct, `#[serde(flatten)]`, a field
//! that refuses the made-up value), nothing is claimed.

use std::{
    any::{TypeId, type_name},
    marker::PhantomData,
};

use serde::{Serialize, de::DeserializeOwned};

use super::made_up::{Answer, MadeUp};

/// The fields of a row type.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Fields {
    /// The type's name; empty where there is none to be had.
    pub(crate) type_name: &'static str,
    pub(crate) type_id: Option<TypeId>,
    /// Every field it reads, aliases too; empty where the type does not say.
    pub(crate) known: &'static [&'static str],
    /// The fields without which it refuses a row.
    pub(crate) required: Vec<&'static str>,
    /// The fields that a row of it may have when it is handed on, where that is known.
    pub(crate) written: Option<Vec<String>>,
}

impl Fields {
    /// What is known of a type that says nothing.
    pub(crate) fn hidden<T>() -> Self {
        Self {
            type_name: type_name::<T>(),
            type_id: None,
            known: &[],
            required: Vec::new(),
            written: None,
        }
    }
}

/// Asks `T`.
pub(crate) fn fields_of<T: DeserializeOwned>() -> Fields {
    let known = match T::deserialize(MadeUp::Names) {
        Err(Answer::Fields(known)) => known,
        _ => &[],
    };
    let required = known
        .iter()
        .filter(|field| matches!(T::deserialize(MadeUp::Without(field)), Err(Answer::Missing(missing)) if missing == **field))
        .copied()
        .collect();
    Fields { known, required, ..Fields::hidden::<T>() }
}

/// What a type says of the rows that are handed on as it.
pub struct Given<T>(PhantomData<T>);

impl<T: Serialize + DeserializeOwned + 'static> Given<T> {
    /// The fields of a type that can also be read: those that it reads, and those that a made-up
    /// value of it writes. (The two differ where serde is told other names for the two ways; a
    /// field may be left out of what is written now and then.)
    pub fn fields() -> Fields {
        let fields = fields_of::<T>();
        let mut written: Vec<String> = fields.known.iter().map(|name| (*name).to_owned()).collect();
        if let Ok(row) = T::deserialize(MadeUp::Whole)
            && let Ok(serde_json::Value::Object(row)) = serde_json::to_value(row)
        {
            let others = row.into_iter().map(|(name, _)| name);
            written.extend(others.filter(|name| !fields.known.contains(&name.as_str())));
        }
        let written = (!fields.known.is_empty()).then_some(written);
        Fields { written, type_id: Some(TypeId::of::<T>()), ..fields }
    }
}

/// What every other type is: one that hides its fields.
pub trait Hidden<T> {
    /// Nothing but its name.
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
        // `new` may come as `old`, so a row need not have a field of that name: made-up rows that
        // have both are refused, and no field is certain. Each row is scanned then.
        assert!(fields.required.is_empty());
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
        assert_eq!(fields.written.unwrap(), ["in", "maybe", "tags", "out"]);
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
