//! Android's chains: signatures, roots, dates, revocation, forged extensions and garbage.

use rcgen::{DnType, KeyPair};

use super::android::Check;
use super::phone::{Phone, Vendor, key_params};
use super::*;
use crate::attestation::android::{AndroidRoots, Provisioning};
use crate::attestation::chain;
use crate::attestation::key_description::KeyDescription;
use crate::attestation::{AttestationError, RevocationList, SecurityLevel};

#[test]
fn a_revoked_key_anywhere_in_the_chain_is_refused() {
    for (list, serial) in [
        (r#"{"entries": {"abcdef": {"status": "REVOKED", "reason": "KEY_COMPROMISE"}}}"#, "abcdef"),
        (r#"{"entries": {"00ABCDEF": {"status": "SUSPENDED"}}}"#, "abcdef"),
        (r#"{"entries": {"2": {"status": "A_LATER_STATUS"}}}"#, "2"),
    ] {
        let check = Check { revoked: RevocationList::from_json(list).unwrap(), ..Check::default() };
        assert_eq!(check.phone(&Phone::possession(1)), Err(AttestationError::Revoked { serial: serial.to_owned() }));
    }
    let other = r#"{"entries": {"abcde": {"status": "REVOKED"}, "bcdef": {"status": "REVOKED"}}}"#;
    let check = Check { revoked: RevocationList::from_json(other).unwrap(), ..Check::default() };
    check.phone(&Phone::possession(1)).unwrap();
    for broken in ["", "[]", "{}", r#"{"entries": {"xyz": {"status": "REVOKED"}}}"#] {
        RevocationList::from_json(broken).unwrap_err();
    }
}

/// Somebody with an honest phone lets its attested key sign a further certificate.
#[test]
fn a_chain_extended_below_the_true_leaf_is_refused() {
    let honest = Phone { challenge: vec![9; 32], packages: vec!["dk.evil.app"], ..Phone::possession(1) };
    for (vendor, may_issue, expected) in [
        (Vendor::remote("TEE"), false, AttestationError::BrokenChain(1)),
        (Vendor::remote("TEE"), true, AttestationError::ForgedAttestation),
        // Old factory issuers are not marked as authorities, so here the extension alone decides.
        (Vendor::factory("TEE", 2030), false, AttestationError::ForgedAttestation),
    ] {
        let mut params = key_params(&honest);
        if may_issue {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }
        let true_leaf = vendor.batch.issue(params, p256());
        for forged in
            [key_params(&Phone::possession(1)), leaf_params(&[(DnType::CommonName, "no extension")], 1970, 2048)]
        {
            let mut chain = vec![
                true_leaf.issue_leaf(forged, &p256()),
                true_leaf.der(),
                vendor.batch.der(),
                vendor.intermediate.der(),
                vendor.root.der(),
            ];
            assert_eq!(Check::default().run(&chain, &vendor.roots()), Err(expected.clone()));
            // Without the true leaf the signatures do not hold.
            chain.remove(1);
            assert_eq!(Check::default().run(&chain, &vendor.roots()), Err(AttestationError::BrokenChain(0)));
        }
    }
}

/// Phones of 2016 carry an issuer that is not marked as an authority; remotely provisioned ones never do.
#[test]
fn an_unmarked_issuer_is_accepted_from_the_factory_only() {
    for (mut vendor, accepted) in [(Vendor::factory("TEE", 2024), true), (Vendor::remote("TEE"), false)] {
        let mut params = vendor.batch.params.clone();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        vendor.batch = vendor.intermediate.issue(params, p256());
        let chain = vendor.chain(&Phone::possession(1), &p256());
        let result = Check::default().run(&chain, &vendor.roots());
        if accepted {
            result.unwrap();
        } else {
            assert_eq!(result, Err(AttestationError::BrokenChain(1)));
        }
    }
}

#[test]
fn two_or_no_attestations_in_the_leaf_are_refused() {
    let vendor = Vendor::remote("TEE");
    let mut params = key_params(&Phone::possession(1));
    let twice = params.custom_extensions[0].clone();
    params.custom_extensions.push(twice);
    let refused = Check::default().run(&vendor.chain_of(params, &p256()), &vendor.roots());
    assert_eq!(refused, Err(AttestationError::ForgedAttestation));
    let params = leaf_params(&[(DnType::CommonName, "Android Keystore Key")], 1970, 2048);
    let refused = Check::default().run(&vendor.chain_of(params, &p256()), &vendor.roots());
    assert_eq!(refused, Err(AttestationError::NoAttestation));
}

#[test]
fn expiry_counts_for_remote_certificates_and_by_policy_for_factory_ones() {
    let remote = Vendor::remote("TEE");
    let chain = remote.chain(&Phone::possession(1), &p256());
    let late = Check { now: NOW + 365 * DAY, ..Check::default() };
    assert_eq!(late.run(&chain, &remote.roots()), Err(AttestationError::NotValidNow(1)));
    let early = Check { now: NOW - 6 * 365 * DAY, ..Check::default() };
    assert_eq!(early.run(&chain, &remote.roots()), Err(AttestationError::NotValidNow(1)));

    let factory = Vendor::factory("TEE", 2024);
    let chain = factory.chain(&Phone::possession(1), &p256());
    let facts = Check::default().run(&chain, &factory.roots()).unwrap();
    assert_eq!(facts.provisioning, Provisioning::Factory);
    let strict = Check { accept_expired_factory_certificates: false, ..Check::default() };
    assert_eq!(strict.run(&chain, &factory.roots()), Err(AttestationError::NotValidNow(1)));
    let early = Check { now: NOW - 6 * 365 * DAY, ..Check::default() };
    assert_eq!(early.run(&chain, &factory.roots()), Err(AttestationError::NotValidNow(1)));

    let strongbox = Vendor::factory("StrongBox", 2030);
    let chain = strongbox.chain(&Phone::possession(2), &p256());
    let facts = Check::default().run(&chain, &strongbox.roots()).unwrap();
    assert_eq!(facts.level, SecurityLevel::StrongBox);
}

#[test]
fn unknown_roots_and_broken_chains_are_refused() {
    let vendor = Vendor::remote("TEE");
    let chain = vendor.chain(&Phone::possession(1), &p256());
    let stranger = Vendor::remote("TEE");
    assert_eq!(Check::default().run(&chain, &stranger.roots()), Err(AttestationError::UntrustedRoot));
    assert_eq!(Check::default().run(&chain, &AndroidRoots::google().unwrap()), Err(AttestationError::UntrustedRoot));
    // The trusted root under a stranger's chain, of the same names.
    let mut grafted = stranger.chain(&Phone::possession(1), &p256());
    grafted[3] = vendor.root.der();
    assert_eq!(Check::default().run(&grafted, &vendor.roots()), Err(AttestationError::BrokenChain(2)));
    for missing in 0..chain.len() {
        let mut short = chain.clone();
        short.remove(missing);
        Check::default().run(&short, &vendor.roots()).unwrap_err();
    }
    let mut swapped = chain.clone();
    swapped.swap(1, 2);
    Check::default().run(&swapped, &vendor.roots()).unwrap_err();
    assert!(matches!(Check::default().run(&[], &vendor.roots()), Err(AttestationError::Malformed(_))));
    assert_eq!(Check::default().run(&vec![chain[0].clone(); 11], &vendor.roots()), Err(AttestationError::TooLarge));
    assert_eq!(
        Check::default().run(&[vec![0x30; 20_000], chain[3].clone()], &vendor.roots()),
        Err(AttestationError::TooLarge)
    );
}

/// The same root key in a certificate of another date is the same root.
#[test]
fn a_reissued_root_is_accepted() {
    let vendor = Vendor::remote("TEE");
    let mut chain = vendor.chain(&Phone::possession(1), &p256());
    let mut params = vendor.root.params.clone();
    params.not_after = date_time_ymd(2021, 1, 1);
    chain[3] = params.self_signed(&vendor.root.key).unwrap().der().to_vec();
    Check::default().run(&chain, &vendor.roots()).unwrap();
}

#[test]
fn an_issuer_of_another_name_is_refused() {
    let mut vendor = Vendor::remote("TEE");
    // The same key, so every signature holds.
    let params = authority_params(&[(DnType::CommonName, "Droid CA3")], 2, 2021, 2039);
    let key = KeyPair::try_from(vendor.intermediate.key.serialize_der()).unwrap();
    vendor.intermediate = vendor.root.issue(params, key);
    assert_eq!(
        Check::default().run(&vendor.chain(&Phone::possession(1), &p256()), &vendor.roots()),
        Err(AttestationError::BrokenChain(1))
    );
}

#[test]
fn a_path_length_is_respected() {
    let root = Authority::root(&[(DnType::CommonName, "Test Attestation Root")]);
    let mut params = authority_params(&[(DnType::CommonName, "Droid CA2")], 2, 2021, 2039);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let intermediate = root.issue(params, p256());
    let batch = authority_params(&[(DnType::OrganizationName, "TEE")], 3, 2022, 2030);
    let batch = intermediate.issue(batch, p256());
    let vendor = Vendor { root, intermediate, batch };
    assert_eq!(
        Check::default().run(&vendor.chain(&Phone::possession(1), &p256()), &vendor.roots()),
        Err(AttestationError::BrokenChain(2))
    );
}

#[test]
fn the_vendors_roots_verify_themselves() {
    // Their own signatures run through the same code as a chain's, RSA 4096 and P-384.
    for pem in [
        include_str!("../roots/google-rsa-4096.pem"),
        include_str!("../roots/google-p384.pem"),
        include_str!("../roots/apple-app-attest.pem"),
    ] {
        let anchors = chain::TrustAnchor::from_pem(pem).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
        let path = chain::parse([pem.contents.as_slice()].into_iter()).unwrap();
        chain::verify(&path, &anchors[0], NOW, chain::Leniency::default()).unwrap();
        let mut bent = pem.contents.clone();
        let last = bent.len() - 3;
        bent[last] ^= 1;
        let path = chain::parse([bent.as_slice()].into_iter()).unwrap();
        assert_eq!(
            chain::verify(&path, &anchors[0], NOW, chain::Leniency::default()),
            Err(AttestationError::BrokenChain(0))
        );
    }
}

#[test]
fn truncated_and_flipped_bytes_are_refused_without_a_panic() {
    let vendor = Vendor::remote("TEE");
    let roots = vendor.roots();
    let chain = vendor.chain(&Phone::biometric(), &p256());
    let facts = Check::biometric().run(&chain, &roots).unwrap();
    for index in 0..chain.len() {
        for bytes in mutations(&chain[index], 400) {
            let mut bent = chain.clone();
            bent[index] = bytes;
            // Bytes around what is signed may vary; what is concluded may not.
            if let Ok(other) = Check::biometric().run(&bent, &roots) {
                assert_eq!(other, facts);
                assert_eq!(bent[index].len(), chain[index].len());
            }
        }
    }
}

/// Bends the description before it is signed, so that the parser behind the signatures sees the garbage.
#[test]
fn a_signed_garbage_description_does_not_panic() {
    let description = Phone::biometric().description();
    let mut accepted = 0;
    for bytes in mutations(&description, usize::MAX) {
        accepted += usize::from(KeyDescription::parse(&bytes).is_ok());
    }
    // Flips inside digests, names and numbers leave well-formed DER; no truncation does.
    assert!(accepted > 0 && accepted < description.len() * 8);
    for length in 0..description.len() {
        KeyDescription::parse(&description[..length]).unwrap_err();
    }
    let mut longer = description;
    longer.push(0);
    KeyDescription::parse(&longer).unwrap_err();
}

#[test]
fn an_authorisation_that_stands_twice_is_refused() {
    let phone = Phone { extra: vec![explicit(503, &null())], ..Phone::possession(1) };
    assert!(matches!(Check::default().phone(&phone), Err(AttestationError::Malformed(_))));
    // Unknown ones are skipped.
    let phone = Phone { extra: vec![explicit(9999, &integer(1))], ..Phone::possession(1) };
    Check::default().phone(&phone).unwrap();
}
