"""Evacuation's rounds beside a service, and the names of files on their way in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest

from domain.errors import StateConflict
from evacuation import Rounds, _sent_name
from transfer import stored_name


class Evacuated:
    """Counts its runs; ``busy``: another run is at work."""

    def __init__(self):
        self.runs, self.busy, self.enough = 0, False, None

    def run(self, *, enough):
        self.runs += 1
        self.enough = enough
        if self.busy:
            raise StateConflict


def test_a_round_comes_every_so_often_also_where_another_node_is_at_it():
    evacuated, now, stopping = Evacuated(), [0.0], [False]
    fake = cast("Any", evacuated)
    rounds = Rounds(fake, timedelta(minutes=5), stopping=lambda: stopping[0], monotonic=lambda: now[0])
    rounds.run()
    now[0] = 299.0
    rounds.run()
    assert evacuated.runs == 1
    now[0], evacuated.busy = 301.0, True
    rounds.run()
    rounds.run()
    assert evacuated.runs == 2
    assert evacuated.enough() is False
    stopping[0] = True
    assert evacuated.enough() is True
    assert rounds.job("fd").name == "evacuate fd"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("a\0b.txt", "a_b.txt"),
        ("\ud800.txt", "?.txt"),
        ("ä" * 900 + ".pdf", ".pdf"),
        ("x" * 5000, "x"),
        ("." + "y" * 5000, "y"),
    ],
)
def test_any_name_is_one_that_is_taken(name, kept):
    sent = _sent_name(name)
    assert len(sent.encode()) <= 1000
    assert sent.endswith(kept)
    assert stored_name(sent)
