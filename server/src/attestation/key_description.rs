//! The Android attestation extension: `KeyDescription` in DER, versions 1 to 500
//! (source.android.com, "Key and ID attestation", schema).

use x509_parser::asn1_rs::{Any, Class, FromDer, Tag};

use super::AttestationError;
use super::policy::SecurityLevel;

/// What the hardware says about a key.
#[derive(Debug)]
pub(super) struct KeyDescription<'a> {
    pub(super) version: u64,
    pub(super) attestation_level: SecurityLevel,
    pub(super) key_level: SecurityLevel,
    pub(super) challenge: &'a [u8],
    /// Written by the operating system; only as good as its boot state.
    pub(super) software: AuthorizationList<'a>,
    /// Enforced by the TEE or StrongBox.
    pub(super) hardware: AuthorizationList<'a>,
}

/// The authorisations that this server judges; the others are skipped.
#[derive(Debug, Default)]
pub(super) struct AuthorizationList<'a> {
    pub(super) purposes: Vec<u64>,
    pub(super) algorithm: Option<u64>,
    pub(super) key_size: Option<u64>,
    pub(super) ec_curve: Option<u64>,
    pub(super) no_auth_required: bool,
    pub(super) user_auth_type: Option<u64>,
    pub(super) auth_timeout: Option<u64>,
    pub(super) allow_while_on_body: bool,
    pub(super) unlocked_device_required: bool,
    pub(super) all_applications: bool,
    pub(super) origin: Option<u64>,
    pub(super) root_of_trust: Option<RootOfTrust<'a>>,
    pub(super) os_version: Option<u64>,
    pub(super) os_patch_level: Option<u64>,
    pub(super) application_id: Option<ApplicationId<'a>>,
}

/// What the boot loader told the hardware.
#[derive(Debug)]
pub(super) struct RootOfTrust<'a> {
    pub(super) boot_key: &'a [u8],
    pub(super) locked: bool,
    /// 0 verified, 1 self-signed, 2 unverified, 3 failed.
    pub(super) state: u64,
}

/// The app that made the key, as the operating system saw it.
#[derive(Debug)]
pub(super) struct ApplicationId<'a> {
    pub(super) packages: Vec<&'a [u8]>,
    /// SHA-256 of each signing certificate.
    pub(super) signers: Vec<&'a [u8]>,
}

impl<'a> KeyDescription<'a> {
    /// Parses the extension's content; every byte must be accounted for.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, AttestationError> {
        let mut reader = Reader::new(Reader::new(der).only(Tag::Sequence)?);
        let version = integer(reader.next(Tag::Integer)?)?;
        let attestation_level = level(reader.next(Tag::Enumerated)?)?;
        let _keymint_version = integer(reader.next(Tag::Integer)?)?;
        let key_level = level(reader.next(Tag::Enumerated)?)?;
        let challenge = reader.next(Tag::OctetString)?;
        let _unique_id = reader.next(Tag::OctetString)?;
        let software = AuthorizationList::parse(reader.next(Tag::Sequence)?)?;
        let hardware = AuthorizationList::parse(reader.next(Tag::Sequence)?)?;
        reader.end()?;
        Ok(Self { version, attestation_level, key_level, challenge, software, hardware })
    }
}

impl<'a> AuthorizationList<'a> {
    fn parse(content: &'a [u8]) -> Result<Self, AttestationError> {
        let mut list = Self::default();
        let mut seen = Vec::new();
        let mut reader = Reader::new(content);
        while let Some(field) = reader.any()? {
            if field.class() != Class::ContextSpecific || !field.header.is_constructed() {
                return Err(MALFORMED);
            }
            let tag = field.tag().0;
            if seen.contains(&tag) {
                return Err(AttestationError::Malformed("an authorisation stands twice"));
            }
            seen.push(tag);
            let inner = Reader::new(field.data);
            match tag {
                1 => {
                    let mut set = Reader::new(inner.only(Tag::Set)?);
                    while let Some(value) = set.optional(Tag::Integer)? {
                        list.purposes.push(integer(value)?);
                    }
                }
                2 => list.algorithm = Some(integer(inner.only(Tag::Integer)?)?),
                3 => list.key_size = Some(integer(inner.only(Tag::Integer)?)?),
                10 => list.ec_curve = Some(integer(inner.only(Tag::Integer)?)?),
                503 => list.no_auth_required = present(inner)?,
                504 => list.user_auth_type = Some(integer(inner.only(Tag::Integer)?)?),
                505 => list.auth_timeout = Some(integer(inner.only(Tag::Integer)?)?),
                506 => list.allow_while_on_body = present(inner)?,
                509 => list.unlocked_device_required = present(inner)?,
                600 => list.all_applications = present(inner)?,
                702 => list.origin = Some(integer(inner.only(Tag::Integer)?)?),
                704 => list.root_of_trust = Some(RootOfTrust::parse(inner.only(Tag::Sequence)?)?),
                705 => list.os_version = Some(integer(inner.only(Tag::Integer)?)?),
                706 => list.os_patch_level = Some(integer(inner.only(Tag::Integer)?)?),
                709 => {
                    list.application_id = Some(ApplicationId::parse(inner.only(Tag::OctetString)?)?);
                }
                _ => {}
            }
        }
        Ok(list)
    }
}

impl<'a> RootOfTrust<'a> {
    fn parse(content: &'a [u8]) -> Result<Self, AttestationError> {
        let mut reader = Reader::new(content);
        let boot_key = reader.next(Tag::OctetString)?;
        let locked = match reader.next(Tag::Boolean)? {
            [0] => false,
            [0xff] => true,
            _ => return Err(MALFORMED),
        };
        let state = integer(reader.next(Tag::Enumerated)?)?;
        // The boot hash came with version 3.
        let _boot_hash = reader.optional(Tag::OctetString)?;
        reader.end()?;
        Ok(Self { boot_key, locked, state })
    }
}

impl<'a> ApplicationId<'a> {
    fn parse(der: &'a [u8]) -> Result<Self, AttestationError> {
        let mut reader = Reader::new(Reader::new(der).only(Tag::Sequence)?);
        let mut packages = Vec::new();
        let mut infos = Reader::new(reader.next(Tag::Set)?);
        while let Some(info) = infos.optional(Tag::Sequence)? {
            let mut info = Reader::new(info);
            packages.push(info.next(Tag::OctetString)?);
            let _version = info.next(Tag::Integer)?;
            info.end()?;
        }
        let mut signers = Vec::new();
        let mut digests = Reader::new(reader.next(Tag::Set)?);
        while let Some(digest) = digests.optional(Tag::OctetString)? {
            signers.push(digest);
        }
        reader.end()?;
        Ok(Self { packages, signers })
    }
}

const MALFORMED: AttestationError = AttestationError::Malformed("the attestation extension");

/// Reads DER values one after the other.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next value of any type, or `None` at the end.
    fn any(&mut self) -> Result<Option<Any<'a>>, AttestationError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (rest, any) = Any::from_der(self.rest).map_err(|_| MALFORMED)?;
        self.rest = rest;
        Ok(Some(any))
    }

    /// The content of the next value, which must be of the universal type `tag` if there is one.
    fn optional(&mut self, tag: Tag) -> Result<Option<&'a [u8]>, AttestationError> {
        let Some(any) = self.any()? else {
            return Ok(None);
        };
        let constructed = matches!(tag, Tag::Sequence | Tag::Set);
        if any.class() != Class::Universal || any.tag() != tag || any.header.is_constructed() != constructed {
            return Err(MALFORMED);
        }
        Ok(Some(any.data))
    }

    fn next(&mut self, tag: Tag) -> Result<&'a [u8], AttestationError> {
        self.optional(tag)?.ok_or(MALFORMED)
    }

    /// The content of the only value.
    fn only(mut self, tag: Tag) -> Result<&'a [u8], AttestationError> {
        let content = self.next(tag)?;
        self.end()?;
        Ok(content)
    }

    fn end(&self) -> Result<(), AttestationError> {
        if self.rest.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }
}

/// A NULL marks a flag as set.
fn present(reader: Reader<'_>) -> Result<bool, AttestationError> {
    if reader.only(Tag::Null)?.is_empty() { Ok(true) } else { Err(MALFORMED) }
}

/// A non-negative integer of at most 64 bits, in its shortest form.
fn integer(content: &[u8]) -> Result<u64, AttestationError> {
    let magnitude = match content {
        [0] => &[][..],
        [0, rest @ ..] if rest.first().is_some_and(|byte| byte & 0x80 != 0) => rest,
        [first, ..] if *first != 0 && first & 0x80 == 0 => content,
        _ => return Err(MALFORMED),
    };
    if magnitude.len() > 8 {
        return Err(MALFORMED);
    }
    Ok(magnitude.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

fn level(content: &[u8]) -> Result<SecurityLevel, AttestationError> {
    match integer(content)? {
        0 => Ok(SecurityLevel::Software),
        1 => Ok(SecurityLevel::Tee),
        2 => Ok(SecurityLevel::StrongBox),
        _ => Err(AttestationError::Malformed("an unknown security level")),
    }
}
