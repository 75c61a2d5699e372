//! Keeps exactly `Count` containers of every submitted object running on a Docker API endpoint.
//!
//! # Data flow
//!
//! ```text
//! client ─mTLS─▶ http ─▶ store ──commit──▶ disk
//!                          │ desired
//!                          ▼
//!  engine ──list/events─▶ observed ─▶ worker of an object ─▶ planner (pure) ─▶ plan ─▶ actuator ─▶ engine
//!                          ▲                                                             │
//!                          └──────────────────── outcomes ───────────────────────────────┘
//! ```
//!
//! Data goes one way round. [`http`] parses what a client sent into the types of [`model`] and commits it to
//! the [`store`], which publishes a *desired* snapshot. The observer in [`observed`] keeps a cache of our own
//! containers from complete lists, hurried along by events, and corrected by the outcomes of our own calls.
//! Every object has one [`worker`]: on each wake-up, whatever its reason, it hands both snapshots, its
//! [`history`] and the time to the [`planner`], a pure function, and gives the steps that come back to the
//! [`actuator`], which performs and decides nothing. The [`status`] page is made from the same snapshots; so are the
//! answers to those who wait, and what [`planner::forecast`] tells beforehand. The [`feed`] tells those who watch what
//! changes in the status; what was done, and why, stands in the [`journal`]. What containers write is read through
//! [`logs`], past all of this: nothing is decided by it.
//!
//! Subcommands of [`cli`] ask a running daemon over the network, through [`client`], as any other client does.
//!
//! # Rules that hold everywhere
//!
//! * The planner does no I/O and reads no clock; the same input gives the same plan, and a plan prints as one
//!   line a step, with its cause.
//! * Submits, events, timers and outcomes only mean "look again". Every step may be repeated. First start,
//!   recovery after a crash and steady state are one code path.
//! * Nothing is planned before the first complete list, and what a list lacks is not missing until it is proven:
//!   [`observed::nodes`] knows which nodes may be believed, the observer what the engine says of an id.
//! * Which containers are ours is decided in one place, [`ownership::claim`]: labels alone are no proof. Others are
//!   never touched, and containers are removed by their full id only.
//! * An engine call has one of four outcomes ([`engine::Outcome`]); one whose effect is unknown keeps its name
//!   and counts as occupied until it is known.
//! * Text from outside passes through [`sanitize`] where it enters, and has a bound in bytes.
//! * Each outside thing is named in one place: bollard in [`engine`], axum and rustls' server side in [`http`],
//!   clap in [`cli`], redb in [`store`], the Prometheus client in [`metrics`].
//! * Every task has an owner: [`app`] starts all of them, and when one of the loops ends the process ends too.

pub mod actuator;
pub mod app;
pub mod backoff;
pub mod certificates;
pub mod cli;
pub mod client;
pub mod clock;
pub mod death;
pub mod engine;
pub mod feed;
pub mod history;
pub mod http;
pub mod journal;
pub mod logs;
pub mod metrics;
pub mod model;
pub mod observed;
pub mod ownership;
pub mod planner;
pub mod policy;
pub mod pulse;
pub mod sanitize;
pub mod status;
pub mod store;
pub mod worker;
