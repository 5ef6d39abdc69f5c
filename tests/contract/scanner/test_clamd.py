"""A real clamd that dies, comes back, or is set so that its OK means little: S-47, S-85."""

from __future__ import annotations

import logging

import pytest

from domain.attachment import Scan
from domain.errors import Misconfigured, ScannerUnavailable
from tests.contract.scanner import daemon
from transfer.clamd import ClamdScanner
from transfer.probes import EICAR


def test_a_clamd_that_dies_under_a_scan_gives_no_verdict_and_is_there_again_when_it_is_back():
    with daemon.clamd() as clamd:
        scanner = ClamdScanner(clamd.unix)
        scanner.check_start(daemon.STREAM_MAX)
        scanning = scanner.begin()
        scanning.feed(b"hej")
        daemon.kill(clamd)
        with pytest.raises(ScannerUnavailable):
            scanning.verdict()
        with pytest.raises(ScannerUnavailable):
            scanning.verdict()
        with pytest.raises(ScannerUnavailable):
            scanner.begin()
        clamd.run("start")
        scanning = scanner.begin()
        scanning.feed(EICAR)
        assert scanning.verdict().scan is Scan.INFECTED


def test_a_clamd_as_the_script_sets_it_is_fit(clamd, caplog):
    for url in (clamd.unix, clamd.tcp):
        ClamdScanner(url).check_start(daemon.STREAM_MAX)
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_limit_below_ours_is_warned_of_and_what_is_above_is_unscannable(clamd, caplog):
    scanner = ClamdScanner(clamd.tcp)
    scanner.check_start(daemon.STREAM_MAX + 1)
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == ["scanner.limit-low"]
    scanning = scanner.begin()
    scanning.feed(bytes(daemon.STREAM_MAX + 1))
    assert scanning.verdict().scan is Scan.UNSCANNABLE


@pytest.mark.parametrize(
    "replace, sentence",
    [
        ({"AlertExceedsMax yes": "AlertExceedsMax no"}, "AlertExceedsMax yes"),
        ({"AlertEncrypted yes": "AlertEncrypted no"}, "AlertEncrypted yes"),
    ],
)
def test_a_clamd_that_calls_clean_what_it_did_not_look_at_is_a_wrong_setting(clamd, replace, sentence):
    with daemon.clamd_with(clamd, replace) as lax:
        scanner = ClamdScanner(lax.tcp)
        with pytest.raises(Misconfigured, match=sentence):
            scanner.check_start(daemon.STREAM_MAX)
        with pytest.raises(ScannerUnavailable):
            scanner.begin()
