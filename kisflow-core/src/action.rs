//! [`Action`]: a request of a function to its flow.

use std::{borrow::Cow, fmt, ops::BitOr};

/// A request of a function to its flow, beside or instead of handing on rows.
///
/// Combine actions with `|`; the order does not matter. Abort beats Jump.
///
/// ```
/// use kisflow_core::Action;
///
/// let action = Action::Reuse | Action::Jump("AvgStuScore".into());
/// assert_eq!(action, Action::Jump("AvgStuScore".into()) | Action::Reuse);
/// ```
#[derive(Clone, Debug, Default, Eq)]
#[non_exhaustive]
pub enum Action {
    /// The default: rows go to the next function; without rows the flow ends.
    #[default]
    Next,
    /// Hands the function's own input on, all fields intact; what it emitted is dropped.
    Reuse,
    /// Enters the next function even with no rows.
    Force,
    /// Continues at the named function. Its input is what the function before it produced in this
    /// run (the flow's input, if it is the first); if that function has not run, the result of the
    /// function that jumps. For a function that is in the flow several times it is the last place.
    Jump(Cow<'static, str>),
    /// Ends the run after this function, normally, for every row of the batch.
    ///
    /// What the function emitted is the run's output; if it emitted nothing, its rows count as
    /// aborted. A flow with a source gets up to `batch.rows` rows (500) in one run. There, a Verify
    /// function that aborts is called again with parts of the batch, and ends only the rows for
    /// which it aborts when it is called with each alone; other functions end all rows of the batch,
    /// which are acknowledged. The flow's [`abort`](crate::FlowConf::abort) decides otherwise. To
    /// drop one row, return `false` from a function of one row (`fn(&T) -> bool`).
    Abort,
    /// Several at once.
    All(Vec<Action>),
}

impl BitOr for Action {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        match (self, other) {
            (Self::Next, action) | (action, Self::Next) => action,
            (Self::All(mut all), Self::All(more)) => {
                all.extend(more);
                Self::All(all)
            }
            (Self::All(mut all), action) | (action, Self::All(mut all)) => {
                all.push(action);
                Self::All(all)
            }
            (first, second) => Self::All(vec![first, second]),
        }
    }
}

/// Two actions are equal if they have the same effect.
impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.plan() == other.plan()
    }
}

/// `Reuse`, `Jump(AvgStuScore)`, several with ` | ` between them.
impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan();
        let words = [("Reuse", plan.reuse), ("Force", plan.force), ("Abort", plan.abort)];
        let words = words.iter().filter(|(_, is)| *is).map(|(word, _)| (*word).to_owned());
        let jumps = plan.jump.iter().map(|target| format!("Jump({target})"));
        let words: Vec<String> = words.chain(jumps).collect();
        formatter.write_str(if words.is_empty() { "Next" } else { "" })?;
        formatter.write_str(&words.join(" | "))
    }
}

/// An action as the engine reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) reuse: bool,
    pub(crate) force: bool,
    pub(crate) abort: bool,
    /// Several targets are a mistake, which only the run can report.
    pub(crate) jump: Vec<Cow<'static, str>>,
}

impl Action {
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        plan.add(self);
        plan
    }
}

impl From<&Plan> for Action {
    fn from(plan: &Plan) -> Self {
        let jumps = plan.jump.iter().map(|target| Self::Jump(target.clone()));
        let words =
            [(plan.reuse, Self::Reuse), (plan.force, Self::Force), (plan.abort, Self::Abort)];
        let words = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word);
        words.chain(jumps).fold(Self::Next, BitOr::bitor)
    }
}

impl Plan {
    fn add(&mut self, action: &Action) {
        match action {
            Action::Next => {}
            Action::Reuse => self.reuse = true,
            Action::Force => self.force = true,
            Action::Abort => self.abort = true,
            Action::Jump(target) => {
                if !self.jump.contains(target) {
                    self.jump.push(target.clone());
                    self.jump.sort_unstable();
                }
            }
            Action::All(actions) => actions.iter().for_each(|action| self.add(action)),
        }
    }
}
