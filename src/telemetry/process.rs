//! The standard process metrics of Prometheus clients.

use std::fmt;

use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Reads `/proc/self` at each scrape. Unreadable values are left out.
#[derive(Debug)]
pub(super) struct OwnProcess;

impl Collector for OwnProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(own) = Process::myself() else { return Ok(()) };
        let mut show = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
        };
        if let Ok(stat) = own.stat() {
            let ticks = procfs::ticks_per_second() as f64;
            let cpu = ConstCounter::new((stat.utime + stat.stime) as f64 / ticks);
            show("process_cpu", "Processor time used.", Some(&Unit::Seconds), &cpu)?;
            let resident = ConstGauge::new(stat.rss * procfs::page_size());
            show("process_resident_memory", "Memory in use.", Some(&Unit::Bytes), &resident)?;
            let reserved = ConstGauge::new(stat.vsize);
            show("process_virtual_memory", "Address space in use.", Some(&Unit::Bytes), &reserved)?;
            if let Ok(boot) = procfs::boot_time_secs() {
                let start = ConstGauge::new(boot as f64 + stat.starttime as f64 / ticks);
                let help = "When the process started, since the Unix epoch.";
                show("process_start_time", help, Some(&Unit::Seconds), &start)?;
            }
        }
        if let Ok(open) = own.fd_count() {
            show("process_open_fds", "Open file descriptors.", None, &ConstGauge::new(open))?;
        }
        if let Ok(LimitValue::Value(most)) = own.limits().map(|limits| limits.max_open_files.soft_limit) {
            show("process_max_fds", "The most open file descriptors.", None, &ConstGauge::new(most))?;
        }
        Ok(())
    }
}
