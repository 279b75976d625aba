"""Evidence of one decision (section 21), verified with the file and the root, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from . import checkpoint, cose, merkle, messages, p256, trust
from . import derivations as d
from .errors import Untrusted
from .formats import b64url, from_b64url
from .messages import Decision, Factor, Level
from .schema import Record

_EARLY = 60
"""Seconds that a decision may be logged before its challenge was issued."""


def _demand(condition: bool, why: str) -> None:
    if not condition:
        raise Untrusted(why)


def _entry(leaf: Record, position: Record, kinds: tuple[str, ...]) -> dict[str, Any]:
    """The entry of a leaf that is in the tree."""
    hashed = merkle.salted_leaf(leaf.salt, leaf.entry)
    merkle.verify_inclusion(hashed, leaf.index, position.size, leaf.proof, position.root)
    entry: dict[str, Any] = json.loads(leaf.entry)
    _demand(entry["type"] in kinds, f"not an entry {kinds}")
    return entry


def _word(value: Any) -> str:
    return str(value.name.lower())


def _open(data: bytes, root: Record) -> tuple[Record, list[Record]]:
    """The file and its verified key sets."""
    evidence = messages.EVIDENCE.from_bytes(data)
    _demand(evidence.version == 1, "another version")
    # Age is judged against the times in the file: a set of long ago still shows what was signed then.
    return evidence, [trust.verify_key_set(key_set, root, 0, 0) for key_set in evidence.key_sets]


def verify_statement(data: bytes, root: Record) -> dict[str, Any]:
    """What the server wrote into its log of a decision that no key signed. Raises `Untrusted` and the like."""
    statement, sets = _open(data, root)
    _demand(
        statement.request is None and statement.keys is None and statement.pin is None, "evidence, and no statement"
    )
    _demand(not statement.consistency, "a proof that a statement has not")
    decided = _entry(statement.decision, _checkpoint(statement, root, sets), ("decided",))
    _demand(decided["challenge"] is None and decided["answer"] is None, "evidence without its signatures")
    return decided


def verify(data: bytes, root: Record) -> tuple[Record, Record]:
    """Challenge and answer of a decision that was made as they say. Raises `Untrusted` and the like."""
    evidence, sets = _open(data, root)
    _demand(evidence.request is not None and evidence.keys is not None, "a statement, and no evidence")
    request = messages.ANSWER_REQUEST.from_bytes(evidence.request)
    _demand(request.pin is None and request.data is None and not request.new_keys, "more than evidence needs")
    signed = cose.open_message(request.challenge, messages.CHALLENGE, root.environment)
    answer = cose.open_message(request.answer, messages.ANSWER, root.environment)
    challenge, said = signed.body, answer.body
    of_challenge = d.challenge_hash(signed.payload)
    assert signed.kid is not None
    points = [trust.challenge_key(keys, signed.kid) for keys in sets if keys.expires > challenge.issued]
    point = next((point for point in points if point is not None), None)
    _demand(point is not None, "no key set in force had the challenge's key")
    assert point is not None
    signed.verify(point)
    _demand(said.challenge == of_challenge and said.device == challenge.device, "an answer to another challenge")
    approves = said.decision == Decision.APPROVE
    _demand(approves == (said.factor != Factor.NONE), "a factor that does not fit the decision")
    _demand(not approves or said.factor in challenge.factors, "a factor that was not asked for")
    _demand(approves == (request.factor_signature is not None), "a factor's signature too few or too many")

    position = _checkpoint(evidence, root, sets)
    _demand(challenge.log.epoch == position.epoch, "another epoch of the log")
    merkle.verify_consistency(
        challenge.log.size, challenge.log.root, position.size, position.root, evidence.consistency
    )

    keys = _entry(evidence.keys, position, ("device_enrolled", "keys_changed"))
    decided = _entry(evidence.decision, position, ("decided",))
    _demand((evidence.pin is not None) == (said.factor == Factor.PIN), "a PIN's entry too few or too many")
    before = [(evidence.keys, keys)]
    if evidence.pin is not None:
        before.append((evidence.pin, _entry(evidence.pin, position, ("pin_enrolled",))))
    for leaf, entry in before:
        _demand(leaf.index < evidence.decision.index, "keys that were enrolled after the decision")
        _demand(entry["device"] == b64url(challenge.device), "another device's keys")
        _demand(entry["account"] == b64url(challenge.account), "another account's keys")

    points_of = {part["purpose"]: part["public"] for part in keys["keys"]}
    answer.verify(_point(points_of, "possession"))
    if approves:
        pin = said.factor == Factor.PIN
        key = _point(before[1][1], "key") if pin else _point(points_of, "biometric")
        role = "pin" if pin else "biometric"
        p256.verify(key, cose.to_be_signed(answer.protected, role, answer.payload), request.factor_signature)

    expected = {
        "transaction": b64url(challenge.transaction),
        "account": b64url(challenge.account),
        "device": b64url(challenge.device),
        "action": _word(challenge.action),
        "relying_party": challenge.relying_party.id,
        "decision": _word(said.decision),
        "factor": _word(said.factor),
        "binding": _word(challenge.binding),
        "challenge": b64url(of_challenge),
        "answer": b64url(d.sha256(answer.payload)),
    }
    for name, value in expected.items():
        _demand(decided[name] == value, f"the log says {decided[name]} for {name}, not {value}")
    reached = None if decided["level"] is None else Level[decided["level"].upper()]
    _demand(approves == (reached is not None), "a level that does not fit the decision")
    _demand(reached is None or reached >= challenge.level, "a lower level than was asked for")
    _demand(challenge.issued - _EARLY <= decided["at"] <= challenge.expires, "decided at another time")
    return challenge, said


def _point(found: dict[str, Any], name: str) -> bytes:
    _demand(name in found, f"no {name} key")
    return from_b64url(found[name])


def _checkpoint(evidence: Record, root: Record, sets: list[Record]) -> Record:
    """The position of the file's checkpoint, under a key set that was in force when it was signed."""
    time = checkpoint.parse(evidence.checkpoint).checkpoint.time
    for keys in sets:
        if keys.expires > time:
            pq_key = keys.log_pq_key if root.pq_key is not None else None
            try:
                found = checkpoint.verify(evidence.checkpoint, root.environment, keys.log_keys, pq_key)
            except Untrusted:
                continue
            _demand(root.pq_key is None or pq_key is not None, "no second signature of the log")
            return found.position
    raise Untrusted("no key set in force verifies the checkpoint")
