//! How far a connection is, and by when it has to get on.
//!
//! Written by the parts of one connection (the socket below TLS, the service above HTTP, the bodies) and read by
//! that connection's own task after each poll. So the lock is never waited for; it is there because the parts
//! share it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::clock;
use crate::server::accept::Limits;

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// The kernel has taken nothing of what is ready for the client since then.
    stalled: Option<Instant>,
    /// The last request's body was not read to its end.
    unread: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The handshake has its own deadline.
    Handshake,
    /// A request's head is awaited or under way.
    Head,
    /// From a request's head to the end of its answer: the bodies and the handler have deadlines of their own.
    Busy,
    /// Between requests.
    Idle,
}

/// What a connection was too slow with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    Head,
    Idle,
    Stalled,
}

impl Progress {
    pub(crate) fn new() -> Arc<Progress> {
        let state =
            State { phase: Phase::Handshake, since: clock::monotonic(), stalled: None, unread: false };
        Arc::new(Progress { state: Mutex::new(state) })
    }

    /// The handshake is done; the first request is awaited.
    pub(super) fn greeted(&self) {
        self.state().enter(Phase::Head);
    }

    /// Bytes have come from the client.
    pub(super) fn received(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            state.enter(Phase::Head);
        }
    }

    /// The head of a request is complete.
    pub(super) fn asked(&self) {
        let mut state = self.state();
        state.enter(Phase::Busy);
        state.unread = false;
    }

    /// The answer is complete, or given up.
    pub(super) fn answered(&self) {
        self.state().enter(Phase::Idle);
    }

    /// The kernel takes no more bytes for the client.
    pub(super) fn stalled(&self) {
        let mut state = self.state();
        state.stalled.get_or_insert_with(clock::monotonic);
    }

    /// The kernel has taken bytes for the client.
    pub(super) fn moved(&self) {
        self.state().stalled = None;
    }

    /// The request's body was dropped before its end.
    pub(super) fn left_unread(&self) {
        self.state().unread = true;
    }

    /// The client may still be sending a body that nobody reads.
    pub(super) fn is_unread(&self) -> bool {
        self.state().unread
    }

    /// The next moment at which something is overdue.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, Overdue)> {
        let state = self.state();
        let phase = match state.phase {
            Phase::Handshake | Phase::Busy => None,
            Phase::Head => Some((state.since + limits.head, Overdue::Head)),
            Phase::Idle => Some((state.since + limits.idle, Overdue::Idle)),
        };
        let stall = state.stalled.map(|since| (since + limits.stall, Overdue::Stalled));
        phase.into_iter().chain(stall).min_by_key(|(at, _)| *at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = clock::monotonic();
    }
}
