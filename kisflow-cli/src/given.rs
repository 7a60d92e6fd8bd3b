//! Given records: put into connectors before a test, or before the rows of a dry run.

use std::collections::BTreeMap;

use kisflow_core::{Conf, Flows, RawParams, TestRecords, error_chain, suggest};
use serde_json::value::RawValue;

/// The connectors of the records that the conf does not have, each with a message.
pub(crate) fn unknown<'a>(
    conf: &'a Conf,
    records: &'a TestRecords,
) -> impl Iterator<Item = (&'a str, String)> {
    let unknown = records.keys().filter(|cname| !conf.connectors.contains_key(*cname));
    unknown.map(|cname| {
        let hint = suggest(cname, conf.connectors.keys().map(String::as_str));
        (cname.as_str(), format!("no connector is named \"{cname}\"{hint}"))
    })
}

/// Puts records into the connectors of `flows`. `whom` names the flows in messages (`this test`).
///
/// # Errors
///
/// Returns the first connector that does not take its records, and why.
pub(crate) async fn put<'a>(
    flows: &Flows,
    records: &'a TestRecords,
    whom: &str,
) -> Result<(), (&'a str, String)> {
    for (cname, records) in records {
        let store = flows.store(cname).ok_or_else(|| (cname.as_str(), unused(whom, cname)))?;
        let records = records.iter().map(|(id, fields)| (id, record(fields)));
        let put = store.put(records).await;
        put.map_err(|error| {
            (cname.as_str(), format!("the records do not fit: {}", error_chain(&*error)))
        })?;
    }
    Ok(())
}

/// Returns the fields of a record, whose numbers keep the digits of the conf.
fn record(fields: &RawParams) -> BTreeMap<&String, Box<RawValue>> {
    let value = |text| RawValue::from_string(text).ok();
    let fields = fields.iter();
    fields.filter_map(|(name, field)| Some((name, value(field.to_json_text())?))).collect()
}

/// The message about a connector that no function uses.
pub(crate) fn unused(whom: &str, cname: &str) -> String {
    format!("no function of {whom} uses connector `{cname}`, or its engine keeps no records")
}
