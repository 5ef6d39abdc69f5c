"""What every key ring promises, asked of every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from crypto import Context, DataKey, GenerationState, Secret, WrappedKey
from crypto.key_memory import MemoryKeyRing
from domain.errors import KeysUnavailable, NotFound, StateConflict, WrongContext
from tests.contract.keyring.places import NOW

ACTIVE, RETIRED, DESTROYED = GenerationState.ACTIVE, GenerationState.RETIRED, GenerationState.DESTROYED


def states(ring):
    return [(known.number, known.state) for known in ring.generations()]


def test_a_wrapped_key_unwraps_to_itself(ring, context):
    key = DataKey.generate()
    wrapped = ring.wrap(key, context)
    assert wrapped.generation == 1
    assert ring.unwrap(wrapped, context) == key


def test_a_wrapped_key_is_different_each_time_and_holds_nothing_in_clear(ring, context):
    key = DataKey.generate()
    wrapped = [ring.wrap(key, context).sealed for _ in range(20)]
    assert len(set(wrapped)) == 20
    assert not any(key.reveal()[:8] in sealed or context.owner_id.encode() in sealed for sealed in wrapped)


def test_a_wrapped_key_is_good_for_its_context_alone(ring, context):
    wrapped = ring.wrap(DataKey.generate(), context)
    for other in (
        Context(ring.installation, "other", "attachment"),
        Context(ring.installation, "owner", "ticket"),
        Context(ring.installation, "owner", "attachment", 2),
        Context("other", "owner", "attachment"),
    ):
        with pytest.raises(WrongContext):
            ring.unwrap(wrapped, other)


def test_a_changed_wrapped_key_is_refused(ring, context):
    wrapped = ring.wrap(DataKey.generate(), context)
    for at in range(len(wrapped.sealed)):
        forged = bytearray(wrapped.sealed)
        forged[at] ^= 1
        with pytest.raises(WrongContext):
            ring.unwrap(WrappedKey(wrapped.generation, bytes(forged)), context)
    for length in (0, 1, 29, len(wrapped.sealed) - 1):
        with pytest.raises(WrongContext):
            ring.unwrap(WrappedKey(wrapped.generation, wrapped.sealed[:length]), context)


def test_a_foreign_installation_is_refused_when_wrapping_too(ring):
    with pytest.raises(WrongContext):
        ring.wrap(DataKey.generate(), Context("other", "owner", "attachment"))


def test_a_key_under_one_generation_does_not_open_as_another(ring, context):
    wrapped = ring.wrap(DataKey.generate(), context)
    ring.rotate(NOW)
    with pytest.raises(WrongContext):
        ring.unwrap(WrappedKey(2, wrapped.sealed), context)


@pytest.mark.parametrize("number", [0, -1, 2, 1 << 40])
def test_an_unknown_generation_is_an_outage_and_never_guessed(ring, context, number):
    wrapped = ring.wrap(DataKey.generate(), context)
    with pytest.raises(KeysUnavailable):
        ring.unwrap(WrappedKey(number, wrapped.sealed), context)


def test_rotation_wraps_anew_and_still_opens_the_old(ring, context):
    key = DataKey.generate()
    old = ring.wrap(key, context)
    made = ring.rotate(NOW + timedelta(days=30))
    assert (made.number, made.state, made.created_at) == (2, ACTIVE, NOW + timedelta(days=30))
    assert ring.wrap(key, context).generation == 2
    assert ring.unwrap(old, context) == key
    assert states(ring) == [(1, RETIRED), (2, ACTIVE)]
    assert ring.generations()[0].created_at == NOW


def test_a_destroyed_generation_never_opens_again_and_its_number_is_remembered(ring, context):
    old = ring.wrap(DataKey.generate(), context)
    ring.rotate(NOW)
    ring.destroy(1)
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            ring.unwrap(old, context)
        ring.rotate(NOW)
    assert states(ring) == [(1, DESTROYED), (2, RETIRED), (3, RETIRED), (4, RETIRED), (5, ACTIVE)]


def test_destroying_again_changes_nothing(ring):
    ring.rotate(NOW)
    ring.destroy(1)
    ring.destroy(1)
    assert states(ring) == [(1, DESTROYED), (2, ACTIVE)]


def test_the_active_generation_is_never_destroyed(ring, context):
    with pytest.raises(StateConflict):
        ring.destroy(1)
    key = DataKey.generate()
    assert ring.unwrap(ring.wrap(key, context), context) == key


@pytest.mark.parametrize("number", [0, -1, 2])
def test_a_number_never_given_cannot_be_destroyed(ring, number):
    with pytest.raises(NotFound):
        ring.destroy(number)


def test_a_secret_is_made_once_for_its_purpose_and_outlives_rotation(ring):
    made = {purpose: ring.secret(purpose) for purpose in ("session", "cursor", "search-index", "audit-signing")}
    assert all(isinstance(secret, Secret) for secret in made.values())
    assert len({secret.reveal() for secret in made.values()}) == 4
    ring.rotate(NOW)
    ring.destroy(1)
    assert {purpose: ring.secret(purpose) for purpose in made} == made


def test_the_installation_is_random_and_stays(ring):
    before = ring.installation
    ring.rotate(NOW)
    assert ring.installation == before
    assert len(before) == 32
    assert before != MemoryKeyRing(NOW).installation


def test_a_ring_at_hand_answers(ring):
    ring.ping()


def test_many_threads_use_one_ring_while_it_rotates(ring, context):
    key = DataKey.generate()

    def use():
        for _ in range(50):
            assert ring.unwrap(ring.wrap(key, context), context) == key
            ring.secret("session")

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(use) for _ in range(4)]
        for _ in range(5):
            ring.rotate(NOW)
        for one in running:
            one.result()
    assert states(ring)[-1] == (6, ACTIVE)
