//! A process that is out of file descriptors.

use std::io::{Read, Seek};
use std::path::Path;
use std::process::Command;

use super::*;

/// Runs [`descriptors_run_out`] in a separate process with a low limit of open files.
#[tokio::test]
async fn without_free_descriptors_the_server_waits_and_recovers() {
    let test = "server::accept::tests::descriptors::descriptors_run_out";
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -n 64; exec "$0" --exact "$1" --ignored --test-threads 1"#])
        .arg(program)
        .arg(test);
    command.env("SCSM_TEST_FILES", &FIXTURE.server.cert);
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
#[ignore = "run by without_free_descriptors_the_server_waits_and_recovers"]
async fn descriptors_run_out() {
    let file = |name| Path::new(&std::env::var_os("SCSM_TEST_FILES").unwrap()).with_file_name(name);
    let server = Files { ca: file("ca.pem"), cert: file("server.pem"), key: file("server-key.pem") };
    let client = Files { ca: file("ca.pem"), cert: file("cert.pem"), key: file("cert-key.pem") };
    let server = TestServer::start_with(&server, Limits::default());
    let config = Identity::load(&client).unwrap().client_config().unwrap();

    let statistics = std::fs::File::open("/proc/self/stat").unwrap();

    // The process has both ends of each connection, so the limit is reached soon.
    let mut crowd = Vec::new();
    while let Ok(stream) = TcpStream::connect(server.address).await {
        crowd.push(stream);
        assert!(crowd.len() < 100);
    }
    drop(crowd.pop());
    let waiting = TcpStream::connect(server.address).await.expect("the kernel still accepts it");
    let before = processor_time(&statistics);
    sleep(ms(1500)).await;
    let spent = processor_time(&statistics) - before;
    assert!(spent < ms(200), "it must not spin: {spent:?}");
    assert!(!server.served.is_finished());

    crowd.clear();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client =
        timeout(ms(5000), TlsConnector::from(config).connect(name, waiting)).await.unwrap().unwrap();
    assert!(send(&mut client, GET).await.unwrap().ends_with("hello\n"));
}

/// The processor time of the process, from `/proc/self/stat`, which was opened before.
fn processor_time(mut statistics: &std::fs::File) -> Duration {
    let mut text = String::new();
    statistics.rewind().unwrap();
    statistics.read_to_string(&mut text).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ms(ticks * 10)
}
