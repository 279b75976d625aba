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
