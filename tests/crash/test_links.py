"""Crash table L1: the service is killed in the midst of giving out a file once."""

from __future__ import annotations

import contextlib
import random

import pytest

from tests.crash.vault import Answer, Lost, Vault

BODY = random.Random(5).randbytes(12_000_000)
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


class Given:
    """A site with one file, and a link to download it once."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        vault.start()
        vault.ticket("T-1")
        self.id = vault.send("T-1", "f.bin", BODY)
        self.path = vault.download_link(self.id, max_downloads=1)
        vault.stop()

    @property
    def left(self) -> int:
        """Downloads that the link says are left; a link that is used up says nothing else."""
        landing = self.vault.bare("GET", self.path, Accept="application/json")
        return 0 if landing.status == 410 else landing.json["downloads_left"]

    def press(self) -> Answer:
        return self.vault.bare("POST", self.path, b"", **FORM)

    def fetch(self) -> Answer:
        return self.vault.bare("GET", f"{self.path}/content")

    def assert_used_up(self) -> None:
        """Whatever way it is tried, there is no second download; nothing else is harmed."""
        assert self.left == 0
        assert self.press().status == 410
        assert self.fetch().status == 410
        self.vault.assert_holds("T-1", {self.id: BODY})
        self.vault.stop()
        self.vault.assert_sound()


@pytest.fixture
def given(vault: Vault) -> Given:
    return Given(vault)


@pytest.mark.parametrize("point", ["before open_old", "before read", "after read"])
def test_l1_a_download_counted_and_not_begun_is_used_and_gives_no_second_one(given, point):
    given.vault.start(point)
    with pytest.raises(Lost):
        given.fetch()
    given.vault.dies()
    given.vault.start()
    given.assert_used_up()


def test_l1_the_grant_of_a_counted_download_gives_the_bytes_after_the_crash(given):
    vault = given.vault
    vault.start("before open_old")
    grant = given.press().headers["location"]
    with pytest.raises(Lost):
        vault.bare("GET", grant)
    vault.dies()
    vault.start()
    whole = vault.bare("GET", grant)
    assert (whole.status, whole.body) == (200, BODY)
    given.assert_used_up()


def test_l1_a_transfer_cut_off_goes_on_within_its_grant(given):
    vault = given.vault
    vault.start(*["after read"] * 6)
    grant = given.press().headers["location"]
    cut = vault.bare("GET", grant)
    assert (cut.status, cut.short) == (200, True)
    assert BODY.startswith(cut.body)
    vault.dies()
    vault.start()
    rest = vault.bare("GET", grant, Range=f"bytes={len(cut.body)}-", If_Range=cut.headers["etag"])
    assert (rest.status, cut.body + rest.body) == (206, BODY)
    given.assert_used_up()


@pytest.mark.parametrize("way", ["press", "fetch"])
def test_l1_a_count_cut_through_was_made_or_was_not(given, way):
    vault = given.vault
    vault.start("armed", "change records.sqlite-wal")
    vault.arm()
    counted = False
    with contextlib.suppress(Lost):  # death may come as late as behind the answer
        counted = getattr(given, way)().status in {200, 303}
    vault.dies()
    vault.start()
    if given.left:
        assert not counted
        whole = given.fetch()
        assert (whole.status, whole.body) == (200, BODY)
    given.assert_used_up()


def test_s6_a_revocation_that_was_acknowledged_outlives_the_crash(given):
    vault = given.vault
    vault.start()
    made = vault.ask("POST", f"/attachments/{given.id}/download-links", {"expires_in": "P1D"}).json
    path = "/d/" + made["url"].rpartition("/d/")[2]
    grant = vault.bare("POST", path, b"", **FORM).headers["location"]
    assert vault.ask("DELETE", f"/links/{made['id']}").status == 204
    vault.kill()
    vault.start()
    assert [vault.bare("GET", one).status for one in (path, f"{path}/content", grant)] == [410] * 3
    assert given.left == 1
    vault.stop()
    vault.assert_sound()
