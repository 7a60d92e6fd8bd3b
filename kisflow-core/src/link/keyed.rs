//! What can be said of functions that keep state before anything runs.

use crate::{
    conf::{Conf, FlowConf, FunctionConf, Guarantee, Problem},
    durable::Limits,
    link::Linker,
    source::Delivery,
};

/// Returns a problem if the states of one batch may be more than a commit takes.
pub(crate) fn check_batch(
    flow: &FlowConf,
    conf: &Conf,
    keyed: usize,
    limits: Limits,
) -> Option<Problem> {
    let source = conf.sources.get(flow.source.as_ref()?)?;
    // A position has two entries.
    let parts = if flow.guarantee == Guarantee::ExactlyOnce { Delivery::PARTS } else { 1 };
    let most = limits.keys.saturating_sub(2 * parts) / keyed.max(1);
    let rows = usize::try_from(source.batch.rows).unwrap_or(usize::MAX);
    (keyed > 0 && rows > most).then(|| {
        let message = format!(
            "the functions of flow `{}` keep {keyed} states for each row, and the store changes at most {} entries at once; set it to at most {most}",
            flow.flow_name, limits.keys
        );
        source.origin.problem(format!("source `{}`", source.sname), "batch.rows", message)
    })
}

impl Linker {
    /// Checks the function at one place of a flow; `is_keyed` if it keeps state.
    pub(super) fn check_state(
        &self,
        flow: &FlowConf,
        step: usize,
        function: &FunctionConf,
        is_keyed: bool,
        problems: &mut Vec<Problem>,
    ) {
        let fname = &function.fname;
        let of_function = |path: &str, message: &str| {
            function.origin.problem(format!("function `{fname}`"), path, message)
        };
        match (is_keyed, function.option.key.is_empty()) {
            (false, true) => return,
            (false, false) => {
                problems.push(of_function("option.key", "the function keeps no state; remove the key, or take the state of a row as a parameter: `state: &mut S` beside `row: &T`"));
                return;
            }
            (true, true) => problems.push(of_function("option.key", "the function keeps state; say by which field of its rows: `option: {key: card}`, or several: `key: [origin, hour]`")),
            (true, false) => {}
        }
        let of_flow = |at: usize, message: String| {
            let path = format!("flows[{at}].fname");
            flow.origin.problem(format!("flow `{}`", flow.flow_name), &path, message)
        };
        let first = flow.flows.iter().position(|place| place.fname == *fname);
        if let Some(first) = first.filter(|first| *first < step) {
            let message = format!(
                "function `{fname}` keeps state and is in the flow already, as flows[{first}]: both would change the same states; register the function by another name as well"
            );
            problems.push(of_flow(step, message));
        }
        // A row that came twice would change the state twice.
        for (at, place) in flow.flows.iter().enumerate() {
            let jumps = |function: &FunctionConf| !function.option.jump.is_empty();
            if self.functions.get(&place.fname).is_some_and(|function| jumps(function)) {
                let message = format!(
                    "function `{}` jumps, and `{fname}` of the same flow keeps state, which a row that comes again would change twice; move what jumps to a flow of its own",
                    place.fname
                );
                problems.push(of_flow(at, message));
            }
        }
    }
}
