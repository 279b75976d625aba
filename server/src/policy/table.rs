//! The policy as a table for people.

use std::fmt::Write as _;

use godkend_protocol::types::Level;

use super::{Combination, Policy, Worth};
use crate::oidc::records::Language;
use crate::oidc::request::level_of;

impl Policy {
    /// The table in a language, in Markdown.
    #[must_use]
    pub fn table(&self, language: Language) -> String {
        let danish = language != Language::En;
        let pick = |da: &'static str, en: &'static str| if danish { da } else { en };
        let mut text = format!(
            "| {} | {} |\n|---|---|\n",
            pick("kombination", "combination"),
            pick("sikringsniveau", "level of assurance")
        );
        for combination in &self.combination {
            let _ =
                writeln!(text, "| {} | {} |", self.people_call(combination, language), self.worth(combination, danish));
        }
        let alone = |name: &str| self.combination.iter().any(|combination| combination.means == [name]);
        for means in self.means.iter().filter(|means| !alone(&means.name)) {
            let name = if danish { &means.danish } else { &means.english };
            let _ = writeln!(text, "| {name} {} | {} |", pick("alene", "alone"), pick("intet", "none"));
        }
        let tries = &self.tries;
        let last = |waits: &[u32]| waits.last().copied().unwrap_or(0);
        let _ = writeln!(
            text,
            "\n{}",
            if danish {
                format!(
                    "Efter {} forkerte forsøg i træk ventes der. Den browser, man selv har brugt før, tæller for sig (højst \
                     {} minutter); alle andre browsere tæller sammen (højst {} timer).",
                    tries.in_a_row,
                    last(&tries.own_browser_waits) / 60,
                    last(&tries.stranger_waits) / 3_600
                )
            } else {
                format!(
                    "After {} failures in a row there is a wait. A browser that one has used before counts for itself (at \
                     most {} minutes); all other browsers count together (at most {} hours).",
                    tries.in_a_row,
                    last(&tries.own_browser_waits) / 60,
                    last(&tries.stranger_waits) / 3_600
                )
            }
        );
        text
    }

    /// What readers call a combination: `adgangskode + chip`.
    #[must_use]
    pub fn people_call(&self, combination: &Combination, language: Language) -> String {
        let called = |name: &String| {
            let rule = self.means(name);
            let readers = rule.map(|means| match language {
                Language::Da => &means.danish,
                Language::En => &means.english,
                Language::Kl => means.greenlandic.as_ref().unwrap_or(&means.danish),
            });
            readers.unwrap_or(name).clone()
        };
        combination.means.iter().map(called).collect::<Vec<_>>().join(" + ")
    }

    fn worth(&self, combination: &Combination, danish: bool) -> String {
        match combination.level {
            Worth::Own => {
                let (hardware, software) = (self.app_level(true), self.app_level(false));
                let (hardware, software) = (shown(hardware, danish), shown(software, danish));
                if danish {
                    format!("{hardware} (nøgler i hardware), {software} (nøgler i software)")
                } else {
                    format!("{hardware} (keys in hardware), {software} (keys in software)")
                }
            }
            _ => {
                let (best, other) = (self.at_best(combination), level_of(self.chip.unattested));
                if !combination.has_chip() || self.chip.attestation_required || other >= best {
                    return shown(best, danish).to_owned();
                }
                let (best, other) = (shown(best, danish), shown(other, danish));
                if danish {
                    format!("{best} (chip af et kendt fabrikat), {other} (andre chips)")
                } else {
                    format!("{best} (a chip of a proved make), {other} (other chips)")
                }
            }
        }
    }
}

fn shown(level: Level, danish: bool) -> &'static str {
    match (level, danish) {
        (Level::Low, true) => "Lav",
        (Level::Substantial, true) => "Betydelig",
        (Level::High, true) => "Høj",
        (Level::Low, false) => "Low",
        (Level::Substantial, false) => "Substantial",
        (Level::High, false) => "High",
    }
}
