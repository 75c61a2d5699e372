//! Watches the loops and the signals, and shuts down in order.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::signal::unix::Signal;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::control::Tasks;
use crate::server::accept;
use crate::store::redb::Writer;

/// How long steps may continue after the signal. The outcome of the others is in doubt until the next start.
const FINISH_STEPS: Duration = Duration::from_secs(5);

/// The last lines of the log have this long to reach the disk.
const WRITE_LOG: Duration = Duration::from_secs(1);

pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
}

/// The loops, apart from the server.
pub(super) struct Loops {
    pub(super) tasks: Tasks,
    pub(super) reporter: JoinHandle<()>,
    pub(super) writer: Option<Writer>,
}

/// Watches the loops and the signals.
pub(super) async fn supervise(
    mut signals: Signals,
    loops: Loops,
    mut server: JoinHandle<Result<(), accept::ServeError>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Loops { mut tasks, mut reporter, writer } = loops;
    // It stops last, so that the log contains the last steps of the others.
    let all_done = CancellationToken::new();
    let writer_end = all_done.clone();
    let mut writer = tokio::spawn(async move {
        match writer {
            Some(writer) => writer.run(writer_end).await,
            None => writer_end.cancelled().await,
        }
    });
    tokio::select! {
        _ = signals.terminate.recv() => info!("SIGTERM: stopping; a second one exits at once"),
        _ = signals.interrupt.recv() => info!("SIGINT: stopping; a second one exits at once"),
        ended = tasks.watch() => return Err(ended.into()),
        ended = &mut reporter => match ended {
            Ok(()) => bail!("the status reporter ended unexpectedly"),
            Err(error) => bail!("the status reporter panicked: {error}"),
        },
        ended = &mut writer => match ended {
            Ok(()) => bail!("the writer of the state ended unexpectedly"),
            Err(error) => bail!("the writer of the state panicked: {error}"),
        },
        ended = &mut server => return Err(match ended {
            Ok(Ok(())) => anyhow!("the server ended unexpectedly"),
            Ok(Err(error)) => error.into(),
            Err(error) => anyhow!("the server panicked: {error}"),
        }),
    }
    stop.cancel();
    let orderly = async {
        let steps = timeout(FINISH_STEPS, tasks.finish_steps()).await;
        if steps.is_err() {
            warn!(
                "steps were still under way after {}: the next start finds their outcome",
                humantime::format_duration(FINISH_STEPS)
            );
        }
        let served = server.await;
        all_done.cancel();
        if timeout(WRITE_LOG, &mut writer).await.is_err() {
            warn!("the end of the log could not be written in time");
        }
        served
    };
    tokio::select! {
        ended = orderly => ended.context("the server panicked while stopping")?.context("the server failed while stopping")?,
        _ = signals.terminate.recv() => bail!("a second SIGTERM: exited at once"),
        _ = signals.interrupt.recv() => bail!("a second SIGINT: exited at once"),
    }
    reporter.abort();
    info!("stopped");
    Ok(())
}
