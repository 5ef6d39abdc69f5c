"""Crash table M1 and M2: the service is killed while a file waits for the scanner's word, and when it has come."""

from __future__ import annotations

import time

import pytest

from domain.event import EventKind
from tests.contract.scanner.daemon import clamd
from tests.crash.gate import Gate
from tests.crash.vault import PATIENCE, Vault

CLEAN, INFECTED = b"nothing in here\n" * 5000, b"well " * 9000 + b"BILAGA-TEST-PATTERN-1"


@pytest.fixture(scope="module")
def scanner():
    with clamd() as running:
        yield running


@pytest.fixture
def gate(scanner):
    made = Gate(scanner.tcp)
    yield made
    made.close()


@pytest.fixture
def guarded(tmp_path, nest, gate):
    made = Vault(tmp_path, nest, BILAGA_CLAMD_URL=gate.url, BILAGA_MAX_FILE_SIZE="1MiB")
    yield made
    made.close()


def sent_unscanned(vault: Vault, gate: Gate, body: bytes) -> str:
    """A file whose scan broke off, and whose next one waits for its verdict: its id."""
    vault.start()
    vault.ticket("T-1")
    gate.cut = True
    sent = vault.put("T-1", "f.txt", body).json
    assert (sent["state"], sent["scan"]) == ("scanning", "pending")
    gate.hold, gate.cut = True, False
    assert gate.held.wait(PATIENCE)
    return sent["id"]


def judged(vault: Vault, attachment: str) -> dict[str, object]:
    """The attachment, once somebody has judged it."""
    end = time.monotonic() + PATIENCE
    while (shown := vault.listed("T-1")[attachment])["state"] == "scanning":
        # Given to nobody before; unless it was judged between the two questions.
        given = vault.read(attachment).status != 409
        assert not given or vault.listed("T-1")[attachment]["state"] != "scanning"
        assert time.monotonic() < end
        time.sleep(0.1)
    return shown


def start_again(vault: Vault, gate: Gate) -> None:
    gate.hold = False
    gate.opened.set()
    vault.bilaga("fsck")
    vault.start()


def test_m1_a_file_being_scanned_is_scanned_again_and_given_to_nobody_before(guarded, gate):
    vault = guarded
    name = sent_unscanned(vault, gate, CLEAN)
    assert vault.read(name).status == 409
    vault.kill()
    scans = gate.scans
    start_again(vault, gate)
    shown = judged(vault, name)
    assert (shown["state"], shown["scan"]) == ("available", "clean")
    assert gate.scans > scans
    vault.assert_holds("T-1", {name: CLEAN})
    vault.stop()
    assert len(vault.events(EventKind.SCAN_FINISHED, name)) == 1
    vault.assert_sound()


@pytest.mark.parametrize(("body", "state", "status"), [(INFECTED, "quarantined", 403), (CLEAN, "available", 200)])
def test_m2_a_verdict_that_was_heard_and_not_written_down_is_asked_for_again(guarded, gate, body, state, status):
    vault = guarded
    name = sent_unscanned(vault, gate, body)
    gate.passed = vault.service.kill
    gate.opened.set()
    vault.dies()
    gate.passed = lambda: None
    start_again(vault, gate)
    assert judged(vault, name)["state"] == state
    assert vault.read(name).status == status
    vault.stop()
    assert len(vault.events(EventKind.SCAN_FINISHED, name)) == 1
    vault.assert_sound()
