//! Metrics in the Prometheus text format (version 0.0.4).
//!
//! Names and labels are `&'static str`, or a route's template: nothing that a citizen typed can become a label.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

/// Upper bounds of the duration buckets, microseconds.
const BUCKETS: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 30_000_000];
/// Distinct route labels; the rest count as `other`. Routes are few, so this is only met by a fault.
const MOST_ROUTES: usize = 512;

/// What happened, for `godkend_events_total{event="..."}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as its label")]
pub enum Event {
    ActivationHandedOut,
    DeviceEnrolled,
    DeviceActivated,
    ApprovalApproved,
    ApprovalDenied,
    ApprovalReported,
    PinDebited,
    PinCleared,
    DeviceBlocked,
    DeviceFrozen,
    DeviceRemoved,
    BrowserRevoked,
    OfflineCodeWrong,
    SourceThrottled,
}

const EVENTS: [(Event, &str); 14] = [
    (Event::ActivationHandedOut, "activation_handed_out"),
    (Event::DeviceEnrolled, "device_enrolled"),
    (Event::DeviceActivated, "device_activated"),
    (Event::ApprovalApproved, "approval_approved"),
    (Event::ApprovalDenied, "approval_denied"),
    (Event::ApprovalReported, "approval_reported"),
    (Event::PinDebited, "pin_debited"),
    (Event::PinCleared, "pin_cleared"),
    (Event::DeviceBlocked, "device_blocked"),
    (Event::DeviceFrozen, "device_frozen"),
    (Event::DeviceRemoved, "device_removed"),
    (Event::BrowserRevoked, "browser_revoked"),
    (Event::OfflineCodeWrong, "offline_code_wrong"),
    (Event::SourceThrottled, "source_throttled"),
];

/// All metrics of one server; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    events: [AtomicU64; EVENTS.len()],
    families: Mutex<BTreeMap<&'static str, Family>>,
    requests: Mutex<Requests>,
    connections: AtomicI64,
    in_flight: AtomicI64,
    refused: AtomicU64,
    failed_handshakes: AtomicU64,
    panics: AtomicU64,
}

/// By route, method and status.
type Requests = BTreeMap<(String, &'static str, u16), Arc<Durations>>;

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: &'static str,
    series: BTreeMap<String, Series>,
}

#[derive(Debug, Clone)]
enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

/// Counts upwards.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Counts durations in buckets from 1 ms to 30 s.
#[derive(Debug, Clone, Default)]
pub struct Histogram(Arc<Durations>);

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration);
    }
}

#[derive(Debug, Default)]
struct Durations {
    buckets: [AtomicU64; BUCKETS.len()],
    sum_us: AtomicU64,
    count: AtomicU64,
}

impl Durations {
    fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some((_, bucket)) = BUCKETS.iter().zip(&self.buckets).find(|(bound, _)| us <= **bound) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let mut below = 0;
        for (bound, bucket) in BUCKETS.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let bound = seconds(*bound);
            let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}");
        }
        let count = self.count.load(Ordering::Relaxed).max(below);
        let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum{braces} {}", seconds(self.sum_us.load(Ordering::Relaxed)));
        let _ = writeln!(text, "{name}_count{braces} {count}");
    }
}

impl Metrics {
    /// A new, empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts that `event` happened.
    pub fn event(&self, event: Event) {
        if let Some((_, counter)) = EVENTS.iter().zip(&self.0.events).find(|((e, _), _)| *e == event) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A counter of another module's; the same name and labels give the same counter. Keep it rather than ask often.
    #[must_use]
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &[(&'static str, &'static str)]) -> Counter {
        let make = || Series::Counter(Counter::default());
        match self.series(name, help, "counter", labels, make) {
            Some(Series::Counter(counter)) => counter,
            _ => Counter::default(),
        }
    }

    /// A gauge, as [`Metrics::counter`].
    #[must_use]
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&'static str, &'static str)]) -> Gauge {
        let make = || Series::Gauge(Gauge::default());
        match self.series(name, help, "gauge", labels, make) {
            Some(Series::Gauge(gauge)) => gauge,
            _ => Gauge::default(),
        }
    }

    /// A histogram of durations, as [`Metrics::counter`]; name it `..._seconds`.
    #[must_use]
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &'static str)],
    ) -> Histogram {
        let make = || Series::Histogram(Histogram::default());
        match self.series(name, help, "histogram", labels, make) {
            Some(Series::Histogram(histogram)) => histogram,
            _ => Histogram::default(),
        }
    }

    /// The metrics as text.
    #[must_use]
    pub fn render(&self) -> String {
        let inner = &self.0;
        let mut text = String::with_capacity(8192);
        head(&mut text, "godkend_events_total", "What happened to citizens' activations and approvals.", "counter");
        for ((_, label), counter) in EVENTS.iter().zip(&inner.events) {
            let _ = writeln!(text, "godkend_events_total{{event=\"{label}\"}} {}", counter.load(Ordering::Relaxed));
        }
        let plain: [(&str, &str, &str, i128); 5] = [
            ("godkend_connections", "Open connections.", "gauge", inner.connections.load(Ordering::Relaxed).into()),
            (
                "godkend_requests_in_flight",
                "Running requests.",
                "gauge",
                inner.in_flight.load(Ordering::Relaxed).into(),
            ),
            (
                "godkend_connections_refused_total",
                "Connections closed because their source had too many.",
                "counter",
                inner.refused.load(Ordering::Relaxed).into(),
            ),
            (
                "godkend_tls_handshakes_failed_total",
                "TLS handshakes that failed or took too long.",
                "counter",
                inner.failed_handshakes.load(Ordering::Relaxed).into(),
            ),
            (
                "godkend_panics_total",
                "Requests that ended in a fault.",
                "counter",
                inner.panics.load(Ordering::Relaxed).into(),
            ),
        ];
        for (name, help, kind, value) in plain {
            head(&mut text, name, help, kind);
            let _ = writeln!(text, "{name} {value}");
        }
        let name = "godkend_work_total";
        head(&mut text, name, "Dear work that this process has done.", "counter");
        for (kind, tally) in super::work::all() {
            let _ = writeln!(text, "{name}{{kind=\"{kind}\"}} {}", tally.get());
        }
        let name = "godkend_request_duration_seconds";
        head(&mut text, name, "Requests by route, method and status.", "histogram");
        for ((route, method, status), durations) in lock(&inner.requests).iter() {
            let route = escape(route);
            durations.write(&mut text, name, &format!("route=\"{route}\",method=\"{method}\",status=\"{status}\""));
        }
        for (name, family) in lock(&inner.families).iter() {
            head(&mut text, name, family.help, family.kind);
            for (labels, series) in &family.series {
                let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
                let _ = match series {
                    Series::Counter(c) => {
                        writeln!(text, "{name}{braces} {}", c.0.load(Ordering::Relaxed))
                    }
                    Series::Gauge(g) => {
                        writeln!(text, "{name}{braces} {}", g.0.load(Ordering::Relaxed))
                    }
                    Series::Histogram(h) => {
                        h.0.write(&mut text, name, labels);
                        Ok(())
                    }
                };
            }
        }
        text
    }

    /// `GET /metrics`, for the listener of `[metrics]`.
    pub fn routes(&self) -> Router {
        let metrics = self.clone();
        Router::new().route(
            "/metrics",
            get(
                move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()) },
            ),
        )
    }

    pub(super) fn request(&self, route: &str, method: &'static str, status: u16, duration: Duration) {
        let durations = {
            let mut requests = lock(&self.0.requests);
            let route = if requests.len() >= MOST_ROUTES { "other" } else { route };
            requests.entry((route.to_owned(), method, status)).or_default().clone()
        };
        durations.observe(duration);
    }

    pub(super) fn connections(&self, change: i64) {
        self.0.connections.fetch_add(change, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self, change: i64) {
        self.0.in_flight.fetch_add(change, Ordering::Relaxed);
    }

    pub(super) fn connection_refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn handshake_failed(&self) {
        self.0.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// `None` if the name already has another kind: the caller's series then counts unseen, which a test of the caller
    /// notices and a running server survives.
    fn series(
        &self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        labels: &[(&'static str, &'static str)],
        make: impl FnOnce() -> Series,
    ) -> Option<Series> {
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
        let mut families = lock(&self.0.families);
        let family = families.entry(name).or_insert_with(|| Family { help, kind, series: BTreeMap::new() });
        if family.kind != kind {
            return None;
        }
        Some(family.series.entry(labels.join(",")).or_insert_with(make).clone())
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Microseconds as decimal seconds, without floating point.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_own_series() {
        let metrics = Metrics::new();
        for (number, (event, _)) in (1..).zip(EVENTS) {
            (0..number).for_each(|_| metrics.event(event));
        }
        let text = metrics.render();
        for (number, (_, label)) in (1..).zip(EVENTS) {
            assert!(text.contains(&format!("godkend_events_total{{event=\"{label}\"}} {number}\n")), "{text}");
        }
    }

    #[test]
    fn histograms_are_cumulative() {
        let metrics = Metrics::new();
        for ms in [1, 3, 3, 70_000] {
            metrics.request("/a/{id}", "GET", 200, Duration::from_millis(ms));
        }
        let text = metrics.render();
        let labels = "route=\"/a/{id}\",method=\"GET\",status=\"200\"";
        for (le, count) in [("0.001", 1), ("0.0025", 1), ("0.005", 3), ("30", 3), ("+Inf", 4)] {
            let line = format!("godkend_request_duration_seconds_bucket{{{labels},le=\"{le}\"}} {count}\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(text.contains(&format!("godkend_request_duration_seconds_sum{{{labels}}} 70.007\n")), "{text}");
    }

    #[test]
    fn the_same_name_and_labels_are_one_series() {
        let metrics = Metrics::new();
        metrics.counter("x_total", "X.", &[("a", "1")]).add(2);
        metrics.counter("x_total", "X.", &[("a", "1")]).add(3);
        metrics.gauge("y", "Y.", &[]).set(-4);
        metrics.gauge("x_total", "another kind", &[]).set(9);
        metrics.histogram("z_seconds", "Z.", &[]).observe(Duration::from_millis(2));
        let text = metrics.render();
        assert!(text.contains("# TYPE x_total counter\nx_total{a=\"1\"} 5\n"), "{text}");
        assert!(
            text.contains("\ny -4\n") && text.contains("z_seconds_sum 0.002\n") && !text.contains(" 9\n"),
            "{text}"
        );
    }

    #[test]
    fn routes_are_bounded() {
        let metrics = Metrics::new();
        for number in 0..2000 {
            metrics.request(&format!("/{number}"), "GET", 200, Duration::ZERO);
        }
        assert!(lock(&metrics.0.requests).len() <= MOST_ROUTES + 1);
    }
}
