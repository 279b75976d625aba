"""The protocol's own vectors: every file of tests/vectors/v1."""

from __future__ import annotations

import unittest
from typing import Any, Callable

from godkend_phone import (
    cbor,
    checkpoint,
    cose,
    derivations,
    formats,
    hpke,
    merkle,
    messages,
    ocra,
    opaque,
    p256,
    schema,
    suites,
    trust,
)

from . import opaque_server, vectors
from .vectors import binary, replayed

MESSAGES = {item.name: item for item in vars(messages).values() if isinstance(item, schema.MapOf)}
"""Messages and parts by the document's name."""


def enumeration(name: str) -> schema.Type:
    """The type of a plain or tagged enumeration by the document's name."""
    constant = "".join("_" + letter if letter.isupper() and at else letter for at, letter in enumerate(name)).upper()
    found = getattr(messages, constant)
    assert isinstance(found, (schema.Plain, schema.Tagged))
    return found


def key(text: str) -> p256.PrivateKey:
    return p256.PrivateKey.from_bytes(binary(text))


class Messages(unittest.TestCase):
    def test_every_message_is_read_and_written_again(self) -> None:
        cases = vectors.load("v1/messages.json")["cases"]
        seen: set[str] = set()
        for case in cases:
            with self.subTest(case["name"]):
                data, name = binary(case["cbor"]), case["message"]
                item = cbor.decode(data)
                if case["kind"] == "choice":
                    of = enumeration(name)
                    value = of.decode(item)
                    self.assertEqual(value.name.replace("_", "").lower(), case["case"].lower())
                    self.assertEqual(cbor.encode(of.encode(value)), data)
                else:
                    message = MESSAGES[name]
                    if case["kind"] == "signed":
                        assert isinstance(message, schema.Message)
                        self.assertEqual(message.type, case["type"])
                    value = message.decode(item)
                    self.assertEqual(cbor.encode(message.encode(value)), data)
                seen.add(name)
        replayed("v1/messages.json", len(cases))
        # Evidence is a file of the server's, read in test_f.
        self.assertEqual(set(MESSAGES) - seen, {"Evidence", "Leaf"}, "messages without a vector")

    def test_every_signed_message(self) -> None:
        cases = vectors.load("v1/signed.json")["cases"]
        for case in cases:
            with self.subTest(case["name"]):
                self._signed(case["input"], case["output"])
        replayed("v1/signed.json", len(cases))

    def _signed(self, given: dict[str, Any], expected: dict[str, Any]) -> None:
        message = MESSAGES[given["message"]]
        assert isinstance(message, schema.Message)
        first, *others = given["keys"]
        self.assertEqual(message.role, first["role"])
        self.assertEqual(given["version"], cose.VERSION)
        signer, body = key(first["private_key"]), message.from_bytes(binary(given["body"]))
        self.assertEqual(signer.point.hex(), expected["public_key"])
        payload = cose.payload_of(message, given["environment"], body)
        self.assertEqual(payload.hex(), expected["payload"])
        kid = derivations.kid(signer.point) if given["names_key"] else None
        self.assertEqual(kid.hex() if kid else None, expected["key_id"])
        structure = cose.to_be_signed(cose.protected_header(kid), first["role"], payload)
        self.assertEqual(structure.hex(), expected["to_be_signed"])
        data = cose.sign_payload(signer, first["role"], payload, name_key=given["names_key"])
        self.assertEqual(data.hex(), expected["cose"])
        self.assertEqual(data[-64:].hex(), expected["signature"])
        opened = cose.open_message(data, message, given["environment"])
        opened.verify(signer.point)
        self.assertEqual(opened.body, body)
        self.assertEqual(opened.kid, kid)
        self.assertEqual(len(others), len(expected["countersignatures"]))
        for other, second in zip(others, expected["countersignatures"]):
            self.assertEqual(second["role"], other["role"])
            self.assertEqual(key(other["private_key"]).point.hex(), second["public_key"])
            structure = cose.to_be_signed(cose.protected_header(), second["role"], payload)
            self.assertEqual(structure.hex(), second["to_be_signed"])
            signature = cose.second_signature(key(other["private_key"]), second["role"], payload)
            self.assertEqual(signature.hex(), second["signature"])


class Derivations(unittest.TestCase):
    def test_every_derivation(self) -> None:
        cases = vectors.load("v1/derivations.json")["cases"]
        for case in cases:
            with self.subTest(case["name"]):
                given = {
                    name: self._value(name, value) for name, value in case["input"].items()
                }  # hexadecimal into bytes
                output = DERIVATIONS[case["kind"]](given)
                self.assertEqual(output, case["output"])
        replayed("v1/derivations.json", len(cases))

    @staticmethod
    def _value(name: str, value: Any) -> Any:
        if name == "parts":
            return [binary(part) for part in value]
        if isinstance(value, str) and name not in ("label", "environment", "url", "purpose", "pin"):
            return binary(value)
        return value


def _pair(of: p256.PrivateKey) -> dict[str, str]:
    return {"private_key": of.scalar.to_bytes(32, "big").hex(), "public_key": of.point.hex()}


def _root(given: dict[str, Any]) -> str:
    return trust.root_fingerprint(
        messages.ROOT.new(
            environment=given["environment"], url=given["url"], key=given["key"], pq_key=given.get("pq_key")
        )
    ).hex()


def _hpke_ikm(seed: bytes) -> bytes:
    """How a server's `hpke_seed` becomes the input of DeriveKeyPair, in both suites (section 26)."""
    return derivations.hkdf(seed, b"godkend/1/hpke", 64)


def _hpke_key(given: dict[str, Any]) -> str:
    ikm = _hpke_ikm(given["seed"])
    if given["suite"] == messages.Suite.P256:
        return hpke.DhKem().derive(ikm).point.hex()
    return hpke.HybridKem().derive(ikm).public.hex()


def _ml_dsa(given: dict[str, Any]) -> dict[str, str]:
    private = checkpoint.mldsa.MLDSA65PrivateKey.from_seed_bytes(given["seed"])
    public = private.public_key().public_bytes_raw()
    expected = next(
        case for case in vectors.load("v1/derivations.json")["cases"] if case["kind"] == "ml_dsa_65"
    )["output"]["signature"]  # fmt: skip
    checkpoint.verify_ml_dsa(public, given["message"], binary(expected))
    with_flip = bytes([binary(expected)[0] ^ 1]) + binary(expected)[1:]
    try:
        checkpoint.verify_ml_dsa(public, given["message"], with_flip)
    except cose.SignatureInvalid:
        # The binding signs hedged, so the vector's deterministic signature is verified, not made.
        return {"public_key": public.hex(), "signature": expected}
    raise AssertionError("a flipped signature verified")


DERIVATIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "labelled_hash": lambda g: derivations.labelled_hash(g["label"], *g["parts"]).hex(),
    "hkdf_sha256": lambda g: derivations.hkdf(g["secret"], g["info"]).hex(),
    "p256_from_seed": lambda g: _pair(derivations.key_from_seed(g["seed"], g["label"])),
    "ecdh": lambda g: p256.PrivateKey.from_bytes(g["private_key"]).agree(g["public_key"]).hex(),
    "es256": lambda g: p256.PrivateKey.from_bytes(g["private_key"]).sign(g["message"]).hex(),
    "ml_dsa_65": _ml_dsa,
    "key_id": lambda g: derivations.kid(g["public_key"]).hex(),
    "root_fingerprint": _root,
    "challenge_hash": lambda g: derivations.challenge_hash(g["payload"]).hex(),
    "ratchet_hash": lambda g: derivations.ratchet_hash(g["ratchet"]).hex(),
    "operation_hash": lambda g: derivations.operation_hash(g["operation_data"]).hex(),
    "attestation_challenge": lambda g: derivations.attestation_challenge(g["nonce"], g["subject"], g["purpose"]).hex(),
    "assertion_hash": lambda g: derivations.assertion_hash(g["challenge"], g["public_key"]).hex(),
    "activation_transcript": lambda g: derivations.transcript(g["open"], g["offer_payload"], g["core"]).hex(),
    "activation_full_transcript": lambda g: derivations.full_transcript(g["transcript"], g["nonce"]).hex(),
    "activation_mac_key": lambda g: derivations.mac_key(g["secret"], g["id"]).hex(),
    "pin_reset_transcript": lambda g: derivations.reset_transcript(g["open_payload"], g["offer_payload"]).hex(),
    "account_hint": lambda g: derivations.account_hint(g["account"], g["transaction"]).hex(),
    "pin_input": lambda g: derivations.pin_input(g["environment"], g["account"], g["device"], g["pin"]).hex(),
    "pin_key": lambda g: derivations.pin_key(g["export_key"]).scalar.to_bytes(32, "big").hex(),
    "hpke_key": _hpke_key,
    "reply_seal": lambda g: suites.seal_reply(g["key"], g["nonce"], g["reply"]).hex(),
}


class Formats(unittest.TestCase):
    def test_every_format(self) -> None:
        cases = vectors.load("v1/formats.json")["cases"]
        for case in cases:
            with self.subTest(case["name"]):
                getattr(self, "_" + case["kind"])(case["input"], case["output"])
        replayed("v1/formats.json", len(cases))

    def _link(self, given: dict[str, Any], expected: dict[str, Any]) -> None:
        link = formats.parse_link(given["text"])
        kinds = {
            formats.ActivationLink: "activation",
            formats.LoginFrame: "login",
            formats.SameDeviceLink: "same_device",
            formats.OfflineLink: "offline",
        }
        values = {name: value.hex() if isinstance(value, bytes) else value for name, value in vars(link).items()}
        self.assertEqual({**values, "link": kinds[type(link)]}, expected)

    def _activation_code(self, given: dict[str, Any], expected: str) -> None:
        name, secret = binary(given["name"]), binary(given["secret"])
        self.assertEqual(formats.write_activation_code(name, secret), expected)
        self.assertEqual(formats.read_activation_code(expected.lower().replace("-", " ")), (name, secret))

    def _block_code(self, given: dict[str, Any], expected: dict[str, Any]) -> None:
        code = formats.read_block_code(given["text"])
        self.assertEqual(formats.write_block_code(code), expected["text"])
        self.assertEqual(derivations.block_code_hash(code).hex(), expected["hash"])

    def _transcript_digits(self, given: dict[str, Any], expected: dict[str, Any]) -> None:
        digits = derivations.digits(binary(given["full_transcript"]))
        self.assertEqual({"digits": digits, "shown": formats.show_digits(digits)}, expected)

    def _qr_frame_code(self, given: dict[str, Any], expected: str) -> None:
        code = derivations.qr_code(binary(given["secret"]), binary(given["session"]), given["frame"])
        self.assertEqual(code.hex(), expected)

    def _offline_code(self, given: dict[str, Any], expected: dict[str, Any]) -> None:
        agreed = key(given["offline_private_key"]).agree(binary(given["ephemeral_public_key"]))
        of_challenge = binary(given["challenge_hash"])
        derived = derivations.offline_key(agreed, of_challenge)
        code = ocra.offline_code(derived, of_challenge)
        self.assertEqual({"agreed": agreed.hex(), "key": derived.hex(), "code": code}, expected)


class Trust(unittest.TestCase):
    def test_key_sets(self) -> None:
        cases = vectors.load("v1/keyset.json")["cases"]
        for case in cases:
            with self.subTest(case["name"]):
                given, expected = case["input"], case["output"]
                root = messages.ROOT.decode(cbor.decode(binary(expected["root"])))
                self.assertEqual(root.url, given["url"])
                self.assertEqual(root.key, key(given["root_private_key"]).point)
                self.assertEqual(trust.root_fingerprint(root).hex(), expected["root_fingerprint"])
                self.assertEqual(trust.root_from_json(trust.root_to_json(root)), root)
                data = binary(expected["signed_key_set"])
                keys = trust.verify_key_set(data, root, 0, given["issued"])
                self.assertEqual(messages.KEY_SET.to_bytes(keys).hex(), expected["key_set"])
                self.assertEqual(keys.challenge_keys, [key(given["challenge_private_key"]).point])
                self.assertEqual(keys.log_keys, [key(given["log_private_key"]).point])
                for public in keys.hpke_keys:
                    seed = {"suite": public.suite, "seed": binary(given["hpke_seed"])}
                    self.assertEqual(public.public.hex(), _hpke_key(seed))
                signed_set = messages.SIGNED_KEY_SET.from_bytes(data)
                self.assertEqual(signed_set.cose.hex(), expected["cose"])
                protected, _, payload, _ = cose.split(signed_set.cose)
                self.assertEqual(cose.to_be_signed(protected, "root", payload).hex(), expected["to_be_signed"])
                again = cose.sign_payload(key(given["root_private_key"]), "root", payload)
                self.assertEqual(again.hex(), expected["cose"])
        replayed("v1/keyset.json", len(cases))

    def test_log(self) -> None:
        cases = vectors.load("v1/checkpoint.json")["cases"]
        for case in cases:
            with self.subTest(case["name"]):
                getattr(self, "_" + case["kind"])(case["input"], case["output"])
        replayed("v1/checkpoint.json", len(cases))

    def _merkle_root(self, given: dict[str, Any], expected: str) -> None:
        leaves = [merkle.leaf_hash(binary(leaf)) for leaf in given["leaves"]]
        self.assertEqual(merkle.root(leaves).hex(), expected)

    def _merkle_salted_leaf(self, given: dict[str, Any], expected: str) -> None:
        self.assertEqual(merkle.salted_leaf(binary(given["salt"]), binary(given["entry"])).hex(), expected)

    def _checkpoint(self, given: dict[str, Any], expected: dict[str, Any]) -> None:
        signer = key(given["log_private_key"])
        pq_key = None
        if "log_pq_seed" in given:
            seed = binary(given["log_pq_seed"])
            pq_key = checkpoint.mldsa.MLDSA65PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
        found = checkpoint.verify(expected["note"], given["environment"], [signer.point], pq_key)
        self.assertEqual(found.body(), expected["body"])
        self.assertEqual(found.origin, expected["origin"])
        self.assertEqual(found.time, given["time"])
        self.assertEqual(
            found.position,
            messages.LOG_POSITION.new(epoch=given["epoch"], size=given["size"], root=binary(given["root"])),
        )
        note = checkpoint.parse(expected["note"])
        self.assertEqual([part[1].hex() for part in note.signatures], expected["key_hashes"])
        self.assertEqual(note.signatures[0][2], signer.sign(note.signed))

    def test_every_proof_of_small_trees(self) -> None:
        leaves = [merkle.leaf_hash(bytes([number])) for number in range(33)]
        for size in range(1, 34):
            root = merkle.root(leaves[:size])
            for index in range(size):
                proof = merkle.inclusion_proof(leaves[:size], index)
                merkle.verify_inclusion(leaves[index], index, size, proof, root)
                with self.assertRaises(merkle.Untrusted):
                    merkle.verify_inclusion(leaves[(index + 1) % 33], index, size, proof, root)
            for old in range(1, size + 1):
                proof = merkle.consistency_proof(leaves[:size], old)
                merkle.verify_consistency(old, merkle.root(leaves[:old]), size, root, proof)
                with self.assertRaises(merkle.Untrusted):
                    merkle.verify_consistency(old, merkle.root(leaves[1 : old + 1]), size, root, proof)


class Whole(unittest.TestCase):
    def test_pins(self) -> None:
        """From the digits to the pin key, with the server's side recomputed as well."""
        cases = vectors.load("v1/pin.json")["cases"]
        for case in cases:
            with self.subTest(case["name"]):
                given, expected = case["input"], case["output"]
                pin_input = derivations.pin_input(
                    given["environment"], binary(given["account"]), binary(given["device"]), given["pin"]
                )
                self.assertEqual(pin_input.hex(), expected["pin_input"])
                password = derivations.hmac(binary(given["pepper_hmac_key"]), pin_input)
                self.assertEqual(password.hex(), expected["password"])
                drawn = {name: [binary(part) for part in parts] for name, parts in given["randomness"].items()}
                registration = opaque.Registration(password, int.from_bytes(drawn["registration_start"][0], "big"))
                self.assertEqual(registration.request.hex(), expected["registration_request"])
                upload, export_key = registration.finish(
                    binary(expected["registration_response"]), drawn["registration_finish"][0]
                )
                self.assertEqual(upload.hex(), expected["registration_upload"])
                self.assertEqual(export_key.hex(), expected["export_key"])
                blind, share_seed, nonce = drawn["try_start"]
                attempt = opaque.Try(password, int.from_bytes(blind, "big"), nonce, share_seed)
                self.assertEqual(attempt.ke1.hex(), expected["ke1"])
                ke2 = binary(expected["ke2"])
                login = attempt.finish(ke2, binary(given["context"]))
                self.assertEqual(login.ke3.hex(), expected["ke3"])
                self.assertEqual(login.export_key, export_key)
                self.assertEqual(_pair(derivations.pin_key(login.export_key)), {
                    "private_key": expected["pin_private_key"], "public_key": expected["pin_public_key"]
                })  # fmt: skip
                for place in range(len(ke2)):
                    if place % 16 == 0 or place >= 227:
                        flipped = ke2[:place] + bytes([ke2[place] ^ 8]) + ke2[place + 1 :]
                        with self.assertRaises((opaque.WrongPassword, opaque.Malformed)):
                            attempt.finish(flipped, binary(given["context"]))
                with self.assertRaises(opaque.WrongPassword):
                    attempt.finish(ke2, bytes(32))
        replayed("v1/pin.json", len(cases))

    def test_activations(self) -> None:
        """Everything from the link to the digits, as the phone would make it and as the server would read it."""
        cases = vectors.load("v1/activation.json")["cases"]
        for case in cases:
            with self.subTest(case["name"]):
                self._activation(case["input"], case["output"])
        replayed("v1/activation.json", len(cases))

    def _activation(self, given: dict[str, Any], expected: dict[str, Any]) -> None:
        suite, environment = messages.Suite(given["suite"]), given["environment"]
        identifier, secret = binary(given["id"]), binary(given["secret"])
        if given["mode"] == "link":
            link = formats.parse_link(expected["handed_out"])
            assert isinstance(link, formats.ActivationLink)
            self.assertEqual(
                (link.environment, link.id, link.secret, link.root.hex(), link.expires),
                (environment, identifier, secret, given["root_fingerprint"], given["link_expires"]),
            )
        else:
            self.assertEqual(formats.read_activation_code(expected["handed_out"]), (binary(given["name"]), secret))

        opening = messages.ACTIVATION_OPEN.from_bytes(binary(expected["open"]))
        by_link = given["mode"] == "link"
        again = messages.ACTIVATION_OPEN.new(
            app_version=given["app_version"],
            id=identifier if by_link else None,
            name=None if by_link else binary(given["name"]),
            suites=opening.suites,
        )
        self.assertEqual(messages.ACTIVATION_OPEN.to_bytes(again).hex(), expected["open"])
        offer_bytes = binary(expected["offer"])
        offer = cose.open_message(offer_bytes, messages.ACTIVATION_OFFER, environment)
        offer.verify(key(given["challenge_private_key"]).point)
        self.assertEqual(offer.payload.hex(), expected["offer_payload"])
        self.assertEqual(offer.body.open_hash, derivations.sha256(binary(expected["open"])))
        self.assertEqual(offer.body.nonce.hex(), given["offer_nonce"])
        self.assertEqual(offer.body.suite, suite)
        for part in expected["attestation_challenges"]:
            challenge = derivations.attestation_challenge(offer.body.nonce, identifier, part["purpose"])
            self.assertEqual(challenge.hex(), part["challenge"])

        possession = key(given["possession_private_key"])
        core = messages.ENROL_CORE.from_bytes(binary(expected["core"]))
        self.assertEqual(core.nonce.hex(), given["core_nonce"])
        self.assertEqual(core.keys[0].public, possession.point)
        code_hash = derivations.block_code_hash(formats.read_block_code(given["block_code"]))
        self.assertEqual((core.block_code_hash, code_hash.hex()), (code_hash, expected["block_code_hash"]))
        transcript = derivations.transcript(binary(expected["open"]), offer.payload, binary(expected["core"]))
        self.assertEqual(transcript.hex(), expected["transcript"])
        mac_key = derivations.mac_key(secret, identifier)
        self.assertEqual(mac_key.hex(), expected["mac_key"])
        proof = messages.ENROL_PROOF.new(transcript=transcript)
        enrol = messages.ENROL.new(
            open=binary(expected["open"]),
            core=binary(expected["core"]),
            mac=derivations.hmac(mac_key, transcript),
            proof=cose.sign(possession, messages.ENROL_PROOF, environment, proof)[0],
        )
        self.assertEqual(enrol.mac.hex(), expected["mac"])
        self.assertEqual(enrol.proof.hex(), expected["proof"])
        plaintext = messages.ENROL.to_bytes(enrol)
        self.assertEqual(plaintext.hex(), expected["enrol"])

        enc = binary(expected["hpke_enc"])
        psk = (secret, identifier) if by_link else (b"", b"")
        if suite == messages.Suite.P256:
            kem = hpke.DhKem()
            ephemeral = kem.derive(binary(given["randomness"]["hpke_sender"][0]))
            shared, made = kem.encapsulate(offer.body.hpke_key, ephemeral)
            self.assertEqual(made, enc)
        else:  # the binding encapsulates with its own randomness, so the receiver's side is replayed
            private = hpke.HybridKem().derive(_hpke_ikm(binary(given["hpke_seed"])))
            self.assertEqual(private.public, offer.body.hpke_key)
            shared = hpke.HybridKem().decapsulate(private, enc)
            fresh, fresh_enc = hpke.HybridKem().encapsulate(private.public)
            self.assertEqual(hpke.HybridKem().decapsulate(private, fresh_enc), fresh)
        self.assertEqual(offer.body.hpke_key.hex(), expected["hpke_public_key"])
        context = suites.context(suite, shared, *psk)
        self.assertEqual(context.seal(offer_bytes, plaintext).hex(), expected["hpke_ciphertext"])
        sealed = messages.SEALED_ENROL.new(offer=offer_bytes, enc=enc, ciphertext=binary(expected["hpke_ciphertext"]))
        self.assertEqual(messages.SEALED_ENROL.to_bytes(sealed).hex(), expected["sealed_enrol"])

        reply_key, nonce = suites.reply_keys(context)
        self.assertEqual((reply_key.hex(), nonce.hex()), (expected["reply_key"], expected["reply_key_nonce"]))
        ciphertext = messages.SEALED_REPLY.from_bytes(binary(expected["sealed_reply"])).ciphertext
        opened = suites.open_reply(reply_key, nonce, ciphertext)
        self.assertEqual(opened.hex(), expected["reply"])
        reply = cose.open_message(opened, messages.ENROL_REPLY, environment)
        reply.verify(key(given["challenge_private_key"]).point)
        self.assertEqual(reply.body.transcript, transcript)
        self.assertEqual(
            (reply.body.account.hex(), reply.body.device.hex(), reply.body.ratchet.hex()),
            (given["account"], given["device"], given["ratchet"]),
        )
        full = derivations.full_transcript(transcript, reply.body.nonce)
        self.assertEqual(full.hex(), expected["full_transcript"])
        self.assertEqual(derivations.digits(full), expected["digits"])
        self.assertEqual(formats.show_digits(derivations.digits(full)), expected["digits_shown"])

    def test_the_server_side_of_a_try(self) -> None:
        """KE2 recomputed: `server_secrets` are OPRF seed, private key, and a key for unknown records."""
        case = vectors.load("v1/pin.json")["cases"][0]
        given, expected = case["input"], case["output"]
        secrets = binary(given["server_secrets"])
        _, masking_nonce, share_seed, server_nonce = (binary(part) for part in given["randomness"]["server_start"])
        record = binary(expected["record"])
        ke2 = opaque_server.ke2(
            ke1=binary(expected["ke1"]),
            context=binary(given["context"]),
            oprf_seed=secrets[:32],
            credential_identifier=binary(given["device"]),
            server_private=int.from_bytes(secrets[32:64], "big"),
            client_public=record[:33],
            masking_key=record[33:65],
            envelope=record[65:],
            masking_nonce=masking_nonce,
            server_nonce=server_nonce,
            share_seed=share_seed,
        )
        self.assertEqual(ke2.hex(), expected["ke2"])
