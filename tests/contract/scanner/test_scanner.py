"""What every Scanner promises (``transfer.scanner``, S-47), asked of the fake and of a real clamd both its ways."""

from __future__ import annotations

import io
import random
import threading
import zipfile

import pytest

from domain.attachment import Scan
from domain.errors import ScannerUnavailable
from tests.contract.scanner.daemon import STREAM_MAX
from tests.contract.scanner.fake_scanner import PATTERN, FakeScanner
from transfer.clamd import ClamdScanner
from transfer.probes import EICAR, encrypted, nested
from transfer.scanner import BreakingScanner, Scanner, Verdict

FRAME = 256 << 10


@pytest.fixture(params=["fake", "clamd unix", "clamd tcp", "clamd behind the breaker"])
def scanner(request) -> Scanner:
    if request.param == "fake":
        return FakeScanner(STREAM_MAX)
    clamd = request.getfixturevalue("clamd")
    if request.param == "clamd behind the breaker":
        return BreakingScanner(ClamdScanner(clamd.unix))
    return ClamdScanner(clamd.unix if request.param == "clamd unix" else clamd.tcp)


def scanned(scanner: Scanner, content: bytes, step: int | None = None) -> Verdict:
    scanning = scanner.begin()
    view = memoryview(content)
    step = step or max(len(content), 1)
    for start in range(0, len(content), step):
        scanning.feed(view[start : start + step])
    return scanning.verdict()


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.bin", content)
    return out.getvalue()


def test_it_answers_and_names_itself(scanner):
    scanner.ping()
    assert scanner.engine() == scanner.engine()
    assert any(digit.isdigit() for digit in scanner.engine())


def test_it_tells_its_limit_to_the_byte(scanner):
    assert scanner.limit() == STREAM_MAX


@pytest.mark.parametrize("size", [0, 1, 2, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 2 * FRAME + 1, 1_000_003])
def test_harmless_content_of_any_length_is_clean(scanner, size):
    verdict = scanned(scanner, noise(size))
    assert verdict == Verdict(Scan.CLEAN, None, scanner.engine())


@pytest.mark.parametrize("step", [1, 3, 67, 68, 1000])
def test_malware_is_found_in_pieces_of_any_size(scanner, step):
    verdict = scanned(scanner, EICAR, step)
    assert verdict.scan is Scan.INFECTED
    assert verdict.signature is not None
    assert "Eicar" in verdict.signature
    assert verdict.engine == scanner.engine()


@pytest.mark.parametrize("step", [FRAME - 5, FRAME, FRAME + 3, 1 << 20, 4 << 20])
@pytest.mark.parametrize("where", [0, FRAME - 10, 2 * FRAME - 1, 3_000_000])
def test_malware_is_found_wherever_it_is_and_across_the_borders_of_frames(scanner, where, step):
    content = bytearray(noise(3_000_000 + len(PATTERN)))
    content[where : where + len(PATTERN)] = PATTERN
    assert scanned(scanner, bytes(content), step).scan is Scan.INFECTED


def test_half_of_it_is_not_found(scanner):
    assert scanned(scanner, PATTERN[:-1]).scan is Scan.CLEAN


def test_malware_in_an_archive_is_found(scanner):
    assert scanned(scanner, zipped(zipped(EICAR))).scan is Scan.INFECTED


def test_a_harmless_archive_is_clean(scanner):
    assert scanned(scanner, zipped(zipped(b"hej"))).scan is Scan.CLEAN


def test_an_encrypted_archive_is_unscannable_and_never_clean(scanner):
    assert scanned(scanner, encrypted()).scan is Scan.UNSCANNABLE


def test_an_archive_deeper_than_it_looks_is_unscannable_and_never_clean(scanner):
    assert scanned(scanner, nested()).scan is Scan.UNSCANNABLE


def test_a_file_of_exactly_the_limit_is_scanned(scanner):
    assert scanned(scanner, noise(STREAM_MAX), 1 << 20).scan is Scan.CLEAN


@pytest.mark.parametrize("over", [1, FRAME, STREAM_MAX])
@pytest.mark.parametrize("content", [b"", EICAR])
def test_a_file_above_the_limit_is_unscannable_whatever_is_in_it(scanner, over, content):
    assert scanned(scanner, content.ljust(STREAM_MAX + over, b"\0"), 1 << 20).scan is Scan.UNSCANNABLE


def test_after_its_answer_it_takes_what_still_comes_and_stays_with_the_answer(scanner):
    scanning = scanner.begin()
    scanning.feed(bytes(STREAM_MAX + 1))
    first = scanning.verdict()
    scanning.feed(b"more")
    assert scanning.verdict() == first
    scanning.abort()
    assert scanning.verdict() == first


def test_the_buffer_is_free_again_when_feed_returns(scanner):
    buffer = bytearray(PATTERN)
    scanning = scanner.begin()
    scanning.feed(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    buffer.clear()
    assert scanning.verdict().scan is Scan.INFECTED


def test_an_aborted_scan_gives_no_verdict(scanner):
    scanning = scanner.begin()
    scanning.feed(b"hej")
    scanning.abort()
    scanning.abort()
    with pytest.raises(ScannerUnavailable):
        scanning.feed(b"hej")
    with pytest.raises(ScannerUnavailable):
        scanning.verdict()


def test_scans_side_by_side_do_not_know_of_each_other(scanner):
    verdicts: dict[int, Scan] = {}

    def scan(number: int) -> None:
        content = noise(100_000 + number) + (PATTERN if number % 2 else b"")
        verdicts[number] = scanned(scanner, content, 10_000).scan

    threads = [threading.Thread(target=scan, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == {number: Scan.INFECTED if number % 2 else Scan.CLEAN for number in range(12)}


@pytest.mark.parametrize("kind", ["fake", "unix", "tcp"])
def test_one_that_is_not_there_is_unavailable_in_every_question(kind, tmp_path):
    scanner: Scanner
    if kind == "fake":
        scanner = FakeScanner()
        scanner.down = True
    else:
        # Port 1 of loopback: nothing listens there.
        scanner = ClamdScanner(f"unix:{tmp_path}/clamd.sock" if kind == "unix" else "tcp://127.0.0.1:1")
    for question in (scanner.begin, scanner.ping, scanner.engine, scanner.limit):
        with pytest.raises(ScannerUnavailable):
            question()
