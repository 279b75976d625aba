//! What must hold of every policy, whatever the file says.

use std::collections::BTreeSet;

use godkend_protocol::types::Level;

use super::{APP, Combination, Kind, MeansRule, Policy, Worth};
use crate::means::chip::is_authority;
use crate::oidc::request::level_of;

/// More means than the proof by all subsets is made for.
const MOST_MEANS: usize = 12;

/// What a means' module says of itself: no policy can trust it with more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Implemented {
    /// Its name in the policy.
    pub name: &'static str,
    /// The factors that it proves.
    pub kinds: &'static [Kind],
    /// The highest level that a combination can owe to it.
    pub ceiling: Level,
    /// Whether it gives a level by itself.
    pub alone: bool,
}

impl Policy {
    /// Everything wrong, as sentences; none if the policy is sound. It is a proof and no sample: every set of means is
    /// looked at.
    #[must_use]
    pub fn check(&self, implemented: &[Implemented]) -> Vec<String> {
        let mut broken = Vec::new();
        self.check_means(implemented, &mut broken);
        self.check_combinations(implemented, &mut broken);
        self.check_tries(&mut broken);
        self.check_chip(&mut broken);
        if self.means.len() > MOST_MEANS {
            broken.push(format!("There are more than {MOST_MEANS} means."));
        } else if broken.is_empty() {
            self.prove(&mut broken);
        }
        broken
    }

    fn check_means(&self, implemented: &[Implemented], broken: &mut Vec<String>) {
        let mut names = BTreeSet::new();
        for means in &self.means {
            let name = &means.name;
            if !names.insert(name) {
                broken.push(format!("The means {name} stands there twice."));
            }
            if means.danish.trim().is_empty() || means.english.trim().is_empty() {
                broken.push(format!("The means {name} has no name for readers."));
            }
            let Some(own) = implemented.iter().find(|own| own.name == name) else {
                broken.push(format!("No module implements the means {name}."));
                continue;
            };
            if means.kinds.is_empty() || means.kinds.iter().any(|kind| !own.kinds.contains(kind)) {
                broken.push(format!("The means {name} does not prove the factors that are named for it."));
            }
            if level_of(means.most) > own.ceiling {
                broken.push(format!("The means {name} cannot be trusted with more than {}.", own.ceiling.name()));
            }
        }
        if level_of(self.app.software_keys) > Level::Substantial {
            broken.push("Software keys give no more than Substantial.".to_owned());
        }
        if level_of(self.app.software_keys) > level_of(self.app.hardware_keys) {
            broken.push("Software keys cannot be worth more than hardware.".to_owned());
        }
    }

    fn check_combinations(&self, implemented: &[Implemented], broken: &mut Vec<String>) {
        let mut seen = BTreeSet::new();
        for combination in &self.combination {
            let name = combination.name();
            let set: BTreeSet<_> = combination.means.iter().collect();
            if set.is_empty() || set.len() != combination.means.len() {
                broken.push(format!("The combination {name} names a means twice, or none."));
            }
            if !seen.insert(set) {
                broken.push(format!("The combination {name} stands there twice."));
            }
            let members: Vec<&MeansRule> = combination.means.iter().filter_map(|name| self.means(name)).collect();
            if members.len() != combination.means.len() {
                broken.push(format!("The combination {name} names a means that is not there."));
                continue;
            }
            let level = self.at_best(combination);
            if combination.level == Worth::Own && combination.means != [APP] {
                broken.push(format!("The combination {name} cannot have the app's own level."));
            }
            if let [alone] = combination.means.as_slice()
                && implemented.iter().any(|own| own.name == alone && !own.alone)
            {
                broken.push(format!("The means {alone} gives no level by itself."));
            }
            if level > self.carried(&members) {
                broken
                    .push(format!("The combination {name} gives {}, and none of its means carries it.", level.name()));
            }
            let kinds: BTreeSet<Kind> = members.iter().flat_map(|means| means.kinds.iter().copied()).collect();
            if level > Level::Low && kinds.len() < 2 {
                broken.push(format!("The combination {name} gives {} with one kind of factor.", level.name()));
            }
        }
        for level in [Level::Low, Level::Substantial, Level::High] {
            if self.reaching(level).next().is_none() {
                broken.push(format!("Nothing reaches {}.", level.name()));
            }
        }
    }

    fn check_chip(&self, broken: &mut Vec<String>) {
        let chip = &self.chip;
        let (attested, unattested) = (level_of(chip.attested), level_of(chip.unattested));
        if unattested > Level::Substantial || unattested > attested {
            broken
                .push("A chip of an unknown make gives no more than Substantial, and no more than others.".to_owned());
        }
        if chip.synchronised && attested > Level::Substantial {
            broken.push("A key that is copied to other devices gives no more than Substantial.".to_owned());
        }
        if chip.authorities.is_empty() && (chip.attestation_required || !chip.models.is_empty()) {
            broken.push("chip.authorities must name who proves a chip's make.".to_owned());
        }
        if chip.authorities.iter().any(|authority| !is_authority(authority)) {
            broken.push("chip.authorities must be certificates in PEM.".to_owned());
        }
    }

    fn check_tries(&self, broken: &mut Vec<String>) {
        let tries = &self.tries;
        // PSD2 RTS, article 4(3)(b): at most five failures in a row.
        if !(1..=5).contains(&tries.in_a_row) {
            broken.push("tries.in_a_row must be from 1 to 5.".to_owned());
        }
        if tries.one_address == 0 || tries.one_address >= tries.in_a_row {
            broken.push("tries.one_address must be at least 1 and below tries.in_a_row.".to_owned());
        }
        for (name, waits) in [
            ("own_browser_waits", &tries.own_browser_waits),
            ("stranger_waits", &tries.stranger_waits),
            ("proved_waits", &tries.proved_waits),
        ] {
            let rising = waits.windows(2).all(|pair| pair[0] <= pair[1]);
            if waits.is_empty() || waits.iter().any(|wait| *wait < 30) || !rising {
                broken.push(format!(
                    "tries.{name} must be waits of 30 seconds or more, none shorter than the one before."
                ));
            }
        }
        // So many guesses before a wait of a day, each good for so many codes: below one in a thousand of a million.
        let codes =
            u64::from(self.code_display.ahead).saturating_add(1).max(u64::from(self.code_display.around) * 2 + 1);
        let rounds = u64::try_from(tries.stranger_waits.len()).unwrap_or(u64::MAX);
        if codes.saturating_mul(u64::from(tries.in_a_row)).saturating_mul(rounds) > 1_000 {
            broken.push("code_display.ahead leaves a guessed code too good a chance.".to_owned());
        }
        if tries.stranger_waits.last().is_some_and(|wait| *wait < 3_600) {
            broken.push("The last of tries.stranger_waits must be an hour or more.".to_owned());
        }
    }

    /// Looks at every set of means: what it reaches is carried by one of its means, two factors stand behind all above Low,
    /// and means that carry Low alone never reach more together, however many they are. Once with the app at its best, and
    /// once with its keys in software, where the app carries no more than the policy says of those.
    fn prove(&self, broken: &mut Vec<String>) {
        for bits in 0_u32..(1 << self.means.len()) {
            let set: Vec<&MeansRule> =
                self.means.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, means)| means).collect();
            let within = |combination: &&Combination| {
                combination.means.iter().all(|name| set.iter().any(|means| means.name == *name))
            };
            let names: Vec<&str> = set.iter().map(|means| means.name.as_str()).collect();
            let software = level_of(self.app.software_keys);
            let given = self.combination.iter().filter(within).map(|combination| match combination.level {
                Worth::Own => software,
                _ => self.at_best(combination),
            });
            let most = |means: &&MeansRule| match means.name.as_str() {
                APP => level_of(means.most).min(software),
                _ => level_of(means.most),
            };
            if given.max() > set.iter().map(most).max() {
                broken.push(format!(
                    "{} together reach what they cannot carry with the app's keys in software.",
                    names.join(", ")
                ));
            }
            let reached = self.combination.iter().filter(within).map(|combination| self.at_best(combination)).max();
            let Some(reached) = reached else { continue };
            let kinds: BTreeSet<Kind> = set.iter().flat_map(|means| means.kinds.iter().copied()).collect();
            if reached > self.carried(&set) || (reached > Level::Low && kinds.len() < 2) {
                broken.push(format!(
                    "{} together reach {}, which they cannot carry.",
                    names.join(", "),
                    reached.name()
                ));
            }
        }
    }

    /// The highest level that one of these means can carry.
    fn carried(&self, means: &[&MeansRule]) -> Level {
        means.iter().map(|means| level_of(means.most)).max().unwrap_or(Level::Low)
    }
}
