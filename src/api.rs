//! The wire contract: one struct per response, which server, client and OpenAPI document share.
//!
//! A client works with an older and with a newer daemon: it ignores unknown fields, keeps unknown words as they are
//! (see `words`), and a field that was added after the first release has a default.

mod words;

pub(crate) mod change;
pub(crate) mod event;
pub(crate) mod logs;
pub(crate) mod object;
pub(crate) mod plan;
pub mod problem;
pub mod status;
pub(crate) mod stream;
