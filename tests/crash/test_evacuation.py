"""The evacuating process is killed after each of its steps and at requests under way; ``python -m bench.evacuate`` does
it to 1,500 files."""

from __future__ import annotations

import pytest

from bench.evacuate import STEPS, Evacuees
from tests.crash.vault import Vault, inside
from tests.desks.evacuating import CONNECTOR, settings_of
from tests.desks.freshdesk import Freshdesk
from tests.evacuations import FILES, check_happenings, kept_here, rows_of


@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills")
def test_no_file_is_unlinked_deleted_early_or_brought_twice_whatever_is_killed(tmp_path, nest):
    done = Evacuees(tmp_path, nest, tickets=12, files=36, seed=11).run(kills=9)
    assert done["kills"] >= 7
    assert done["files"] == 36
    assert done["notes"] >= 12


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_of_one_file_may_be_the_last(tmp_path, nest, step):
    with Freshdesk() as desk:
        vault = Vault(tmp_path, nest, made=True, **settings_of(desk))
        desk.account.create_ticket({"email": "pia@example.com"}, [FILES[0]])
        vault.victim("evacuate", step)
        with inside(vault) as site:
            site.records.write(lambda unit: unit.leases.end_all())
        assert vault.spawn("evacuate", "armed").wait() == 0
        vault.start()
        vault.stop()
        with inside(vault) as site:
            rows, kept = rows_of(site.records, CONNECTOR), kept_here(site)
        check_happenings(rows, desk, kept)
        assert [row.state for row in rows] == ["deleted"]
        assert len(kept) == 1
        vault.assert_sound()
