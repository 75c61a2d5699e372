//! The state of a connection, and its next deadline.
//!
//! The parts of one connection (the socket below TLS, the service above HTTP, the bodies) write it, and the connection's
//! task reads it after each poll. All run in one task, so the lock is never contended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::clock;
use crate::server::limits::Limits;

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionProgress {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: RequestPhase,
    since: Instant,
    /// Since when the kernel accepts no data for the client.
    stalled: Option<Instant>,
    /// The last request's body was not read to its end.
    unread: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestPhase {
    /// The handshake has its own deadline.
    Handshake,
    /// Waiting for a request head, or reading it.
    Head,
    /// From a request head to the end of its response: the bodies and the handler have their own deadlines.
    Busy,
    /// Between requests.
    Idle,
}

/// What was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    Head,
    Idle,
    Stalled,
}

impl ConnectionProgress {
    pub(crate) fn new() -> Arc<ConnectionProgress> {
        let state =
            State { phase: RequestPhase::Handshake, since: clock::monotonic(), stalled: None, unread: false };
        Arc::new(ConnectionProgress { state: Mutex::new(state) })
    }

    /// The handshake is complete; the first request is next.
    pub(super) fn greeted(&self) {
        self.state().enter(RequestPhase::Head);
    }

    /// Received bytes from the client.
    pub(super) fn received(&self) {
        let mut state = self.state();
        if state.phase == RequestPhase::Idle {
            state.enter(RequestPhase::Head);
        }
    }

    /// The head of a request is complete.
    pub(super) fn asked(&self) {
        let mut state = self.state();
        state.enter(RequestPhase::Busy);
        state.unread = false;
    }

    /// The response is complete, or was abandoned.
    pub(super) fn answered(&self) {
        self.state().enter(RequestPhase::Idle);
    }

    /// The kernel accepts no more bytes for the client.
    pub(super) fn stalled(&self) {
        let mut state = self.state();
        state.stalled.get_or_insert_with(clock::monotonic);
    }

    /// The kernel accepted bytes for the client.
    pub(super) fn moved(&self) {
        self.state().stalled = None;
    }

    /// The request's body was dropped before its end.
    pub(super) fn left_unread(&self) {
        self.state().unread = true;
    }

    /// The client may still be sending a body that is not read.
    pub(super) fn is_unread(&self) -> bool {
        self.state().unread
    }

    /// The next deadline.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, Overdue)> {
        let state = self.state();
        let phase = match state.phase {
            RequestPhase::Handshake | RequestPhase::Busy => None,
            RequestPhase::Head => Some((state.since + limits.head, Overdue::Head)),
            RequestPhase::Idle => Some((state.since + limits.idle, Overdue::Idle)),
        };
        let stall = state.stalled.map(|since| (since + limits.stall, Overdue::Stalled));
        phase.into_iter().chain(stall).min_by_key(|(at, _)| *at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: RequestPhase) {
        self.phase = phase;
        self.since = clock::monotonic();
    }
}
