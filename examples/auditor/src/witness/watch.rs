//! Looking once, or again and again.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use godkend_evidence::proof::{Noticed, Proven};
use godkend_protocol::checkpoint::Checkpoint;
use godkend_protocol::cosignature::Cosigner;
use godkend_protocol::keyset::Root;
use serde_json::json;

use super::look::{Looking, Seen};
use super::state::{self, Believed, Folder};
use crate::args::{Language, WatchArgs};
use crate::date::danish;
use crate::exit::{self, Alarm};
use crate::files::FileError;
use crate::output::Output;
use crate::texts::Both;
use crate::{clock, files, texts};

/// A process that watches.
struct Watch<'a> {
    args: &'a WatchArgs,
    root: Root,
    url: String,
    folder: Folder,
    cosigner: Cosigner,
    believed: Option<Believed>,
    output: Output,
}

pub(super) async fn run(args: &WatchArgs, output: Output) -> Result<u8, Box<dyn Error>> {
    let root = files::read_root(&args.root)?;
    let cosigner = state::cosigner(&args.state)?;
    let folder = Folder::open(&args.state)?;
    let believed = folder.load(&root, &cosigner)?;
    // A kill may have come between keeping and showing.
    if let Some(believed) = &believed {
        folder.publish(&believed.state, args.publish.as_deref())?;
    }
    let url = args.server.clone().unwrap_or_else(|| root.url.clone()).trim_end_matches('/').to_owned();
    let mut watch = Watch { args, root, url, folder, cosigner, believed, output };
    let Some(seconds) = args.every else { return Ok(watch.look().await?.map_or(exit::WELL, Alarm::exit_code)) };
    let mut stop = std::pin::pin!(stopped());
    // What a process that ends says of its whole time: that the log was caught, if it was.
    let mut caught = None;
    loop {
        let alarm = watch.look().await?;
        caught = alarm.filter(|alarm| !matches!(alarm, Alarm::Unreachable | Alarm::Stale)).or(caught);
        tokio::select! {
            () = &mut stop => return Ok(caught.map_or(exit::WELL, Alarm::exit_code)),
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
        }
    }
}

impl Watch<'_> {
    /// One look, told; the alarm, if there is one. Only a folder that cannot be written ends the process.
    async fn look(&mut self) -> Result<Option<Alarm>, FileError> {
        let looking = Looking {
            root: &self.root,
            url: &self.url,
            cosigner: &self.cosigner,
            accept_epoch: self.args.accept_epoch,
            stale_after: self.args.stale_after,
            now: clock::unix(),
        };
        match looking.look(self.believed.as_ref()).await {
            Seen::Good(state, checkpoint) => {
                if let Some(before) = &self.believed
                    && before.checkpoint.epoch != checkpoint.epoch
                {
                    self.folder.archive(before)?;
                }
                if self.believed.as_ref().is_none_or(|believed| believed.state != state) {
                    self.folder.keep(&state)?;
                    self.folder.publish(&state, self.args.publish.as_deref())?;
                    self.believed = self.folder.load(&self.root, &self.cosigner)?;
                }
                self.good(&checkpoint);
                Ok(None)
            }
            Seen::Bad { alarm, why, record } => {
                let path = record.map(|record| self.folder.record(alarm, &record)).transpose()?;
                self.bad(alarm, &why, path.as_deref());
                Ok(Some(alarm))
            }
        }
    }

    fn good(&self, seen: &Checkpoint) {
        self.output.tell(&json!({
            "type": "witnessed", "environment": seen.environment, "epoch": seen.epoch, "size": seen.size,
            "time": seen.time,
        }));
        let (entries, signed) = (self.output.choose("poster", "entries"), self.output.choose("underskrevet", "signed"));
        let (size, when) = (seen.size, danish(texts::seconds(seen.time)));
        self.output.say(&format!("✓ {}: {size} {entries}, {signed} {when}", seen.environment));
    }

    fn bad(&self, alarm: Alarm, why: &str, record: Option<&Path>) {
        let exit_code = alarm.exit_code();
        self.output.tell(&json!({
            "type": "alarm", "alarm": alarm, "why": why, "record": record, "exit_code": exit_code,
        }));
        let word = self.output.choose("ALARM", "ALARM");
        self.output.say(&format!("✗ {word} {}: {}", alarm.name(), sentence(alarm).of(self.output.language)));
        self.output.say(&format!("  {why}"));
        if let Some(path) = record {
            self.output.say(&format!("  {}: {}", self.output.choose("Gemt i", "Kept in"), path.display()));
        }
    }
}

/// What an alarm means.
fn sentence(alarm: Alarm) -> Both {
    match alarm {
        Alarm::Unreachable => Both("Serveren kan ikke nås.", "The server cannot be reached."),
        Alarm::BadSignature => Both(
            "Det, serveren viser, er ikke underskrevet under rodnøglen.",
            "What the server shows is not signed under the root.",
        ),
        Alarm::Shrunk => Both("Loggen har færre poster end før.", "The log has fewer entries than before."),
        Alarm::Forked => Both("Der er to udgaver af loggen.", "There are two versions of the log."),
        Alarm::Rewritten => Both("Loggens fortid er skrevet om.", "The log's past was rewritten."),
        Alarm::Stale => Both("Loggen er ikke underskrevet længe.", "The log was not signed for a long time."),
        Alarm::EpochChanged => Both("Loggen er begyndt forfra.", "The log has begun again."),
        Alarm::Unproven => {
            Both("Serveren beviser ikke, at loggen fortsætter.", "The server does not prove that the log continues.")
        }
    }
}

/// What a record proves, as a line.
pub(super) fn proven(proven: &Proven, output: Output) -> String {
    let what = match proven.noticed {
        Noticed::Shrunk => Alarm::Shrunk,
        Noticed::Forked => Alarm::Forked,
        Noticed::Rewritten => Alarm::Rewritten,
        Noticed::EpochChanged => Alarm::EpochChanged,
    };
    let state = |(epoch, size, time): (u64, u64, u64)| match output.language {
        Language::Da => format!("epoke {epoch}, {size} poster, {}", danish(texts::seconds(time))),
        Language::En => format!("epoch {epoch}, {size} entries, {}", danish(texts::seconds(time))),
    };
    let verdict = if proven.convicts {
        Both("Bevist med loggens egne underskrifter", "Proven by the log's own signatures")
    } else {
        Both("Ægte, men intet bevis alene", "Genuine, but no proof by itself")
    };
    let mark = if proven.convicts { "✓" } else { "!" };
    let (first, then) = (output.choose("Først", "First"), output.choose("Siden", "Then"));
    format!(
        "{mark} {}: {} ({})\n  {first}: {}\n  {then}: {}",
        verdict.of(output.language),
        sentence(what).of(output.language),
        proven.environment,
        state(proven.older),
        state(proven.newer)
    )
}

/// SIGTERM or SIGINT.
async fn stopped() {
    #[cfg(unix)]
    {
        let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminated) = terminated {
            tokio::select! {
                _ = terminated.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_has_a_code_a_name_and_a_sentence_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for alarm in Alarm::ALL {
            let Both(danish, english) = sentence(alarm);
            assert!(danish.ends_with('.') && english.ends_with('.'), "{alarm:?}");
            assert!(seen.insert(alarm.exit_code()) && alarm.exit_code() >= 20, "{alarm:?}");
            assert_eq!(serde_json::to_value(alarm).unwrap(), alarm.name());
        }
    }
}
