//! The response to a scrape: the counters, and gauges computed from snapshots at that moment.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::core::availability::Availability;
use crate::core::condition::Phase;
use crate::server::fair_share::FairShare;
use crate::status::{Figures, StatusReader};
use crate::telemetry::Metrics;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The Prometheus text format, which every scraper understands.
    Prometheus,
    /// OpenMetrics 1.0, for scrapers that ask for it: it includes units.
    OpenMetrics,
}

impl Format {
    /// The value of `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => prometheus_text::CONTENT_TYPE,
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The expiry of a certificate: its label and its last valid moment.
pub(crate) type Expiry = (&'static str, SystemTime);

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub(crate) struct Exposition(Registry);

impl Exposition {
    /// Exposes `metrics`, and gauges that are read from the other arguments at each scrape; `long` has the permits for
    /// long-running requests.
    pub(crate) fn new(
        metrics: &Metrics,
        sources: StatusReader,
        long: Arc<FairShare>,
        certificates: Vec<Expiry>,
    ) -> Exposition {
        let mut root = Registry::default();
        #[cfg(target_os = "linux")]
        root.register_collector(Box::new(crate::telemetry::process::OwnProcess));
        let own = root.sub_registry_with_prefix("scsm");
        own.register(
            "build",
            "The version of this program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        metrics.register(own);
        own.register_collector(Box::new(ComputedGauges { sources, long, certificates }));
        Exposition(root)
    }

    /// The text of a scrape; it ends with a newline.
    pub(crate) fn write(&self, format: Format) -> Result<String, fmt::Error> {
        let mut written = String::new();
        match format {
            Format::Prometheus => prometheus_text::encode(&mut written, &self.0)?,
            Format::OpenMetrics => text::encode(&mut written, &self.0)?,
        }
        Ok(written)
    }
}

/// Gauges that are computed at each scrape.
struct ComputedGauges {
    sources: StatusReader,
    long: Arc<FairShare>,
    certificates: Vec<Expiry>,
}

impl fmt::Debug for ComputedGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComputedGauges").finish_non_exhaustive()
    }
}

impl Collector for ComputedGauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauges = Gauges(encoder);
        self.engine(&mut gauges)?;
        self.objects(&mut gauges)?;
        let writable = u32::from(self.sources.store.trouble().is_none());
        gauges.one("state_writable", "1 if the state can be written.", None, writable)?;
        let last = *self.sources.store.event_log().last().borrow();
        gauges.one("event_log_last_id", "Number of the last event.", None, last)?;
        gauges.one("long_running_requests", "Waits and streams in progress.", None, self.long.in_use())?;
        gauges.one(
            "long_running_requests_limit",
            "Limit on concurrent waits and streams.",
            None,
            self.long.limit(),
        )?;
        let ends = self.certificates.iter().map(|(which, end)| ([("certificate", *which)], seconds(*end)));
        let help = "Expiry of a certificate, since the Unix epoch; the earliest of several.";
        gauges.many("certificate_not_after_timestamp", help, Some(Unit::Seconds), ends)
    }
}

impl ComputedGauges {
    fn engine(&self, gauges: &mut Gauges<'_>) -> fmt::Result {
        let state = self.sources.cache.engine().borrow().clone();
        let connected = state.trouble.is_none() && state.listed.is_some();
        let help = "1 if the engine answers and can be used.";
        gauges.one("engine_connected", help, None, u32::from(connected))?;
        if let Some(at) = state.listed {
            let help = "Time since the last complete list began; absent before the first one.";
            let age = self.sources.clock.now().since(at).as_secs_f64();
            gauges.one("last_complete_list_age", help, Some(Unit::Seconds), age)?;
        }
        let all = [
            Availability::Up,
            Availability::Settling,
            Availability::Down,
            Availability::Unknown,
            Availability::Lost,
        ];
        let nodes = all.map(|availability| {
            let count = state.nodes.all().filter(|node| node.availability == availability).count();
            ([("availability", availability.word())], count)
        });
        gauges.many(
            "engine_nodes",
            "Nodes behind the engine, by availability; a plain engine counts as one.",
            None,
            nodes,
        )
    }

    fn objects(&self, gauges: &mut Gauges<'_>) -> fmt::Result {
        let objects = self.sources.figures();
        let phases = [Phase::Converged, Phase::Progressing, Phase::Degraded, Phase::Blocked, Phase::Deleting];
        let by_phase = phases.map(|phase| {
            ([("phase", phase.word())], objects.iter().filter(|object| object.phase == phase).count())
        });
        gauges.many("objects", "Objects by phase.", None, by_phase)?;
        let quarantined = self.sources.store.quarantined().len();
        let help = "Objects that are stored and cannot be read.";
        gauges.one("objects_quarantined", help, None, quarantined)?;
        let help = "Containers with this cluster's label that are left alone.";
        gauges.one("containers_unclaimed", help, None, self.sources.unclaimed())?;
        let rivals = self.sources.cache.rivals().borrow().clone();
        let help = "Containers of this cluster that another manager created; their objects are held.";
        gauges.one("containers_rival", help, None, rivals.values().sum::<usize>())?;
        let help = "Other managers that have containers in this cluster.";
        gauges.one("rival_managers", help, None, rivals.len())?;

        type Figure = fn(&Figures) -> usize;
        let figures = [
            ("desired", "that are wanted", (|object| object.wanted) as Figure),
            ("running", "whose process runs", |object| object.running),
            ("ready", "that are running and not known to be unhealthy", |object| object.ready),
        ];
        for (name, which, figure) in figures {
            let help = format!("Containers {which}, of all objects.");
            let sum: usize = objects.iter().map(figure).sum();
            gauges.one(&format!("containers_{name}"), &help, None, sum)?;
        }
        for (name, which, figure) in figures {
            let help = format!("Containers of an object {which}.");
            let each = objects.iter().map(|object| (object.label(), figure(object)));
            gauges.many(&format!("object_containers_{name}"), &help, None, each)?;
        }
        let help =
            "Unrequested ends and health check failures of an object's containers since its last submit.";
        let restarts = objects.iter().map(|object| (object.label(), object.restarts));
        gauges.many("object_restarts", help, None, restarts)?;
        let converged =
            objects.iter().map(|object| (object.label(), usize::from(object.phase == Phase::Converged)));
        gauges.many("object_converged", "1 if the object is converged.", None, converged)
    }
}

impl Figures {
    fn label(&self) -> [(&'static str, &str); 1] {
        [("object", self.name.as_str())]
    }
}

/// A moment as Prometheus writes it.
fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Writes gauges.
struct Gauges<'a>(DescriptorEncoder<'a>);

impl Gauges<'_> {
    fn one<V>(&mut self, name: &str, help: &str, unit: Option<Unit>, value: V) -> fmt::Result
    where
        ConstGauge<V>: EncodeMetric,
    {
        let encoder = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    /// One per label set; nothing if there is none.
    fn many<L, V>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result
    where
        L: EncodeLabelSet,
        ConstGauge<V>: EncodeMetric,
    {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut encoder = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        values.try_for_each(|(labels, value)| ConstGauge::new(value).encode(encoder.encode_family(&labels)?))
    }
}
