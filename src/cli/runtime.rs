//! The runtime of a command.

/// Runs a command that waits for the network.
pub(super) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(command);
    // Do not wait for a name lookup that hangs.
    runtime.shutdown_background();
    done
}
