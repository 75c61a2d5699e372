//! Keeps exactly `Count` containers of every submitted object running on a Docker API endpoint.
//!
//! # Data flow
//!
//! ```text
//! client ─mTLS─▶ server ─▶ http ─▶ store ──commit──▶ disk
//!                                    │ desired
//!                                    ▼
//!  engine ──list/events─▶ control: cache ─▶ worker ─▶ planner (pure) ─▶ plan ─▶ actuator ─▶ engine
//!                                    ▲                                             │
//!                                    └──────────────── outcomes ───────────────────┘
//! ```
//!
//! Data flows one way. [`server`] admits clients, [`http`] parses their requests into the types of [`core`] and commits
//! them to the [`store`], which publishes the desired state. The observer in [`control`] keeps a cache of our own
//! containers: complete lists fill it, events make it look sooner, and the outcomes of our own calls correct it. Each
//! object has one worker: on every wake-up, whatever the cause, it passes both snapshots, its memory and the time to the
//! [`planner`], a pure function, and passes the returned steps to the actuator, which performs them and decides nothing.
//! [`status`] is computed from the same snapshots; so are the answers to waiting clients and the plan of a dry run.
//! [`logs`] reads container output directly from the engine; nothing is decided by it.
//!
//! The subcommands of [`cli`] talk to a running daemon over the network through [`client`], like any other client.
//!
//! # Modules, in reading order
//!
//! * [`core`]: nouns and decisions, pure. [`planner`]: the rules, pure.
//! * [`engine`] and [`store`]: the two sides of the outside world, each a trait with several implementations.
//!   [`connector`]: connections to the engine's API and to a daemon.
//! * [`control`]: the reconcile loop. [`status`], [`logs`], [`telemetry`]: what users see of it.
//! * [`api`]: the wire contract. [`http`]: the routes. [`server`] and [`certificates`]: connections and TLS.
//! * [`client`] and [`cli`]: the other side of the wire. [`app`]: composition and supervision.
//!
//! # Rules that hold everywhere
//!
//! * The planner does no I/O and reads no clock; the same input gives the same plan, and a plan prints as one line per
//!   step, with its cause.
//! * Submits, events, timers and outcomes only mean "reconcile again". Every step may be repeated. First start, recovery
//!   after a crash and steady state are one code path.
//! * Nothing is planned before the first complete list, and a container that a list lacks is not missing until that is
//!   proven: [`core::availability`] decides which nodes may be believed, the observer asks the engine about the id.
//! * One place decides which containers are ours, [`core::claim`]: labels alone are no proof. Other containers are never
//!   touched, and containers are removed by their full id only.
//! * An engine call has one of four outcomes ([`core::outcome::Outcome`]). A create with an unknown outcome keeps its name
//!   and counts as occupied until it is resolved.
//! * Text from outside passes through [`core::sanitize`] where it enters, and has a bound in bytes.
//! * Each external interface is named in one place: the engine's API in [`engine`], axum in [`http`], rustls' server side in
//!   [`server`], clap in [`cli`], redb in [`store`], the Prometheus client in [`telemetry`].
//! * Every task has an owner: [`app`] starts all of them, and when one of the loops ends, the process ends too.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod core;
mod planner;

pub mod connector;
pub mod engine;
pub mod store;

pub mod control;
pub mod logs;
pub mod status;
pub mod telemetry;

pub mod api;
pub mod certificates;
mod http;
mod server;

pub mod cli;
pub mod client;

mod app;
pub mod clock;
mod crash_points;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
