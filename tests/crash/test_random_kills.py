"""Fifty kills at seeded random moments; ``python -m bench.kills`` does a thousand."""

from __future__ import annotations

import pytest

from bench.kills import Siege


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("kills")
def test_after_fifty_kills_nothing_acknowledged_is_lost_and_nothing_erased_is_back(tmp_path, nest):
    done = Siege(tmp_path, nest, seed=50).run(kills=50)
    assert done["kills"] == 50
    assert done["looked through"] == 1
    # It was a siege and no idle hour.
    assert done["uploads acknowledged"] >= 50
    assert done["erasures acknowledged"] >= 5
    assert done["answers lost"] >= 50
