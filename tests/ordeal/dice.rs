//! Chance that a seed repeats (splitmix64).

/// A generator.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.word() % bound
    }

    /// Once in `times`.
    pub(crate) const fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Another generator.
    pub(crate) const fn split(&mut self) -> Self {
        Self(self.word())
    }
}

/// The seed that the environment names, else one of the clock's; printed, so that a failure can be repeated.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("GODKEND_ORDEAL_SEED").ok().map(|text| text.parse().expect("GODKEND_ORDEAL_SEED"));
    let seed = seed.unwrap_or_else(|| u64::try_from(crate::server::unix_now()).unwrap());
    println!("GODKEND_ORDEAL_SEED={seed}");
    seed
}
