//! Requests by route, method and status code, and their durations.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::clock;

/// Bounds in seconds: from an answer out of a snapshot to [the longest](crate::server::limits::HANDLER).
const ANSWERS: [f64; 14] =
    [5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The route of requests that reached no route: unknown paths, and identities that exceed their rate.
const NO_ROUTE: &str = "none";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asking {
    route: Arc<str>,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: Arc<str>,
    method: &'static str,
    code: u16,
}

/// Counts and times requests.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    answers: Family<Answered, Counter>,
    durations: Family<Asking, Histogram, fn() -> Histogram>,
}

impl Default for Requests {
    fn default() -> Self {
        let histogram = || Histogram::new(ANSWERS);
        Requests { answers: Family::default(), durations: Family::new_with_constructor(histogram) }
    }
}

impl Requests {
    /// Begins a request whose head has arrived.
    pub(crate) fn begin(&self, method: &Method) -> RequestInProgress {
        RequestInProgress {
            requests: self.clone(),
            method: word(method),
            begun: clock::monotonic(),
            route: Route::default(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Responses, by route, method and status code";
        registry.register("http_requests", help, self.answers.clone());
        let help = "Time from the head of a request to the head of its response, by route and method; without requests that wait";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.durations.clone());
    }
}

/// Where the router records the route of a request: an extension of the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Route(Arc<OnceLock<Arc<str>>>);

impl Route {
    /// The request took this route: a template such as `/objects/{name}`, never the path itself.
    pub(crate) fn found(&self, template: &str) {
        self.0.get_or_init(|| template.into());
    }
}

/// A request in progress.
#[derive(Debug)]
pub(crate) struct RequestInProgress {
    requests: Requests,
    method: &'static str,
    begun: Instant,
    route: Route,
}

impl RequestInProgress {
    /// Where to record its route.
    pub(crate) fn route(&self) -> Route {
        self.route.clone()
    }

    /// Ends the request. One that waits is not timed: its duration depends on the containers. Nor is one with a method that its
    /// route does not allow: that would add a histogram per method that a client tries.
    pub(crate) fn answered(self, status: StatusCode, waited: bool) {
        let RequestInProgress { requests, method, begun, route } = self;
        let route = route.0.get().cloned().unwrap_or_else(|| NO_ROUTE.into());
        let took: Duration = begun.elapsed();
        if !waited && status != StatusCode::METHOD_NOT_ALLOWED {
            let asking = Asking { route: route.clone(), method };
            requests.durations.get_or_create(&asking).observe(took.as_secs_f64());
        }
        requests.answers.get_or_create(&Answered { route, method, code: status.as_u16() }).inc();
    }
}

/// Clients may invent methods; those get a common label.
fn word(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}
