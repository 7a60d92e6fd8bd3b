//! [`Secret`]: a text that is never printed, such as a password.

use std::{
    env::{self, VarError},
    fmt,
};

use serde::{Deserialize, Deserializer, de};

/// A text that is never printed, such as a password among the params of a connector.
///
/// ```
/// use kisflow_core::Secret;
///
/// assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the secret that a param holds, or the environment variable that `PARAM_env` names;
    /// `None` if neither is set.
    ///
    /// # Errors
    ///
    /// A message for the user of the conf: when both are set, or as [`from_env`](Self::from_env).
    pub fn find(
        param: &str,
        written: Option<&Self>,
        variable: Option<&str>,
    ) -> Result<Option<Self>, String> {
        match (written, variable) {
            (Some(_), Some(_)) => {
                Err(format!("both `{param}` and `{param}_env` are set; drop one, best `{param}`"))
            }
            (written, None) => Ok(written.cloned()),
            (None, Some(variable)) => Self::from_env(&format!("{param}_env"), variable).map(Some),
        }
    }

    /// Returns the value of the environment variable that `param` names.
    ///
    /// # Errors
    ///
    /// A message for the user of the conf, without the value: when the variable is not set, empty,
    /// or not UTF-8.
    pub fn from_env(param: &str, variable: &str) -> Result<Self, String> {
        Self::of_variable(param, variable, env::var(variable))
    }

    fn of_variable(
        param: &str,
        variable: &str,
        value: Result<String, VarError>,
    ) -> Result<Self, String> {
        let why = match value {
            Ok(text) if !text.is_empty() => return Ok(Self(text)),
            Ok(_) => "empty",
            Err(VarError::NotPresent) => "not set",
            // `VarError` itself would print the value.
            Err(VarError::NotUnicode(_)) => "not UTF-8",
        };
        Err(format!("the environment variable `{variable}` of `{param}` is {why}"))
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Written out because serde's own messages quote the value that they refuse.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        macro_rules! refuse {
            ($($method:ident($type:ty),)*) => {
                $(fn $method<E: de::Error>(self, _: $type) -> Result<Secret, E> {
                    Err(E::custom("a password is a text; write it in quotes"))
                })*
            };
        }

        impl de::Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a password as a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::from(text))
            }

            refuse! { visit_bool(bool), visit_i64(i64), visit_i128(i128), visit_u64(u64), visit_u128(u128), visit_f64(f64), }
        }

        deserializer.deserialize_string(Text)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::{IntoDeserializer, value::Error};

    use super::*;

    #[test]
    fn a_secret_is_what_a_param_holds_and_never_both() {
        let written = Secret::from("hunter2");
        let find = |written, variable| Secret::find("password", written, variable);
        assert_eq!(find(None, None), Ok(None));
        assert_eq!(find(Some(&written), None), Ok(Some(written.clone())));
        let both = find(Some(&written), Some("SET")).unwrap_err();
        assert_eq!(both, "both `password` and `password_env` are set; drop one, best `password`");
        // Cargo sets it for its tests.
        let found = find(None, Some("CARGO_MANIFEST_DIR")).unwrap().unwrap();
        assert_eq!(found.reveal(), env!("CARGO_MANIFEST_DIR"));
        let gone = find(None, Some("KISFLOW_HAS_NO_SUCH_VARIABLE")).unwrap_err();
        assert_eq!(
            gone,
            "the environment variable `KISFLOW_HAS_NO_SUCH_VARIABLE` of `password_env` is not set"
        );
    }

    #[test]
    fn a_variable_that_holds_no_secret_is_explained_and_never_shown() {
        let wrong = |value| Secret::of_variable("token_env", "TOKEN", value).unwrap_err();
        let of = "the environment variable `TOKEN` of `token_env` is ";
        assert_eq!(wrong(Err(VarError::NotPresent)), format!("{of}not set"));
        assert_eq!(wrong(Ok(String::new())), format!("{of}empty"));
        let bytes = wrong(Err(VarError::NotUnicode("hunter2".into())));
        assert_eq!(bytes, format!("{of}not UTF-8"));
    }

    #[test]
    fn a_secret_that_is_a_number_is_refused_without_being_quoted() {
        let read =
            |number: u64| Secret::deserialize(IntoDeserializer::<Error>::into_deserializer(number));
        assert_eq!(
            read(123_456).unwrap_err().to_string(),
            "a password is a text; write it in quotes"
        );
        assert!(!format!("{:?}", Some(Secret::from("hunter2"))).contains("hunter2"));
    }
}
