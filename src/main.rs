//! The program: reads the command line and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    swarm_cluster_state_manager::cli::main()
}
