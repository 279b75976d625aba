//! Attestations generated under test roots: one that is accepted for each level, one for each refusal.

mod android;
mod apple;
mod chains;
mod front;
mod phone;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SerialNumber, SigningKey, date_time_ymd,
};

/// 2026-06-01 00:00 UTC.
const NOW: i64 = 1_780_272_000;
const DAY: i64 = 86_400;

/// A certificate authority of a test.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

impl Authority {
    fn root(name: &[(DnType, &str)]) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let params = authority_params(name, 1, 2020, 2040);
        let certificate = params.self_signed(&key).unwrap();
        Self { params, key, certificate }
    }

    fn issue(&self, params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        Self { params, key, certificate }
    }

    fn issue_leaf(&self, params: CertificateParams, key: &KeyPair) -> Vec<u8> {
        params.signed_by(key, &self.issuer()).unwrap().der().to_vec()
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }
}

fn p256() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn point(key: &KeyPair) -> [u8; 65] {
    key.public_key_raw().try_into().unwrap()
}

/// A certificate that may issue, valid from the first of January of `from` to that of `to`.
fn authority_params(name: &[(DnType, &str)], serial: u64, from: i32, to: i32) -> CertificateParams {
    let mut params = leaf_params(name, from, to);
    params.serial_number = Some(SerialNumber::from(serial));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params(name: &[(DnType, &str)], from: i32, to: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in name {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params.serial_number = Some(SerialNumber::from(1_u64));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn extension(oid: &[u64], content: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(oid, content)
}

fn sign(key: &KeyPair, message: &[u8]) -> Vec<u8> {
    SigningKey::sign(key, message).unwrap()
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, &parts.concat()).as_ref().try_into().unwrap()
}

/// One DER value: tag bytes, length, content.
fn tlv(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = tag.to_vec();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend(content);
    out
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[0x30], &parts.concat())
}

fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[0x31], &parts.concat())
}

fn octets(content: &[u8]) -> Vec<u8> {
    tlv(&[0x04], content)
}

fn integer(value: u64) -> Vec<u8> {
    tlv(&[0x02], &magnitude(value))
}

fn enumerated(value: u64) -> Vec<u8> {
    tlv(&[0x0a], &magnitude(value))
}

fn boolean(value: bool) -> Vec<u8> {
    tlv(&[0x01], if value { &[0xff] } else { &[0] })
}

fn null() -> Vec<u8> {
    tlv(&[0x05], &[])
}

/// `[number] EXPLICIT value`.
fn explicit(number: u32, value: &[u8]) -> Vec<u8> {
    let low = |shift: u32| u8::try_from((number >> shift) & 0x7f).unwrap();
    let tag = if number < 31 {
        vec![0xa0 | low(0)]
    } else if number < 128 {
        vec![0xbf, low(0)]
    } else {
        vec![0xbf, 0x80 | low(7), low(0)]
    };
    tlv(&tag, value)
}

fn magnitude(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    let mut out = bytes[start..].to_vec();
    if out[0] & 0x80 != 0 {
        out.insert(0, 0);
    }
    out
}

/// Every truncation and `flips` bit flips of `bytes`, spread evenly.
fn mutations(bytes: &[u8], flips: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
    let truncated = (0..bytes.len()).map(|length| bytes[..length].to_vec());
    let bits = bytes.len() * 8;
    let flipped = (0..flips.min(bits)).map(move |step| {
        let bit = step * bits / flips.min(bits);
        let mut copy = bytes.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    });
    truncated.chain(flipped)
}
