//! RFC 9497, OPRF(P-256, SHA-256), through the crate that opaque-ke stands on.

use p256_013::NistP256;
use voprf::{BlindedElement, EvaluationElement, OprfClient, OprfServer};

use crate::{Replay, Tally, bytes, cases, text, vectors};

#[test]
fn rfc_9497_appendix_a_3_1() {
    let file = vectors("oprf.json");
    let tally = Tally::new("OPRF(P-256, SHA-256)");
    let server = OprfServer::<NistP256>::new_from_seed(&bytes(&file, "seed"), &bytes(&file, "key_info")).unwrap();
    assert_eq!(server.serialize().as_slice(), bytes(&file, "skSm"));
    for case in cases(&file) {
        let input = bytes(case, "Input");
        let mut rng = Replay::new(&[&bytes(case, "Blind")]);
        let blinded = OprfClient::<NistP256>::blind(&input, &mut rng).unwrap();
        assert!(rng.is_used_up());
        assert_eq!(blinded.message.serialize().as_slice(), bytes(case, "BlindedElement"));

        let received = BlindedElement::deserialize(&bytes(case, "BlindedElement")).unwrap();
        let evaluated = server.blind_evaluate(&received);
        assert_eq!(evaluated.serialize().as_slice(), bytes(case, "EvaluationElement"));

        let received = EvaluationElement::deserialize(&bytes(case, "EvaluationElement")).unwrap();
        assert_eq!(blinded.state.finalize(&input, &received).unwrap().as_slice(), bytes(case, "Output"));
        assert_eq!(server.evaluate(&input).unwrap().as_slice(), bytes(case, "Output"), "{}", text(case, "Input"));
        tally.accepted();
    }
    tally.at_least(2, 0);
}

/// Adversarial case 4: the identity, points off the curve and cut points are no elements.
#[test]
fn bad_elements_are_refused() {
    let file = vectors("oprf.json");
    let good = bytes(&cases(&file)[0], "BlindedElement");
    let tally = Tally::new("OPRF(P-256, SHA-256), bad elements");
    let refused = |element: &[u8]| {
        assert!(BlindedElement::<NistP256>::deserialize(element).is_err(), "{element:02x?}");
        assert!(EvaluationElement::<NistP256>::deserialize(element).is_err(), "{element:02x?}");
        tally.refused();
    };
    refused(&[0; 33]);
    refused(&[0]);
    for length in 0..good.len() {
        refused(&good[..length]);
    }
    for tag in [0, 1, 4, 6, 0xff] {
        refused(&[&[tag], &good[1..]].concat());
    }
    let off_curve = (0..=255_u8).map(|x| [&[2][..], &[0; 31], &[x]].concat());
    let off_curve: Vec<_> = off_curve.filter(|p| p256_013::PublicKey::from_sec1_bytes(p).is_err()).collect();
    assert!(!off_curve.is_empty());
    off_curve.iter().for_each(|p| refused(p));
    tally.at_least(0, 100);
}

/// The decoder also takes SEC 1's compact form (tag 5): it has to be refused by comparing with what it re-encodes to.
#[test]
fn the_compact_form_is_taken_but_not_kept() {
    let file = vectors("oprf.json");
    for case in cases(&file) {
        let compact = [&[5], &bytes(case, "BlindedElement")[1..]].concat();
        let element = BlindedElement::<NistP256>::deserialize(&compact).unwrap();
        assert_ne!(element.serialize().as_slice(), compact);
        assert!(p256::PublicKey::from_sec1_bytes(&compact).is_ok(), "p256 0.14 takes it as well");
    }
}
