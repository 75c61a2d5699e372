//! `/metrics`, read by a strict parser.

use std::collections::{BTreeMap, BTreeSet};

use openmetrics_parser::{openmetrics, prometheus};
use serde_json::json;
use support::daemon::Setup;
use support::{Client, Daemon, SOON};

const OPEN: &str =
    "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// The values of a scrape by series, such as `scsm_actions_total{action="pull",outcome="done"}`.
type Scrape = BTreeMap<String, f64>;

/// Scrapes in both formats, which must be well-formed.
fn scrape(daemon: &Daemon) -> Scrape {
    let open = daemon.client.request("/metrics", &["--header", OPEN], b"");
    assert_eq!(open.status, 200, "{open:?}");
    assert_eq!(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    if let Err(error) = openmetrics::parse_openmetrics(&without_units(&open.body)) {
        panic!("no OpenMetrics: {error}\n{}", open.body);
    }
    // For curl, and for a Prometheus that is older than OpenMetrics.
    let plain = daemon.client.get("/metrics");
    assert_eq!(plain.content_type, "text/plain; version=0.0.4; charset=utf-8");
    if let Err(error) = prometheus::parse_prometheus(&plain.body) {
        panic!("no Prometheus text: {error}\n{}", plain.body);
    }
    let series = plain.body.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    });
    series.collect()
}

/// The parser refuses units of histograms, which OpenMetrics allows. So these lines are checked here.
fn without_units(text: &str) -> String {
    let (units, others): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("# UNIT "));
    assert!(units.len() > 5, "{units:?}");
    for line in units {
        let (name, unit) = line.trim_start_matches("# UNIT ").split_once(' ').unwrap();
        assert!(name.ends_with(&format!("_{unit}")) && ["seconds", "bytes"].contains(&unit), "{line}");
    }
    others.join("\n") + "\n"
}

#[track_caller]
fn value(scrape: &Scrape, series: &str) -> f64 {
    *scrape.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", scrape.keys()))
}

#[track_caller]
fn shows(scrape: &Scrape, expected: &[(&str, f64)]) {
    for (series, wanted) in expected {
        assert_eq!(value(scrape, series), *wanted, "{series}");
    }
}

/// The counts of buckets grow with their bounds, and the last bucket has the total count.
fn histograms_add_up(scrape: &Scrape) {
    let mut families: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for (series, count) in scrape {
        let Some((name, labels)) = series.split_once("_bucket{") else { continue };
        let (labels, bound) = labels.trim_end_matches("\"}").split_once("le=\"").unwrap();
        let labels = labels.trim_end_matches(',').to_owned();
        families.entry((name.to_owned(), labels)).or_default().push((bound.parse().unwrap(), *count));
    }
    assert!(families.len() > 10, "{families:?}");
    for ((name, labels), mut buckets) in families {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{name} {labels}: {buckets:?}");
        let (bound, all) = buckets[buckets.len() - 1];
        let of = |suffix: &str| match labels.as_str() {
            "" => value(scrape, &format!("{name}{suffix}")),
            labels => value(scrape, &format!("{name}{suffix}{{{labels}}}")),
        };
        assert_eq!((bound, all), (f64::INFINITY, of("_count")), "{name} {labels}");
        // The values in a bucket are below its bound.
        let sum = of("_sum");
        let most: f64 = buckets.windows(2).map(|w| w[1].0 * (w[1].1 - w[0].1)).sum();
        let most = most + buckets[0].0 * buckets[0].1;
        assert!(sum >= 0.0 && (sum <= most || most.is_nan()), "{name} {labels}: {sum} {buckets:?}");
        assert!((all == 0.0) == (sum == 0.0), "{name} {labels}: {sum} {buckets:?}");
    }
}

fn only_grows(before: &Scrape, after: &Scrape) {
    let counts = ["_total", "_bucket", "_count", "_sum"];
    for (series, then) in before {
        let name = series.split('{').next().unwrap();
        if counts.iter().any(|suffix| name.ends_with(suffix)) {
            assert!(value(after, series) >= *then, "{series} went down");
        }
    }
}

#[test]
fn metrics_count_what_happened() {
    let daemon = Daemon::simulated();
    daemon.connected();
    let first = scrape(&daemon);
    histograms_add_up(&first);
    shows(&first, &[("scsm_containers_desired", 0.0), ("scsm_objects{phase=\"converged\"}", 0.0)]);

    daemon.client.submit(&json!({"Name": "web", "Image": "nginx:1.9.6", "Count": 5}));
    daemon.converges("web", SOON);
    let second = scrape(&daemon);
    shows(
        &second,
        &[
            ("scsm_containers_desired", 5.0),
            ("scsm_containers_running", 5.0),
            ("scsm_containers_ready", 5.0),
            ("scsm_object_containers_desired{object=\"web\"}", 5.0),
            ("scsm_object_containers_running{object=\"web\"}", 5.0),
            ("scsm_object_containers_ready{object=\"web\"}", 5.0),
            ("scsm_object_converged{object=\"web\"}", 1.0),
            ("scsm_objects{phase=\"converged\"}", 1.0),
            ("scsm_objects{phase=\"progressing\"}", 0.0),
            ("scsm_actions_total{action=\"create\",outcome=\"done\"}", 5.0),
            ("scsm_actions_total{action=\"pull\",outcome=\"done\"}", 1.0),
            ("scsm_actions_total{action=\"remove\",outcome=\"done\"}", 0.0),
            ("scsm_action_duration_seconds_count{action=\"create\"}", 5.0),
            ("scsm_engine_calls_total{call=\"create\",outcome=\"done\"}", 5.0),
            ("scsm_engine_calls_total{call=\"start\",outcome=\"done\"}", 5.0),
            ("scsm_engine_call_duration_seconds_count{call=\"start\"}", 5.0),
            ("scsm_store_calls_total{call=\"commit\",outcome=\"done\"}", 1.0),
            ("scsm_http_requests_total{route=\"/submit\",method=\"POST\",code=\"201\"}", 1.0),
            ("scsm_engine_connected", 1.0),
            ("scsm_engine_nodes{availability=\"up\"}", 3.0),
            ("scsm_connections_limit", 512.0),
            ("scsm_long_running_requests", 0.0),
        ],
    );
    assert!(value(&second, "scsm_connections_open") >= 1.0);
    assert!(value(&second, "scsm_engine_events_total") >= 10.0);
    assert!(value(&second, "scsm_reconcile_duration_seconds_count") >= 2.0);
    assert!(value(&second, "scsm_engine_calls_total{call=\"list\",outcome=\"done\"}") >= 1.0);
    assert!(value(&second, "scsm_last_complete_list_age_seconds") < 30.0);
    assert!(value(&second, "process_resident_memory_bytes") > 1e6);
    assert!(value(&second, "process_open_fds") > 5.0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let started = value(&second, "process_start_time_seconds");
    assert!((now - started).abs() < 120.0, "{started}, and now it is {now}");
    for which in ["server", "ca"] {
        let end = value(
            &second,
            &format!("scsm_certificate_not_after_timestamp_seconds{{certificate=\"{which}\"}}"),
        );
        assert!(end > now + 86_400.0 && end < now + 20.0 * 366.0 * 86_400.0, "{which}: {end}");
    }

    // A missing image, a refused submit, and a deletion.
    daemon.client.submit(&json!({"Name": "bad", "Image": "nosuch:1", "Count": 1}));
    let another = json!({"Name": "web", "Image": "a", "Count": 1}).to_string();
    let only_new = ["--header", "If-None-Match: *", "--data-binary", "@-"];
    let refused = daemon.client.request("/submit", &only_new, another.as_bytes());
    assert_eq!(refused.status, 412, "{refused:?}");
    daemon.wait_until(SOON, "the pull is refused", || {
        value(&scrape(&daemon), "scsm_actions_total{action=\"pull\",outcome=\"refused\"}") >= 1.0
    });
    assert_eq!(daemon.client.delete("/objects/web").status, 200);
    daemon.wait_until(SOON, "it is gone", || daemon.client.get("/status/web").status == 404);
    let third = scrape(&daemon);
    shows(
        &third,
        &[
            ("scsm_objects{phase=\"converged\"}", 0.0),
            ("scsm_object_converged{object=\"bad\"}", 0.0),
            ("scsm_containers_desired", 1.0),
            ("scsm_containers_running", 0.0),
            ("scsm_store_calls_total{call=\"commit\",outcome=\"refused\"}", 1.0),
            ("scsm_http_requests_total{route=\"/submit\",method=\"POST\",code=\"412\"}", 1.0),
            ("scsm_http_requests_total{route=\"/objects/{name}\",method=\"DELETE\",code=\"200\"}", 1.0),
        ],
    );
    assert!(value(&third, "scsm_actions_total{action=\"remove\",outcome=\"done\"}") >= 5.0);
    assert!(!third.contains_key("scsm_object_converged{object=\"web\"}"), "a deleted object is not shown");
    for pair in [[&first, &second], [&second, &third]] {
        only_grows(pair[0], pair[1]);
    }
    histograms_add_up(&third);
}

#[test]
fn clients_cannot_invent_labels() {
    let daemon = Daemon::simulated();
    let known: BTreeSet<String> = scrape(&daemon).into_keys().collect();
    for path in ["/nosuch", "/nosuch/too", "/objects/a/b/c", "/objects/one", "/objects/two"] {
        assert_eq!(daemon.client.get(path).status, 404, "{path}");
    }
    for method in ["BREW", "WHEN"] {
        assert_eq!(daemon.client.request("/status", &["--request", method], b"").status, 405);
    }
    let silent = Client::without_certificate(&daemon.url, &daemon.certificates());
    silent.try_request("/metrics", &[], b"").unwrap_err();
    let scraped = scrape(&daemon);
    shows(
        &scraped,
        &[
            ("scsm_http_requests_total{route=\"none\",method=\"GET\",code=\"404\"}", 3.0),
            ("scsm_http_requests_total{route=\"/objects/{name}\",method=\"GET\",code=\"404\"}", 2.0),
            ("scsm_http_requests_total{route=\"/status\",method=\"other\",code=\"405\"}", 2.0),
            ("scsm_connections_refused_total{reason=\"no_certificate\"}", 1.0),
        ],
    );
    let words = ["nosuch", "/one", "/two", "\"one", "\"two", "BREW", "WHEN"];
    let invented =
        scraped.keys().filter(|s| !known.contains(*s)).find(|s| words.iter().any(|w| s.contains(w)));
    assert_eq!(invented, None);
}

#[test]
fn an_engine_that_does_not_answer_is_shown() {
    let daemon = Setup::new().flag("--swarm-manager=unix:///nonexistent/docker.sock").start();
    let failed = "scsm_engine_calls_total{call=\"info\",outcome=\"failed\"}";
    daemon.wait_until(SOON, "a call has failed", || value(&scrape(&daemon), failed) >= 1.0);
    let scraped = scrape(&daemon);
    shows(&scraped, &[("scsm_engine_connected", 0.0)]);
    // Without a list there is no age of a list.
    assert!(!scraped.contains_key("scsm_last_complete_list_age_seconds"));
    histograms_add_up(&scraped);
}
