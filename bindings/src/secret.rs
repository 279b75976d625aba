//! Byte strings that leave nothing behind: a PIN, a derived secret.

use godkend_core::SecretBytes32;
use uniffi::deps::anyhow::{self, bail};
use uniffi::{FfiConverter, MetadataBuffer, RustBuffer, TypeId};
use zeroize::Zeroizing;

use crate::UniFfiTag;

/// Bytes that are wiped when dropped and never printed. They cross the binding as `ByteArray`, `Data` or `bytes`;
/// the copy that was made for the crossing is wiped too. The caller wipes its own.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As 32 bytes, if they are as many.
    pub(crate) fn to_32(&self) -> Option<SecretBytes32> {
        <[u8; 32]>::try_from(self.0.as_slice()).ok().map(SecretBytes32)
    }
}

impl From<&SecretBytes32> for SecretBytes {
    fn from(secret: &SecretBytes32) -> Self {
        Self::new(secret.0.to_vec())
    }
}

impl core::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[redacted]")
    }
}

// SAFETY: the same type on the other side and the same encoding as `Vec<u8>` has: a big-endian i32 of its length, and
// the bytes. `TYPE_ID_META` is that of `Vec<u8>`, so that the generated code treats both alike.
unsafe impl FfiConverter<UniFfiTag> for SecretBytes {
    type FfiType = RustBuffer;

    const TYPE_ID_META: MetadataBuffer = <Vec<u8> as TypeId<UniFfiTag>>::TYPE_ID_META;

    fn lower(secret: Self) -> RustBuffer {
        // With room from the start: a vector that grows would leave copies behind.
        let mut buffer = Vec::with_capacity(secret.0.len() + 4);
        <Self as FfiConverter<UniFfiTag>>::write(secret, &mut buffer);
        RustBuffer::from_vec(buffer)
    }

    fn try_lift(buffer: RustBuffer) -> anyhow::Result<Self> {
        let bytes = Zeroizing::new(buffer.destroy_into_vec());
        let mut rest = bytes.as_slice();
        let secret = <Self as FfiConverter<UniFfiTag>>::try_read(&mut rest)?;
        if rest.is_empty() { Ok(secret) } else { bail!("bytes are left over") }
    }

    fn write(secret: Self, buffer: &mut Vec<u8>) {
        // Nothing here comes near 2 GB; were it so, the other side would refuse the truncated bytes.
        let length = i32::try_from(secret.0.len()).unwrap_or(i32::MAX);
        buffer.extend_from_slice(&length.to_be_bytes());
        buffer.extend_from_slice(&secret.0);
    }

    fn try_read(buffer: &mut &[u8]) -> anyhow::Result<Self> {
        let Some((length, rest)) = buffer.split_first_chunk::<4>() else { bail!("no length") };
        let length = usize::try_from(i32::from_be_bytes(*length))?;
        let Some((bytes, rest)) = rest.split_at_checked(length) else { bail!("too few bytes") };
        *buffer = rest;
        Ok(Self::new(bytes.to_vec()))
    }
}

uniffi::derive_ffi_traits!(local SecretBytes);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn it_crosses_as_plain_bytes_do() {
        let bytes = vec![1, 2, 3, 4, 5, 6];
        let plain = <Vec<u8> as uniffi::Lower<UniFfiTag>>::lower(bytes.clone());
        let secret = <SecretBytes as FfiConverter<UniFfiTag>>::try_lift(plain).unwrap();
        assert_eq!(secret.as_bytes(), bytes);
        let back = <SecretBytes as FfiConverter<UniFfiTag>>::lower(secret);
        assert_eq!(<Vec<u8> as uniffi::Lift<UniFfiTag>>::try_lift(back).unwrap(), bytes);
    }

    #[test]
    fn damaged_buffers_are_refused() {
        for bytes in [&[][..], &[0, 0, 0], &[0, 0, 0, 2, 1], &[0, 0, 0, 1, 1, 1], &[0xff, 0xff, 0xff, 0xff]] {
            let buffer = RustBuffer::from_vec(bytes.to_vec());
            assert!(<SecretBytes as FfiConverter<UniFfiTag>>::try_lift(buffer).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn its_debug_form_shows_nothing() {
        assert_eq!(format!("{:?}", SecretBytes::new(b"271828".to_vec())), "[redacted]");
    }
}
