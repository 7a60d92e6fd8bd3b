//! Finds floats that JSON cannot hold. Only rows whose JSON has a `null` in it come here.

use serde::Serialize;
use serde_yaml::Value;

use crate::error::BoxError;

/// Refuses a row with a NaN or an infinity, naming the place.
pub(crate) fn check<T: Serialize + ?Sized>(row: &T) -> Result<(), BoxError> {
    // YAML has words for them, so its value model keeps what JSON's loses.
    let value = serde_yaml::to_value(row)?;
    match culprit(&value, &mut Vec::new()) {
        Some((path, number)) => Err(format!(
            "{} is {number}, which JSON has no number for",
            if path.is_empty() { "it" } else { &path }
        )
        .into()),
        None => Ok(()),
    }
}

fn culprit(value: &Value, path: &mut Vec<String>) -> Option<(String, f64)> {
    let mut inside = |key: String, value: &Value| {
        path.push(key);
        let found = culprit(value, path);
        path.pop();
        found
    };
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if !float.is_finite() => Some((path.join("."), float)),
            _ => None,
        },
        Value::Sequence(items) => {
            items.iter().enumerate().find_map(|(index, item)| inside(index.to_string(), item))
        }
        Value::Mapping(fields) => fields.iter().find_map(|(key, item)| {
            inside(key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned), item)
        }),
        Value::Tagged(tagged) => culprit(&tagged.value, path),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_nan_is_named_by_its_path() {
        #[derive(serde::Serialize)]
        struct Point {
            at: Vec<Option<f64>>,
        }
        let row = Point { at: vec![None, Some(f64::NAN)] };
        assert_eq!(
            check(&row).unwrap_err().to_string(),
            "at.1 is NaN, which JSON has no number for"
        );
        assert!(check(&Point { at: vec![None, Some(1.0)] }).is_ok());
    }
}
