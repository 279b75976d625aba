//! A server in a process of its own, so that its processor time and memory are not the load generator's.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::clock;
use crate::problem::Problem;

/// A server that this program has started. It ends when this is dropped, and when this program dies.
pub(super) struct Process {
    child: Child,
    /// The server stops when this is closed.
    stdin: Option<ChildStdin>,
    metrics: Option<String>,
    client: reqwest::Client,
    /// Until it answered.
    pub(super) started_ms: f64,
}

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The real one.
    Plain,
    /// The floor's.
    Floor,
    /// The real one, which takes in so many citizens before it answers.
    Preparing { citizens: u32, told: bool },
}

/// What a server has used so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    /// Processor seconds, of the kernel and of its own.
    pub(super) cpu: f64,
    /// Kilobytes now.
    pub(super) memory_kb: u64,
    /// Kilobytes at most.
    pub(super) peak_kb: u64,
    /// Counters by name.
    counters: BTreeMap<String, u64>,
}

impl Process {
    /// Starts `serve` of this program, or of `program`, on the environment in `directory`.
    ///
    /// # Errors
    /// [`Problem::Embedded`].
    pub(super) async fn start(program: Option<&Path>, directory: &Path, kind: Kind) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Serving {
            r#type: String,
            metrics: Option<String>,
        }
        let failed = |error: std::io::Error| Problem::Embedded(error.to_string());
        let watch = clock::Watch::start();
        let own = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program.unwrap_or(&own));
        command.args(["serve", "--test", "--json", "--listen", "127.0.0.1:0", "--attached", "--dir"]).arg(directory);
        // Its log goes nowhere; how far a preparation has come is for whoever watches.
        let log = if matches!(kind, Kind::Preparing { told: true, .. }) { Stdio::inherit() } else { Stdio::null() };
        match kind {
            Kind::Plain => {}
            Kind::Floor => drop(command.arg("--floor")),
            Kind::Preparing { citizens, .. } => drop(command.args(["--prepare", &citizens.to_string()])),
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let ended = || Problem::Embedded("the server's process ended".to_owned());
        let out = child.stdout.take().ok_or_else(ended)?;
        let line = BufReader::new(out).lines().next_line().await.map_err(failed)?.ok_or_else(ended)?;
        let serving = serde_json::from_str(&line).ok().filter(|serving: &Serving| serving.r#type == "serving");
        let Some(serving) = serving else { return Err(Problem::Embedded(line)) };
        let started_ms = watch.elapsed().as_secs_f64() * 1000.0;
        let client = reqwest::Client::builder().no_proxy().build().map_err(|_| ended())?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, metrics: serving.metrics, client, started_ms })
    }

    /// Lets it end, and waits for that.
    pub(super) async fn stop(mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait().await;
    }

    /// What it has used since its start; `None` where there is no `/proc`.
    pub(super) async fn used(&self) -> Option<Used> {
        let pid = self.child.id()?;
        let cpu = clock::cpu_seconds_of(&pid.to_string())?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let kb = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches("kB").trim().parse().ok()
        };
        let counters = match &self.metrics {
            Some(address) => counters(&self.client.get(address).send().await.ok()?.text().await.ok()?),
            None => BTreeMap::new(),
        };
        Some(Used { cpu, memory_kb: kb("VmRSS:")?, peak_kb: kb("VmHWM:")?, counters })
    }
}

impl Used {
    /// How far a counter has risen since `before`.
    pub(super) fn since(&self, before: &Self, name: &str) -> u64 {
        let of = |used: &Self| used.counters.get(name).copied().unwrap_or(0);
        of(self).saturating_sub(of(before))
    }
}

/// `godkend_work_total` by kind, and all answered requests as `requests`.
fn counters(text: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for (name, value) in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' ')) {
        let Ok(value) = value.parse::<u64>() else { continue };
        if let Some(kind) = name.strip_prefix("godkend_work_total{kind=\"").and_then(|rest| rest.strip_suffix("\"}")) {
            found.insert(kind.to_owned(), value);
        } else if name.starts_with("godkend_request_duration_seconds_count") {
            *found.entry("requests".to_owned()).or_default() += value;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_the_metrics() {
        let text = "# HELP x\ngodkend_work_total{kind=\"commits\"} 7\n\
                    godkend_request_duration_seconds_count{route=\"/a b\",method=\"GET\",status=\"200\"} 3\n\
                    godkend_request_duration_seconds_count{route=\"/c\",method=\"GET\",status=\"200\"} 4\n\
                    godkend_request_duration_seconds_sum{route=\"/c\"} 0.5\n";
        let before = Used::default();
        let after = Used { counters: counters(text), ..Used::default() };
        assert_eq!((after.since(&before, "commits"), after.since(&before, "requests")), (7, 7));
        assert_eq!((before.since(&after, "commits"), after.since(&before, "other")), (0, 0));
    }
}
