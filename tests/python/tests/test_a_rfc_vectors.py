"""Standards below the protocol: every file of tests/vectors/rfc."""

from __future__ import annotations

import re
import unittest
from hashlib import sha256

from godkend_phone import cbor, hpke, ocra, opaque, p256
from godkend_phone.errors import Malformed, SignatureInvalid

from . import opaque_server, vectors
from .vectors import binary, replayed


class Standards(unittest.TestCase):
    def test_cbor_of_rfc_8949(self) -> None:
        cases = vectors.load("rfc/cbor.json")["cases"]
        accepted = 0
        for case in cases:
            data, diagnostic = binary(case["encoded"]), case["diagnostic"]
            outside_strings = re.sub(r"\"(\\.|[^\"\\])*\"|h'[0-9a-f]*'", "", diagnostic)
            # What section 1 leaves out: floats, tags, undefined, other simple values, indefinite lengths.
            left_out = re.search(r"\.|Infinity|NaN|undefined|simple|\(|_", outside_strings)
            if left_out or not case["deterministic"] or case["encoded"][:2] in ("c2", "c3"):
                with self.assertRaises(Malformed, msg=diagnostic):
                    cbor.decode(data)
            else:
                self.assertEqual(cbor.encode(cbor.decode(data)), data, diagnostic)
                accepted += 1
        self.assertGreater(accepted, 30)
        replayed("rfc/cbor.json", len(cases))

    def test_cose_sign1_of_rfc_9052(self) -> None:
        """The protocol's envelope is narrower; what is replayed here is the Sig_structure and the signature."""
        file = vectors.load("rfc/cose.json")
        point = b"\x04" + binary(file["key"]["x"]) + binary(file["key"]["y"])
        for case in file["cases"]:
            data = binary(case["encoded"])
            body = data[1:] if case["tagged"] and data[0] == 0xD2 else data
            try:
                protected, _, payload, signature = cbor.decode(body)  # type: ignore[misc]
                structure = cbor.encode(["Signature1", protected, binary(case["external_aad"]), payload])
                r, s = signature[:32], int.from_bytes(signature[32:], "big")
                low = r + min(s, p256.N - s).to_bytes(32, "big")
                p256.verify(point, structure, low)
                valid = True
            except (Malformed, SignatureInvalid, ValueError, TypeError):
                valid = False
            self.assertEqual(valid, case["valid"], case["name"])
        replayed("rfc/cose.json", len(file["cases"]))

    def test_hotp_of_rfc_4226(self) -> None:
        file = vectors.load("rfc/hotp.json")
        for case in file["cases"]:
            code = ocra.hotp(binary(file["key"]), case["counter"], file["digits"], file["hash"].lower())
            self.assertEqual(code, case["hotp"])
        replayed("rfc/hotp.json", len(file["cases"]))

    def test_totp_of_rfc_6238(self) -> None:
        file = vectors.load("rfc/totp.json")
        for case in file["cases"]:
            step = case["time"] // file["step"]
            code = ocra.hotp(binary(case["key"]), step, file["digits"], case["hash"].lower())
            self.assertEqual(code, case["totp"])
        replayed("rfc/totp.json", len(file["cases"]))

    def test_ocra_of_rfc_6287(self) -> None:
        file = vectors.load("rfc/ocra.json")
        for case in file["cases"]:
            code = ocra.ocra(
                case["suite"],
                binary(case["key"]),
                ocra.question_bytes(case["suite"], case["question"]),
                counter=case.get("counter"),
                pin=binary(case.get("pin_sha1", "")),
                time=case.get("time_step"),
            )
            self.assertEqual(code, case["ocra"], case["suite"])
            if "pin_sha1" in case:
                self.assertEqual(ocra.pin_hash(file["pin"]).hex(), case["pin_sha1"])
        replayed("rfc/ocra.json", len(file["cases"]))

    def _hpke_context(self, case: dict, shared: bytes) -> hpke.Context:
        return hpke.Context(
            case["kem_id"],
            case["aead_id"],
            shared,
            binary(case["info"]),
            binary(case.get("psk", "")),
            binary(case.get("psk_id", "")),
        )

    def _hpke_outputs(self, case: dict, context: hpke.Context) -> None:
        for part in case["encryptions"]:
            ciphertext = context.seal(binary(part["aad"]), binary(part["pt"]), part["seq"])
            self.assertEqual(ciphertext.hex(), part["ct"])
        for part in case["exports"]:
            exported = context.export(binary(part["exporter_context"]), part["L"])
            self.assertEqual(exported.hex(), part["exported_value"])

    def test_hpke_of_rfc_9180(self) -> None:
        cases = vectors.load("rfc/hpke.json")["cases"]
        kem = hpke.DhKem()
        for case in cases:
            receiver, ephemeral = kem.derive(binary(case["ikmR"])), kem.derive(binary(case["ikmE"]))
            self.assertEqual(receiver.scalar.to_bytes(32, "big").hex(), case["skRm"])
            shared, enc = kem.encapsulate(binary(case["pkRm"]), ephemeral)
            self.assertEqual(enc.hex(), case["enc"])
            self.assertEqual(kem.decapsulate(receiver, enc), shared)
            self._hpke_outputs(case, self._hpke_context(case, shared))
        replayed("rfc/hpke.json", len(cases))

    def test_hpke_with_mlkem768_p256(self) -> None:
        cases = vectors.load("rfc/hpke_pq.json")["cases"]
        for case in cases:
            if case["kem_id"] == hpke.HybridKem.identifier:
                key = hpke.HybridKem().derive(binary(case["ikmR"]))
                self.assertEqual((key.seed.hex(), key.public.hex()), (case["skRm"], case["pkRm"]))
                shared = hpke.HybridKem().decapsulate(key, binary(case["enc"]))
            else:  # ML-KEM-768 alone, which the hybrid is built on
                private = hpke.mlkem.MLKEM768PrivateKey.from_seed_bytes(binary(case["skRm"]))
                self.assertEqual(private.public_key().public_bytes_raw().hex(), case["pkRm"])
                shared = private.decapsulate(binary(case["enc"]))
            self.assertEqual(shared.hex(), case["shared_secret"])
            self._hpke_outputs(case, self._hpke_context(case, shared))
        replayed("rfc/hpke_pq.json", len(cases))

    def test_oprf_of_rfc_9497(self) -> None:
        file = vectors.load("rfc/oprf.json")
        secret = opaque.derive_key_pair(binary(file["seed"]), binary(file["key_info"]))
        self.assertEqual(secret, int(file["skSm"], 16))
        for case in file["cases"]:
            blind, element = int(case["Blind"], 16), binary(case["Input"])
            blinded = opaque.blind(element, blind)
            self.assertEqual(blinded.hex(), case["BlindedElement"])
            evaluated = (secret * p256.decompress(blinded)).compressed()
            self.assertEqual(evaluated.hex(), case["EvaluationElement"])
            self.assertEqual(opaque.finalize(element, blind, evaluated).hex(), case["Output"])
        replayed("rfc/oprf.json", len(file["cases"]))

    def test_opaque_of_rfc_9807(self) -> None:
        cases = vectors.load("rfc/opaque.json")["cases"]
        for case in cases:
            (self._opaque_real if case["kind"] == "real" else self._opaque_fake)(case)
        replayed("rfc/opaque.json", len(cases))

    def _opaque_real(self, case: dict) -> None:
        password = binary(case["password"])
        identities = {
            name: binary(case[name]) for name in ("client_identity", "server_identity") if case.get(name) is not None
        }
        registration = opaque.Registration(password, int(case["blind_registration"], 16))
        self.assertEqual(registration.request.hex(), case["registration_request"])
        response = binary(case["registration_response"])
        upload, export_key = registration.finish(response, binary(case["envelope_nonce"]), **identities)
        self.assertEqual(upload.hex(), case["registration_upload"])
        self.assertEqual(export_key.hex(), case["export_key"])
        attempt = opaque.Try(
            password,
            int(case["blind_login"], 16),
            binary(case["client_nonce"]),
            binary(case["client_keyshare_seed"]),
        )
        self.assertEqual(attempt.ke1.hex(), case["KE1"])
        login = attempt.finish(binary(case["KE2"]), binary(case["context"]), **identities)
        self.assertEqual(login.ke3.hex(), case["KE3"])
        self.assertEqual(login.export_key.hex(), case["export_key"])
        self.assertEqual(login.session_key.hex(), case["session_key"])
        with self.assertRaises(opaque.WrongPassword):
            opaque.Try(b"another", int(case["blind_login"], 16)).finish(
                binary(case["KE2"]), binary(case["context"]), **identities
            )

    def _opaque_fake(self, case: dict) -> None:
        """What a server answers for a record that does not exist: a client can only find it wrong."""
        ke2 = opaque_server.ke2(
            ke1=binary(case["KE1"]),
            context=binary(case["context"]),
            oprf_seed=binary(case["oprf_seed"]),
            credential_identifier=binary(case["credential_identifier"]),
            server_private=int(case["server_private_key"], 16),
            client_public=binary(case["client_public_key"]),
            masking_key=binary(case["masking_key"]),
            envelope=bytes(64),
            masking_nonce=binary(case["masking_nonce"]),
            server_nonce=binary(case["server_nonce"]),
            share_seed=binary(case["server_keyshare_seed"]),
            client_identity=binary(case["client_identity"]),
            server_identity=binary(case["server_identity"]),
        )
        self.assertEqual(ke2.hex(), case["KE2"])
        with self.assertRaises(opaque.WrongPassword):
            opaque.Try(b"any password").finish(ke2, binary(case["context"]))

    def test_hash_to_curve_lands_on_the_curve(self) -> None:
        for number in range(20):
            point = p256.hash_to_group(bytes([number]), b"a domain")
            self.assertEqual(p256.parse(point.uncompressed()), point)
            self.assertEqual(p256.decompress(point.compressed()), point)
            self.assertEqual(p256.N * point, p256.IDENTITY)

    def test_group_law_against_the_library(self) -> None:
        for number in range(10):
            scalar = int.from_bytes(sha256(bytes([number])).digest(), "big") % p256.N
            self.assertEqual((scalar * p256.G).uncompressed(), p256.PrivateKey(scalar).point)
