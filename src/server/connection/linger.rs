//! Closing so that the client can read our last words.
//!
//! A socket that is closed with bytes unread resets the connection, and the reset overtakes the answer (or the
//! TLS alert) on its way. So our half is closed first, and what the client still sends is read and thrown away.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The most that is thrown away, in bytes: a client that still sends after this much has its reset.
const THROWN_AWAY: usize = 16 << 20;

/// Closes our half of `tcp`, reads until the client closes its own or `bound` is over, and drops it.
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
    // However it ends, the connection is over.
    let _ = timeout(bound, farewell).await;
}
