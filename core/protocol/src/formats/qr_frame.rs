//! The frames of a login page's moving QR code. The page is given a few ahead; their secret never leaves the server.

use crate::bytes::{Fixed, Id, Secret};
use crate::crypto;

/// The code of one frame: the first 16 bytes of `HMAC(secret, label || session || frame)`; `frame` is the Unix second
/// that it is shown in.
#[must_use]
pub fn code(secret: &Secret<32>, session: &Id, frame: u64) -> Fixed<16> {
    let mac = crypto::hmac_sha256(&secret.0, &[b"godkend/1/qr-frame", &session.0, &frame.to_be_bytes()]);
    let mut code = [0; 16];
    code.copy_from_slice(&mac.0[..16]);
    Fixed(code)
}

/// Whether a frame may still be scanned at `now_ms` (Unix milliseconds): shown already (one second of clock or network
/// jitter allowed), and first shown no longer than `validity_ms` ago.
#[must_use]
pub fn is_fresh(frame: u64, now_ms: i64, validity_ms: i64) -> bool {
    let Ok(frame) = i64::try_from(frame) else { return false };
    let Some(start) = frame.checked_mul(1000) else { return false };
    now_ms >= start - 1000 && now_ms <= start.saturating_add(validity_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_fresh_from_a_second_before_to_three_after() {
        const SHOWN: u64 = 1_790_000_000;
        const AT: i64 = 1_790_000_000_000;
        for (now, fresh) in [
            (AT - 1001, false),
            (AT - 1000, true),
            (AT - 1, true),
            (AT, true),
            (AT + 999, true),
            (AT + 2999, true),
            (AT + 3000, true),
            (AT + 3001, false),
            (AT + 86_400_000, false),
            (0, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            assert_eq!(is_fresh(SHOWN, now, 3000), fresh, "{}", now.saturating_sub(AT));
        }
        assert!(is_fresh(0, 0, 0) && !is_fresh(0, 1, 0));
        // Numbers that no clock shows.
        let last = u64::try_from(i64::MAX / 1000).unwrap();
        for frame in [u64::MAX, u64::try_from(i64::MAX).unwrap(), last + 1] {
            assert!(!is_fresh(frame, AT, 3000) && !is_fresh(frame, i64::MAX, 3000), "{frame}");
        }
        assert!(is_fresh(last, i64::MAX, i64::MAX));
    }

    #[test]
    fn a_code_is_for_one_frame_of_one_session() {
        let (secret, session) = (Secret([1; 32]), crate::bytes::Fixed([2; 16]));
        let right = code(&secret, &session, 7);
        assert_eq!(code(&secret, &session, 7), right);
        assert_ne!(code(&secret, &session, 8), right);
        assert_ne!(code(&secret, &crate::bytes::Fixed([3; 16]), 7), right);
        assert_ne!(code(&Secret([2; 32]), &session, 7), right);
    }
}
