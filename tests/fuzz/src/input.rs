//! Reads choices from a fuzzer's bytes. When they run out, every choice is the first.

/// What is left of the bytes.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One in `odds`, and never once the bytes have run out.
    pub(crate) fn rarely(&mut self, odds: u8) -> bool {
        self.byte() % odds == odds - 1
    }

    /// A number below `limit`, which is not zero.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let value = if limit <= 256 { usize::from(self.byte()) } else { usize::from(self.word()) };
        value % limit
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn number(&mut self) -> u64 {
        let edges = [0, 1, 23, 24, 255, 256, 65_536, u64::from(u32::MAX), 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX];
        match self.byte() {
            choice @ 0..=127 => u64::from(choice),
            choice @ 128..=223 => edges[usize::from(choice) % edges.len()],
            _ => (0..8).fold(0, |sum, _| (sum << 8) | u64::from(self.byte())),
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Up to 255 bytes, by their own length.
    pub(crate) fn chunk(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        self.take(length)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn pick<'b, T>(&mut self, of: &'b [T]) -> &'b T {
        &of[self.below(of.len())]
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let taken = self.take(N);
        out[..taken.len()].copy_from_slice(taken);
        out
    }

    /// Text of a length of its own: the bytes as UTF-8 where they are, else one character of each.
    pub(crate) fn text(&mut self) -> String {
        text(self.chunk())
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect())
}
