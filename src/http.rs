//! The HTTP API: routes and their handlers.
//!
//! [`server`](crate::server) owns the connections and passes requests of authenticated clients to the [`router()`]. A handler
//! parses, authorizes with its caller, commits or reads a snapshot, and responds. It never calls the engine (logs come
//! through [`logs`](crate::logs)) or a worker; one that waits watches snapshots. Errors are
//! [`Problem`](crate::api::problem::Problem) documents.

mod backup;
mod caller;
mod change;
mod endpoint;
mod events;
mod expensive;
mod health;
mod history;
mod logs;
mod metrics;
mod middleware;
mod negotiate;
mod objects;
mod openapi;
mod plan;
mod problem;
mod query;
mod reply;
mod router;
mod shared_response;
mod shared_responses;
mod state;
mod status;
mod stream;
mod submit;
mod wait;

pub(crate) use expensive::Expensive;
pub(crate) use router::router;
pub(crate) use shared_responses::SharedResponses;
pub(crate) use state::{ApiState, long_running_requests};
