//! The program: reads the command line and hands over.

use std::process::ExitCode;

/// Gives memory back to the system when a burst of requests is over; glibc's keeps most of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    swarm_cluster_state_manager::cli::main()
}
