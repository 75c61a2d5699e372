//! What each flag of `docker run` becomes.

use std::collections::BTreeSet;

use super::*;

/// What each flag becomes.
fn table() -> Vec<(Vec<&'static str>, Value)> {
    let host = |config: Value| json!({ "HostConfig": config });
    let health = |fields: Value| json!({ "Healthcheck": fields });
    vec![
        (vec!["--entrypoint", "/run.sh"], json!({"Entrypoint": ["/run.sh"]})),
        (vec!["--entrypoint="], json!({"Entrypoint": [""]})),
        (vec!["-e", "A=1=2", "--env=B="], json!({"Env": ["A=1=2", "B="]})),
        (vec!["-e", "HOME", "-e", "EMPTY", "-e", "NOPE"], json!({"Env": ["HOME=/root", "EMPTY=", "NOPE"]})),
        (
            vec!["-e", "A=2", "--env-file", "env"],
            json!({"Env": ["A=1", "B=  2", "HOME=/root", "C=x y ", "A=2"]}),
        ),
        (vec!["-u", "1000:1000"], json!({"User": "1000:1000"})),
        (vec!["--user", "a", "--user="], json!({})),
        (vec!["-w", "/src"], json!({"WorkingDir": "/src"})),
        (vec!["-h", "web"], json!({"Hostname": "web"})),
        (vec!["--domainname", "example.com"], json!({"Domainname": "example.com"})),
        (
            vec!["-l", "team=ops", "--label", "a.b=c=d", "-lflag", "--label-file", "labels"],
            json!({"Labels": {"team": "ops", "a.b": "c=d", "flag": ""}}),
        ),
        (vec!["-t"], json!({"Tty": true})),
        (vec!["-it", "-d"], json!({"Tty": true, "OpenStdin": true})),
        (vec!["-dit=false"], json!({"OpenStdin": true})),
        (vec!["--init"], host(json!({"Init": true}))),
        (vec!["--init=false"], host(json!({"Init": false}))),
        (vec!["--stop-signal", "SIGQUIT"], json!({"StopSignal": "SIGQUIT"})),
        (vec!["--stop-timeout", "0"], json!({"StopTimeout": 0})),
        (vec!["--restart", "always"], host(json!({"RestartPolicy": {"Name": "always"}}))),
        (
            vec!["--restart=on-failure:3"],
            host(json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}})),
        ),
        (vec!["--restart", "no"], json!({})),
        (vec!["--pull", "always"], json!({"Pull": "always"})),
        (vec!["--group-add", "audio", "--group-add=1"], host(json!({"GroupAdd": ["audio", "1"]}))),
        (
            vec![
                "--health-cmd",
                "curl -f localhost || exit 1",
                "--health-interval=1m30s",
                "--health-timeout",
                "5s",
            ],
            health(
                json!({"Test": ["CMD-SHELL", "curl -f localhost || exit 1"], "Interval": 90_000_000_000_u64,
                          "Timeout": 5_000_000_000_u64}),
            ),
        ),
        (
            vec!["--health-retries", "3", "--health-start-period=10s", "--health-start-interval", "500ms"],
            health(json!({"Retries": 3, "StartPeriod": 10_000_000_000_u64, "StartInterval": 500_000_000})),
        ),
        (vec!["--health-retries", "0", "--health-cmd="], json!({})),
        (vec!["--no-healthcheck"], health(json!({"Test": ["NONE"]}))),
        (
            vec!["-p8080:80"],
            json!({"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}}),
        ),
        (
            vec!["-p=80"],
            json!({"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": ""}]}}}),
        ),
        (vec!["-P"], host(json!({"PublishAllPorts": true}))),
        (
            vec!["--expose", "53/udp", "--expose=7000-7001"],
            json!({"ExposedPorts": {"53/udp": {}, "7000/tcp": {}, "7001/tcp": {}}}),
        ),
        (vec!["--network", "shop"], host(json!({"NetworkMode": "shop"}))),
        (vec!["--net=none"], host(json!({"NetworkMode": "none"}))),
        (
            vec![
                "--network-alias",
                "api",
                "--network",
                "shop",
                "--net-alias=v2",
                "--ip",
                "172.30.1.1",
                "--ip6=2001:db8::33",
                "--link-local-ip",
                "169.254.1.1",
                "--mac-address",
                "92:d0:c6:0a:29:33",
            ],
            json!({"HostConfig": {"NetworkMode": "shop"}, "NetworkingConfig": {"EndpointsConfig": {"shop": {
                "Aliases": ["api", "v2"], "MacAddress": "92:d0:c6:0a:29:33",
                "IPAMConfig": {"IPv4Address": "172.30.1.1", "IPv6Address": "2001:db8::33", "LinkLocalIPs": ["169.254.1.1"]}}}}}),
        ),
        (
            vec!["--network", "name=shop,alias=api,\"alias=b\"", "--network", "back"],
            json!({"HostConfig": {"NetworkMode": "shop"},
                   "NetworkingConfig": {"EndpointsConfig": {"shop": {"Aliases": ["api", "b"]}, "back": {}}}}),
        ),
        (
            vec!["--mac-address=92:d0:c6:0a:29:33"],
            json!({"NetworkingConfig": {"EndpointsConfig": {"bridge": {"MacAddress": "92:d0:c6:0a:29:33"}}}}),
        ),
        (vec!["--dns", "1.1.1.1", "--dns=::1"], host(json!({"Dns": ["1.1.1.1", "::1"]}))),
        (vec!["--dns-search", "example.com"], host(json!({"DnsSearch": ["example.com"]}))),
        (
            vec!["--dns-option", "ndots:1", "--dns-opt=rotate"],
            host(json!({"DnsOptions": ["ndots:1", "rotate"]})),
        ),
        (
            vec![
                "--add-host",
                "a:10.0.0.1",
                "--add-host=b=[::1]",
                "--add-host",
                "c:host-gateway",
                "--add-host",
                "d:::1",
            ],
            host(json!({"ExtraHosts": ["a:10.0.0.1", "b:::1", "c:host-gateway", "d:::1"]})),
        ),
        (
            vec!["-v", "data:/data", "-vlogs:/logs:ro", "--volume=data:/data"],
            host(json!({"Binds": ["data:/data", "logs:/logs:ro"]})),
        ),
        (vec!["-v", "/cache"], json!({"Volumes": {"/cache": {}}})),
        (
            vec!["-v", "./src:/src", "-v", "/etc/x:/x"],
            host(json!({"Binds": ["/here/./src:/src", "/etc/x:/x"]})),
        ),
        (
            vec!["--mount", "source=data,dst=/data,readonly,volume-nocopy,volume-label=a=b"],
            host(json!({"Mounts": [{"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": true,
                                    "VolumeOptions": {"NoCopy": true, "Labels": {"a": "b"}}}]})),
        ),
        (
            vec![
                "--mount",
                "type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777",
                "--mount",
                "type=bind,src=.,target=/b,ro=false",
            ],
            host(
                json!({"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 67_108_864, "Mode": 0o1777}},
                                   {"Type": "bind", "Source": "/here/.", "Target": "/b"}]}),
            ),
        ),
        (
            vec!["--tmpfs", "/run:size=1m,noexec", "--tmpfs=/tmp"],
            host(json!({"Tmpfs": {"/run": "size=1m,noexec", "/tmp": ""}})),
        ),
        (vec!["--volume-driver", "local"], host(json!({"VolumeDriver": "local"}))),
        (vec!["--volumes-from", "other:ro"], host(json!({"VolumesFrom": ["other:ro"]}))),
        (vec!["--read-only"], host(json!({"ReadonlyRootfs": true}))),
        (vec!["--shm-size", "1g"], host(json!({"ShmSize": 1 << 30}))),
        (vec!["--storage-opt", "size=10G"], host(json!({"StorageOpt": {"size": "10G"}}))),
        (
            vec!["-m512m", "--memory-reservation=256m", "--memory-swap", "-1", "--memory-swappiness", "10"],
            host(
                json!({"Memory": 536_870_912, "MemoryReservation": 268_435_456, "MemorySwap": -1, "MemorySwappiness": 10}),
            ),
        ),
        (
            vec!["--cpus", "1.5", "-c", "512", "--cpuset-cpus", "0-1", "--cpuset-mems=0"],
            host(
                json!({"NanoCpus": 1_500_000_000, "CpuShares": 512, "CpusetCpus": "0-1", "CpusetMems": "0"}),
            ),
        ),
        (
            vec![
                "--cpu-period",
                "100000",
                "--cpu-quota=50000",
                "--cpu-rt-period",
                "1000",
                "--cpu-rt-runtime=950",
            ],
            host(
                json!({"CpuPeriod": 100_000, "CpuQuota": 50_000, "CpuRealtimePeriod": 1000, "CpuRealtimeRuntime": 950}),
            ),
        ),
        (vec!["--cpu-count", "2", "--cpu-percent=50"], host(json!({"CpuCount": 2, "CpuPercent": 50}))),
        (vec!["--pids-limit", "-1"], host(json!({"PidsLimit": -1}))),
        (
            vec!["--ulimit", "nofile=1024:2048", "--ulimit=core=-1", "--ulimit", "nofile=4096"],
            host(
                json!({"Ulimits": [{"Name": "core", "Soft": -1, "Hard": -1}, {"Name": "nofile", "Soft": 4096, "Hard": 4096}]}),
            ),
        ),
        (vec!["--blkio-weight", "300"], host(json!({"BlkioWeight": 300}))),
        (
            vec![
                "--blkio-weight-device",
                "/dev/sda:200",
                "--device-read-bps=/dev/sda:1mb",
                "--device-write-bps",
                "/dev/sda:2mb",
                "--device-read-iops=/dev/sda:10",
                "--device-write-iops",
                "/dev/sda:20",
            ],
            host(json!({"BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 200}],
                        "BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1 << 20}],
                        "BlkioDeviceWriteBps": [{"Path": "/dev/sda", "Rate": 2 << 20}],
                        "BlkioDeviceReadIOps": [{"Path": "/dev/sda", "Rate": 10}],
                        "BlkioDeviceWriteIOps": [{"Path": "/dev/sda", "Rate": 20}]})),
        ),
        (
            vec!["--oom-kill-disable", "--oom-score-adj", "-500"],
            host(json!({"OomKillDisable": true, "OomScoreAdj": -500})),
        ),
        (vec!["--privileged"], host(json!({"Privileged": true}))),
        (vec!["--privileged", "--privileged=false"], json!({})),
        (
            vec!["--cap-add", "net_admin", "--cap-drop=ALL", "--cap-add=CAP_NET_ADMIN"],
            host(json!({"CapAdd": ["CAP_NET_ADMIN"], "CapDrop": ["ALL"]})),
        ),
        (
            vec![
                "--security-opt",
                "no-new-privileges",
                "--security-opt=apparmor:mine",
                "--security-opt",
                "seccomp=profile.json",
            ],
            host(
                json!({"SecurityOpt": ["no-new-privileges", "apparmor:mine", "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}"]}),
            ),
        ),
        (
            vec!["--security-opt", "systempaths=unconfined"],
            host(json!({"MaskedPaths": [], "ReadonlyPaths": []})),
        ),
        (
            vec![
                "--device",
                "/dev/fuse",
                "--device=/dev/sda:/dev/x:r",
                "--device",
                "/dev/sdb:rw",
                "--device",
                "vendor.com/gpu=0",
            ],
            host(json!({
                "Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
                            {"PathOnHost": "/dev/sda", "PathInContainer": "/dev/x", "CgroupPermissions": "r"},
                            {"PathOnHost": "/dev/sdb", "PathInContainer": "/dev/sdb", "CgroupPermissions": "rw"}],
                "DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["vendor.com/gpu=0"]}]})),
        ),
        (vec!["--device-cgroup-rule", "c 42:* rmw"], host(json!({"DeviceCgroupRules": ["c 42:* rmw"]}))),
        (vec!["--gpus", "all"], host(json!({"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}))),
        (
            vec!["--gpus", "\"device=0,1\",capabilities=utility"],
            host(
                json!({"DeviceRequests": [{"DeviceIDs": ["0", "1"], "Capabilities": [["utility", "gpu"]]}]}),
            ),
        ),
        (
            vec!["--sysctl", "net.core.somaxconn=1024"],
            host(json!({"Sysctls": {"net.core.somaxconn": "1024"}})),
        ),
        (
            vec![
                "--ipc",
                "shareable",
                "--pid=host",
                "--uts",
                "host",
                "--userns=host",
                "--cgroupns",
                "private",
            ],
            host(
                json!({"IpcMode": "shareable", "PidMode": "host", "UTSMode": "host", "UsernsMode": "host", "CgroupnsMode": "private"}),
            ),
        ),
        (
            vec!["--cgroup-parent", "/x", "--runtime=runc", "--isolation", "default"],
            host(json!({"CgroupParent": "/x", "Runtime": "runc", "Isolation": "default"})),
        ),
        (
            vec!["--log-driver", "json-file", "--log-opt", "max-size=10m", "--log-opt=labels=a,b"],
            host(json!({"LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "labels": "a,b"}}})),
        ),
        (vec!["--annotation", "a=b"], host(json!({"Annotations": {"a": "b"}}))),
    ]
}

#[test]
fn each_flag_sets_what_docker_sets() {
    for (options, expected) in table() {
        assert_eq!(run(&options).0, expected, "{options:?}");
    }
}

#[test]
fn a_flag_without_equivalent_is_left_out_with_a_reason() {
    for (options, name) in [
        (vec!["--rm"], "rm"),
        (vec!["-a", "stdout"], "attach"),
        (vec!["--detach-keys=ctrl-a"], "detach-keys"),
        (vec!["--sig-proxy=false"], "sig-proxy"),
        (vec!["--cidfile", "/tmp/id"], "cidfile"),
        (vec!["--pidfile", "/tmp/pid"], "pidfile"),
        (vec!["--platform", "linux/arm64"], "platform"),
        (vec!["-q"], "quiet"),
        (vec!["--disable-content-trust=false"], "disable-content-trust"),
        (vec!["--replace"], "replace"),
        (vec!["--kernel-memory", "1g"], "kernel-memory"),
    ] {
        let (object, notes) = run(&options);
        assert_eq!(object, json!({}), "{options:?}");
        let [note] = &notes[..] else { panic!("{options:?}: {notes:?}") };
        assert!(note.starts_with(&format!("note: --{name} is left out: ")), "{note}");
    }
    let (_, notes) =
        converted(&["docker", "-H", "tcp://n1:2376", "--tls", "run", "--name", "x", "a"]).unwrap();
    assert!(
        notes.len() == 2 && notes[0].contains("--host is left out") && notes[1].contains("--tls is"),
        "{notes:?}"
    );
}

#[test]
fn every_flag_has_a_test() {
    let here = [include_str!("../tests.rs"), include_str!("every_flag.rs")].concat();
    for flag in flags::FLAGS {
        let long = |name: &&str| ["\"", "="].iter().any(|end| here.contains(&format!("\"--{name}{end}")));
        let short = flag.short.is_some_and(|letter| here.contains(&format!("\"-{letter}")));
        assert!(short || flag.names.iter().any(long), "--{} is in no test", flag.name());
    }
    let shorts: Vec<char> = flags::FLAGS.iter().filter_map(|flag| flag.short).collect();
    assert_eq!(shorts.iter().collect::<BTreeSet<_>>().len(), shorts.len(), "a letter stands for one flag");
    let names: Vec<&str> = flags::FLAGS.iter().flat_map(|flag| flag.names.iter().copied()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name stands for one flag");
}
