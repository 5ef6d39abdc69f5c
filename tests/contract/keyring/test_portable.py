"""A site leaves one ring for another: the same installation, and every wrapped key opens as it is."""

from __future__ import annotations

import pickle
from datetime import timedelta

import pytest

from crypto import Context, DataKey, GenerationState
from domain.errors import KeysUnavailable, WrongContext
from tests.contract.keyring.conftest import ENGINES
from tests.contract.keyring.places import NOW


@pytest.fixture(params=ENGINES)
def target(request, place_of):
    return place_of(request.param)


@pytest.fixture
def used(ring, context):
    """A ring with a past: what it wrapped by generation, the first of which is destroyed."""
    wrapped = {}
    for number in (1, 2, 3):
        key = DataKey.generate()
        wrapped[number] = (key, ring.wrap(key, context))
        if number < 3:
            ring.rotate(NOW + timedelta(days=number))
    ring.destroy(1)
    return wrapped


def test_all_that_was_wrapped_opens_in_the_ring_that_takes_over(ring, context, used, target):
    secrets = {purpose: ring.secret(purpose) for purpose in ("session", "audit-signing")}
    target.create_from(ring.export_document())
    taken = target.open()
    assert taken.installation == ring.installation
    assert taken.generations() == ring.generations()
    assert {purpose: taken.secret(purpose) for purpose in secrets} == secrets
    for number in (2, 3):
        key, wrapped = used[number]
        assert taken.unwrap(wrapped, context) == key
    with pytest.raises(KeysUnavailable):
        taken.unwrap(used[1][1], context)


def test_what_the_new_ring_wraps_goes_on_from_there(ring, context, used, target):
    taken = target.create_from(ring.export_document())
    key = DataKey.generate()
    assert taken.wrap(key, context).generation == 3
    assert ring.unwrap(taken.wrap(key, context), context) == key
    assert taken.rotate(NOW + timedelta(days=9)).number == 4
    taken.destroy(2)
    assert [known.state for known in taken.generations()] == [
        GenerationState.DESTROYED,
        GenerationState.DESTROYED,
        GenerationState.RETIRED,
        GenerationState.ACTIVE,
    ]
    assert taken.unwrap(used[3][1], context) == used[3][0]


def test_a_site_may_go_and_come_back(ring, context, used, place_of, target, request):
    target.create_from(ring.export_document())
    home = place_of(request.node.callspec.params["place"]).create_from(target.open().export_document())
    assert home.export_document() == ring.export_document()
    assert home.unwrap(used[2][1], context) == used[2][0]


def test_what_is_carried_shows_no_key_and_is_never_written(ring, used):
    ring.secret("session")
    document = ring.export_document()
    assert set(document.keks) == {2, 3}
    assert set(document.secrets) == {"session"}
    for hidden in (*document.keks.values(), *document.secrets.values()):
        assert hidden.reveal().hex() not in repr(document)
    with pytest.raises(TypeError):
        pickle.dumps(document)


def test_another_installations_keys_open_nothing(ring, target):
    foreign = target.create()
    wrapped = foreign.wrap(DataKey.generate(), Context(foreign.installation, "owner", "attachment"))
    assert foreign.installation != ring.installation
    with pytest.raises(WrongContext):
        ring.unwrap(wrapped, Context(ring.installation, "owner", "attachment"))
