//! Closes a connection so that the client can read the last response.
//!
//! Closing a socket with unread bytes resets the connection, and the reset overtakes the response (or the TLS alert). So
//! our half is closed first, and what the client still sends is read and discarded.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The maximum to discard, in bytes: a client that sends more gets the reset.
const THROWN_AWAY: usize = 16 << 20;

/// Closes our half of `tcp`, reads until the client closes its half or `bound` has passed, and drops it.
pub(crate) async fn linger(mut tcp: TcpStream, bound: Duration) {
    let farewell = async {
        let mut scratch = [0; 4096];
        let mut left = THROWN_AWAY;
        tcp.shutdown().await.ok()?;
        while left > 0 {
            match tcp.read(&mut scratch).await.ok()? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        Some(())
    };
    // The result does not matter: the connection is over.
    let _ = timeout(bound, farewell).await;
}
