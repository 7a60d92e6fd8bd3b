//! [`Routes`]: the paths of one listener.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};

use crate::{body, gate::Gate, head, refusal::Refusal};

/// The paths of one listener, and their gates.
#[derive(Default)]
pub(crate) struct Routes {
    by_path: RwLock<HashMap<String, Route>>,
}

struct Route {
    gate: Arc<Gate>,
    /// A flow that has left refuses its clients with a retry until the listener closes: with
    /// another answer they would not post again.
    open: bool,
}

impl Routes {
    /// Adds a path.
    ///
    /// # Errors
    ///
    /// The name of the flow that has the path.
    pub(crate) fn add(&self, gate: Arc<Gate>) -> Result<(), String> {
        self.with(|by_path| match by_path.get(&gate.path) {
            Some(route) if route.open => Err(route.gate.flow.clone()),
            _ => {
                by_path.insert(gate.path.clone(), Route { gate, open: true });
                Ok(())
            }
        })
    }

    /// Records that a path's flow has left. Returns whether it was the last one.
    pub(crate) fn leave(&self, gate: &Arc<Gate>) -> bool {
        self.with(|by_path| {
            let route = by_path.get_mut(&gate.path);
            let Some(route) = route.filter(|route| route.open && Arc::ptr_eq(&route.gate, gate))
            else {
                return false;
            };
            route.open = false;
            !by_path.values().any(|route| route.open)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, Route>) -> T) -> T {
        change(&mut self.by_path.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn at(&self, path: &str) -> Option<Arc<Gate>> {
        let by_path = self.by_path.read().unwrap_or_else(PoisonError::into_inner);
        by_path.get(path).map(|route| route.gate.clone())
    }

    /// What answers requests.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(answer).with_state(self)
    }
}

async fn answer(State(routes): State<Arc<Routes>>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    let path = parts.uri.path();
    let answer = match routes.at(path) {
        Some(gate) => gate.take(&parts, &mut body).await,
        None => Err(Refusal::Path { path: path.to_owned() }),
    };
    match answer {
        Ok(answer) => answer,
        Err(refusal) => {
            // A client that waits for a word sends nothing; one that was too slow stays so.
            if !head::waits(&parts.headers) && !refusal.is_slow() {
                body::discard(&mut body).await;
            }
            refusal.into_response()
        }
    }
}
