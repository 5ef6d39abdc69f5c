"""A site: made once, opened again, and never with a key that is not its own."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

import engines
import server
import settings
from domain.actor import EVERYTHING, SYSTEM, Actor, Role
from domain.errors import Misconfigured, SiteLocked
from domain.ids import PrincipalId
from domain.link import LinkKind
from settings import Settings
from tickets import TicketFact


def at(folder: Path, **more: str) -> Settings:
    return settings.load({"BILAGA_DATA_DIR": str(folder / "site"), **more})


def test_the_first_start_makes_the_site_and_the_next_finds_it(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True) as first:
        installation = first.ring.installation
        assert first.created
    with server.open_site(at(tmp_path), serving=True) as second:
        assert not second.created
        assert second.ring.installation == installation
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "site").iterdir()}
    assert modes["bilaga.key"] == 0o600
    assert modes["records.sqlite"] == 0o600
    assert stat.S_IMODE((tmp_path / "site").stat().st_mode) == 0o700


def test_only_one_service_serves_a_site_and_commands_work_beside_it(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True):
        assert engines.is_served(at(tmp_path))
        with server.open_site(at(tmp_path), serving=False) as beside:
            beside.records.write(lambda unit: beside.facts.put_ticket(unit, SYSTEM, TicketFact("T-1")))
        with pytest.raises(SiteLocked), server.open_site(at(tmp_path), serving=True):
            pass
    assert not engines.is_served(at(tmp_path))


def test_a_missing_key_file_beside_a_database_is_a_refusal_never_a_new_key(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True):
        pass
    (tmp_path / "site" / "bilaga.key").unlink()
    with pytest.raises(Misconfigured), server.open_site(at(tmp_path), serving=True):
        pass
    assert not (tmp_path / "site" / "bilaga.key").exists()


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True):
        pass
    (tmp_path / "site" / "bilaga.key").chmod(0o640)
    with pytest.raises(Misconfigured), server.open_site(at(tmp_path), serving=False):
        pass


def test_a_start_that_was_interrupted_after_the_key_was_made_goes_on(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True) as site:
        installation = site.ring.installation
    for path in (tmp_path / "site").glob("records.sqlite*"):
        path.unlink()
    with server.open_site(at(tmp_path), serving=True) as again:
        assert again.created
        assert again.ring.installation == installation


def test_due_dates_follow_a_policy_that_was_changed(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True) as site:
        site.follow_policy()
        before = site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact("T-1"))).ticket
    changed = at(tmp_path, BILAGA_RETENTION__OTHERS="P500D")
    with server.open_site(changed, serving=True) as site:
        assert site.follow_policy() == 1
        assert site.follow_policy() == 0
        after = site.records.read(lambda unit: unit.tickets.get("T-1", EVERYTHING))
    assert after is not None
    assert after.purge_due_at == before.last_activity_at + timedelta(days=500)


def test_a_policy_that_would_erase_sooner_is_not_followed_by_anything_of_the_site(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True) as site:
        site.follow_policy()
        before = site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact("T-1"))).ticket
    changed = at(tmp_path, BILAGA_RETENTION__OTHERS="P10D")
    with server.open_site(changed, serving=True) as site:
        assert site.follow_policy() == 0
        assert not site.is_policy_followed()
        later = site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact("T-2"))).ticket
        assert later.purge_due_at is not None
        assert before.purge_due_at is not None
        assert later.purge_due_at >= before.purge_due_at
        year = before.last_activity_at + timedelta(days=364)
        assert site.purge.run(SYSTEM, now=year, dry_run=True).due == 0
        anna, berit = (Actor(Role.ADMIN, PrincipalId(name)) for name in ("anna", "berit"))
        proposal = site.records.write(lambda unit: site.policies.propose(unit, anna))
        site.records.write(lambda unit: site.policies.confirm(unit, berit, proposal.id))
        assert site.keep_dates() == 2
    # a command without the site's configuration goes by it too
    with server.open_site(at(tmp_path), serving=False) as site:
        third = site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact("T-3"))).ticket
    assert third.purge_due_at == third.last_activity_at + timedelta(days=10)


def test_links_begin_with_the_setting_or_with_what_the_service_said(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True) as site:
        assert site.link_url(LinkKind.UPLOAD, "t") == "http://127.0.0.1:8080/u/t"
        site.records.write(lambda unit: unit.site.put("public-url", "http://127.0.0.1:9999"))
        assert site.link_url(LinkKind.DOWNLOAD, "t") == "http://127.0.0.1:9999/d/t"
    public = at(tmp_path, BILAGA_PUBLIC_URL="https://files.example/b/")
    with server.open_site(public, serving=False) as site:
        assert site.link_url(LinkKind.UPLOAD, "t") == "https://files.example/b/u/t"


def test_a_database_is_opened_with_its_own_keys_only(tmp_path: Path) -> None:
    with server.open_site(at(tmp_path), serving=True):
        pass
    with server.open_site(at(tmp_path / "other"), serving=True):
        pass
    foreign = f"file:{tmp_path}/other/site/bilaga.key"
    with (
        pytest.raises(Misconfigured, match="KEYS_URL"),
        server.open_site(at(tmp_path, BILAGA_KEYS_URL=foreign), serving=True),
    ):
        pass


@pytest.mark.parametrize("name", ["DATABASE_URL", "STORAGE_URL", "KEYS_URL"])
def test_an_engine_nobody_knows_is_one_line_that_names_the_setting(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(Misconfigured, match=name),
        server.open_site(at(tmp_path, **{f"BILAGA_{name}": "ftp://x/y"}), serving=True),
    ):
        pass
