//! The status while waiting. The outcome does not depend on it: errors are left to the questions.

use std::future::pending;
use std::time::Duration;

use futures_util::{Stream, stream};
use http::Method;
use tokio::time::sleep;

use crate::client::answers::{Change, Receipt};
use crate::client::{Ask, Daemon, Lines};

/// The pause before a watch that ended is started again.
const RETRY: Duration = Duration::from_secs(1);

/// All changes of the status, without end.
pub(super) fn changes<'a>(daemon: &'a Daemon, receipts: &[Receipt]) -> impl Stream<Item = Change> + use<'a> {
    let path = match receipts {
        [one] => format!("/status/{}", one.name),
        _ => "/status".to_owned(),
    };
    let ask = Ask::new(Method::GET, path).with("watch", "true");
    stream::unfold(None::<Lines>, move |mut open| {
        let ask = ask.clone();
        async move {
            loop {
                match &mut open {
                    Some(lines) => match lines.next().await {
                        Ok(Some(line)) => {
                            if let Ok(change) = serde_json::from_str(&line) {
                                return Some((change, open));
                            }
                        }
                        Ok(None) | Err(_) => {
                            open = None;
                            sleep(RETRY).await;
                        }
                    },
                    None => match daemon.stream(ask.clone()).await {
                        Ok(lines) => open = Some(lines),
                        Err(error) if error.passes_after().is_none() => pending().await,
                        Err(_) => sleep(RETRY).await,
                    },
                }
            }
        }
    })
}
