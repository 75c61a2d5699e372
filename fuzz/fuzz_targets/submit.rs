#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| swarm_cluster_state_manager::fuzzing::submit(input));
