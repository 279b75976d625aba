//! From digits to sound: recorded digits that ship with the program, quicker or slower without another pitch, with pauses in
//! which one can type.

use clap::ValueEnum;

/// Samples in a second.
pub(crate) const RATE: u32 = 16_000;
/// Samples in a second, for sums.
const RATE_USIZE: usize = 16_000;

/// What is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Language {
    /// Danish.
    Da,
    /// English.
    En,
    /// Greenlandic.
    Kl,
}

/// How it is spoken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Manner {
    pub(crate) language: Language,
    /// How often the code is said.
    pub(crate) times: u32,
    /// 0.5 to 2.
    pub(crate) speed: f64,
    /// 0.1 to 1.
    pub(crate) volume: f64,
    /// Between two digits, milliseconds.
    pub(crate) pause_ms: u32,
}

impl Manner {
    /// The nearest that can be understood.
    pub(crate) fn within_bounds(self) -> Self {
        let finite = |value: f64| if value.is_finite() { value } else { 1.0 };
        Self {
            times: self.times.clamp(1, 9),
            speed: finite(self.speed).clamp(0.5, 2.0),
            volume: finite(self.volume).clamp(0.1, 1.0),
            pause_ms: self.pause_ms.min(5_000),
            ..self
        }
    }
}

macro_rules! digits {
    ($language:literal) => {
        [
            include_bytes!(concat!("../sounds/", $language, "/0.wav")),
            include_bytes!(concat!("../sounds/", $language, "/1.wav")),
            include_bytes!(concat!("../sounds/", $language, "/2.wav")),
            include_bytes!(concat!("../sounds/", $language, "/3.wav")),
            include_bytes!(concat!("../sounds/", $language, "/4.wav")),
            include_bytes!(concat!("../sounds/", $language, "/5.wav")),
            include_bytes!(concat!("../sounds/", $language, "/6.wav")),
            include_bytes!(concat!("../sounds/", $language, "/7.wav")),
            include_bytes!(concat!("../sounds/", $language, "/8.wav")),
            include_bytes!(concat!("../sounds/", $language, "/9.wav")),
        ]
    };
}

static DANISH: [&[u8]; 10] = digits!("da");
static ENGLISH: [&[u8]; 10] = digits!("en");
static GREENLANDIC: [&[u8]; 10] = digits!("kl");

/// The samples of a code, spoken. What is no digit is not spoken.
pub(crate) fn speak(code: &str, manner: &Manner) -> Vec<i16> {
    let digits: Vec<usize> =
        code.chars().filter_map(|c| c.to_digit(10)).filter_map(|d| usize::try_from(d).ok()).collect();
    let pause = RATE_USIZE * usize::try_from(manner.pause_ms).unwrap_or(500) / 1000;
    // Half a second first: players and headphones swallow a beginning.
    let mut samples = vec![0; RATE_USIZE / 2];
    for time in 0..manner.times {
        if time > 0 {
            silence(&mut samples, pause * 2 + RATE_USIZE);
        }
        for (at, digit) in digits.iter().enumerate() {
            if at > 0 {
                silence(&mut samples, if at * 2 == digits.len() { pause * 3 } else { pause });
            }
            samples.extend(loud(&stretched(&recorded(manner.language, *digit), manner.speed), manner.volume));
        }
    }
    silence(&mut samples, RATE_USIZE / 2);
    samples
}

/// Two groups of three, as on a display.
pub(crate) fn in_groups(code: &str) -> String {
    let (first, second) = code.split_at_checked(code.len() / 2).unwrap_or((code, ""));
    format!("{first} {second}")
}

/// The samples as a WAV file: 16 bits, one channel.
pub(crate) fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = u32::try_from(samples.len()).unwrap_or(0).saturating_mul(2);
    let mut file = Vec::with_capacity(samples.len() * 2 + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&bytes.saturating_add(36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    for field in [16_u32.to_le_bytes(), [1, 0, 1, 0], RATE.to_le_bytes(), (RATE * 2).to_le_bytes(), [2, 0, 16, 0]] {
        file.extend_from_slice(&field);
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&bytes.to_le_bytes());
    for sample in samples {
        file.extend_from_slice(&sample.to_le_bytes());
    }
    file
}

fn silence(samples: &mut Vec<i16>, length: usize) {
    samples.resize(samples.len() + length, 0);
}

/// A recorded digit, from mu-law.
fn recorded(language: Language, digit: usize) -> Vec<i16> {
    let all = match language {
        Language::Da => &DANISH,
        Language::En => &ENGLISH,
        Language::Kl => &GREENLANDIC,
    };
    data(all.get(digit).copied().unwrap_or_default()).iter().map(|byte| from_mu_law(*byte)).collect()
}

/// The `data` chunk of a WAV file.
fn data(file: &[u8]) -> &[u8] {
    let mut rest = file.get(12..).unwrap_or_default();
    while let Some((head, after)) = rest.split_at_checked(8) {
        let length = head.get(4..8).and_then(|l| l.try_into().ok()).map_or(0, u32::from_le_bytes);
        let length = usize::try_from(length).unwrap_or(0).min(after.len());
        if head.starts_with(b"data") {
            return &after[..length];
        }
        // Chunks begin at even places.
        rest = after.get(length + length % 2..).unwrap_or_default();
    }
    &[]
}

/// ITU-T G.711, section 3.
fn from_mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let (exponent, mantissa) = (u32::from(byte >> 4 & 7), i16::from(byte & 15));
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if byte & 0x80 != 0 { -magnitude } else { magnitude }
}

#[allow(clippy::as_conversions, reason = "a volume of at most 1 keeps a sample within its bounds")]
fn loud(samples: &[i16], volume: f64) -> Vec<i16> {
    samples.iter().map(|sample| (f64::from(*sample) * volume).round() as i16).collect()
}

/// Quicker or slower at the same pitch: short pieces are laid over each other where they fit best (WSOLA).
fn stretched(samples: &[i16], speed: f64) -> Vec<i16> {
    const PIECE: usize = 480;
    const HALF: usize = PIECE / 2;
    const SEEK: usize = 120;
    if (speed - 1.0).abs() < 0.01 || samples.len() < PIECE * 2 {
        return samples.to_vec();
    }
    #[allow(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "30 ms, at most doubled"
    )]
    let hop = (f64::from(240_u32) * speed).round() as usize;
    let mut made: Vec<i16> = samples[..HALF].to_vec();
    let mut at = hop;
    // What would follow by itself, to be continued as smoothly as can be.
    let mut natural = HALF;
    while at + PIECE + SEEK < samples.len() && natural + HALF < samples.len() {
        let wanted = &samples[natural..natural + HALF];
        let from = at.saturating_sub(SEEK);
        let best =
            (from..=at + SEEK).max_by_key(|start| likeness(wanted, &samples[*start..*start + HALF])).unwrap_or(at);
        for step in 0..HALF {
            let (old, new) = (i64::from(samples[natural + step]), i64::from(samples[best + step]));
            let (step, half) = (i64::try_from(step).unwrap_or(0), 240_i64);
            made.push(i16::try_from((old * (half - step) + new * step) / half).unwrap_or(0));
        }
        natural = best + HALF;
        at += hop;
    }
    let rest = natural.min(samples.len());
    made.extend_from_slice(&samples[rest..]);
    made
}

fn likeness(a: &[i16], b: &[i16]) -> i64 {
    a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner() -> Manner {
        Manner { language: Language::En, times: 1, speed: 1.0, volume: 1.0, pause_ms: 500 }
    }

    #[test]
    fn every_digit_is_there_in_every_language_and_none_like_another() {
        let mut all = std::collections::BTreeSet::new();
        for language in [Language::Da, Language::En, Language::Kl] {
            for digit in 0..10 {
                let samples = recorded(language, digit);
                assert!(
                    (RATE_USIZE / 8..RATE_USIZE * 2).contains(&samples.len()),
                    "{language:?} {digit}: {}",
                    samples.len()
                );
                let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
                assert!((10_000..32_767).contains(&peak), "{language:?} {digit}: {peak}");
                assert!(all.insert(samples));
            }
        }
    }

    #[test]
    fn pauses_repeats_speed_and_volume_do_what_they_say() {
        let plain = speak("123456", &manner());
        let paused = speak("123456", &Manner { pause_ms: 1_000, ..manner() });
        // Four pauses and a long one, half a second longer each.
        assert_eq!(paused.len() - plain.len(), RATE_USIZE / 2 * (4 + 3));
        assert!(speak("123456", &Manner { times: 2, ..manner() }).len() > plain.len() * 19 / 10);
        let spoken = |speed| speak("0123456789", &Manner { speed, pause_ms: 0, ..manner() }).len() - RATE_USIZE;
        let (slow, normal, quick) = (spoken(0.5), spoken(1.0), spoken(2.0));
        assert!((slow * 10 / normal).abs_diff(20) <= 3, "{slow} {normal}");
        assert!((quick * 10 / normal).abs_diff(5) <= 2, "{quick} {normal}");
        let peak = |volume| speak("5", &Manner { volume, ..manner() }).iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak(0.5).abs_diff(peak(1.0) / 2) <= 1);
        assert_eq!(speak("", &manner()).iter().filter(|sample| **sample != 0).count(), 0);
    }

    #[test]
    fn a_wav_file_says_what_it_holds() {
        let file = wav(&[1, -1, 256]);
        assert_eq!(&file[..4], b"RIFF");
        assert_eq!(file.len(), 44 + 6);
        assert_eq!(data(&file), [1, 0, 255, 255, 0, 1]);
    }

    #[test]
    fn mu_law_is_read_as_the_standard_says() {
        // G.711, table 2: the ends and the middle.
        for (byte, sample) in [(0x00, -32_124), (0x80, 32_124), (0x7f, 0), (0xff, 0), (0xf0, 120), (0x70, -120)] {
            assert_eq!(from_mu_law(byte), sample, "{byte:02x}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_brought_within_bounds() {
        let wild = Manner { speed: f64::NAN, volume: 9.0, times: 0, pause_ms: 99_999, ..manner() }.within_bounds();
        assert_eq!((wild.speed, wild.volume, wild.times, wild.pause_ms), (1.0, 1.0, 1, 5_000));
        assert_eq!(in_groups("123456"), "123 456");
    }
}
