//! What happened in a run: one in which little happened has shown little.

/// What happened in a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acts: usize,
    pub(crate) approved: usize,
    pub(crate) refused: usize,
    pub(crate) collected: usize,
    pub(crate) wrong_pins: usize,
    pub(crate) kills: usize,
    pub(crate) attacks: usize,
    pub(crate) set_back: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.acts += other.acts;
        self.approved += other.approved;
        self.refused += other.refused;
        self.collected += other.collected;
        self.wrong_pins += other.wrong_pins;
        self.kills += other.kills;
        self.attacks += other.attacks;
        self.set_back += other.set_back;
    }
}
