"""Days of uploads that chance seldom makes of the state machine's rules, one after the other; and chance given time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.properties.transfer.test_upload_life import TestUploadLife, UploadLife
from tests.properties.transfer.upload_model import State


@pytest.fixture
def life() -> Iterator[UploadLife]:
    made = UploadLife()
    yield made
    made.teardown()


def look(life: UploadLife) -> None:
    """What is always so, after a step."""
    for so in (life.always.rows, life.always.quotas, life.always.attachments, life.always.keys, life.always.blobs):
        so()


@pytest.mark.parametrize("then", ["append", "cancel", "revoke"])
@pytest.mark.parametrize("begun", [0, 1])
@pytest.mark.parametrize("partial", [False, True])
def test_a_node_that_was_paused_changes_nothing_any_more(life, then, begun, partial):
    life.there_is_a_link_and_an_upload_by_it(50, partial=partial)
    life.a_node_that_was_paused_wakes_when_another_was_at_it(begun, 20, then)
    look(life)


def test_pieces_of_a_dead_link_go_with_the_sweep(life):
    piece = life.there_is_a_link_and_an_upload_by_it(30, partial=True)
    life.bytes_come(piece, 0, 30, 0, "plain", rest=True)
    life.a_link_is_revoked(0)
    life.the_sweep_comes(1)
    look(life)
    assert piece.state is State.GONE


def test_pieces_one_of_them_twice_and_a_node_that_stops_become_one_file(life):
    first = life.there_is_a_link_and_an_upload_by_it(30, partial=True)
    second = life.an_upload_is_begun(0, None, partial=True, wrong=False)
    life.bytes_come(first, 0, 10, 0, "cut", rest=False)
    life.bytes_come(second, 1, 25, 0, "last", rest=False)
    life.a_node_dies_and_leaves_a_blob(first, finished=True)
    life.bytes_come(first, 1, 0, 0, "checked", rest=True)
    whole = life.pieces_are_joined(0, [second, first, second], 2)
    look(life)
    assert whole.state is State.RECEIVED
    life.what_is_all_there_is_made_attachments_of(1)
    look(life)
    assert (whole.state, len(whole.content)) == (State.COMPLETE, 80)


def test_a_dead_node_s_upload_is_swept_in_time(life):
    file = life.there_is_a_link_and_an_upload_by_it(30, partial=False)
    life.bytes_come(file, 0, 10, 0, "cut", rest=False)
    life.a_node_dies_and_leaves_a_blob(file, finished=True)
    life.time_goes_by(24 * 60)
    life.the_sweep_comes(0)
    look(life)
    assert file.state is State.GONE


class UploadLifeForLong(UploadLife):
    """With as many examples as one waits for once a night."""


TestForLong = pytest.mark.long(pytest.mark.slow(pytest.mark.timeout(3000)(UploadLifeForLong.TestCase)))
TestForLong.settings = settings(TestUploadLife.settings, max_examples=400)
del TestUploadLife
