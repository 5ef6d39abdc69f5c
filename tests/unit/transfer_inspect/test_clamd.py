"""A clamd of our own making, that says and does what no good one would: S-47, S-85."""

from __future__ import annotations

import logging
import socket
import socketserver
import struct
import threading
import time
from contextlib import suppress

import pytest

from domain.attachment import Scan
from domain.errors import Misconfigured, ScannerUnavailable
from transfer.clamd import ClamdScanner
from transfer.probes import EICAR, encrypted, nested
from transfer.scanner import BreakingScanner, Verdict

FOUND, LIMITS, ENCRYPTED, OK = (
    b"stream: Eicar FOUND\0",
    b"stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\0",
    b"stream: Heuristics.Encrypted.Zip FOUND\0",
    b"stream: OK\0",
)
ENGINE = "ClamAV 1.4.6/27500/Tue Nov 24 11:00:00 2026"


class Server(socketserver.ThreadingTCPServer):
    """Good as long as nobody changes ``words``; content that begins with "say " is answered with the rest of it."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.version = ENGINE.encode()
        self.pong = b"PONG\0"
        self.words = {EICAR: FOUND, nested(): LIMITS, encrypted(): ENCRYPTED}
        self.limit = 1 << 20
        self.too_large = b"INSTREAM size limit exceeded. ERROR\0"
        self.scans = 0

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.server_address[1]}"


class Conversation(socketserver.BaseRequestHandler):
    server: Server
    request: socket.socket

    def handle(self) -> None:
        with suppress(ConnectionError, EOFError, TimeoutError):
            self.converse()

    def converse(self) -> None:
        command = self.until_nul()
        if command == b"zPING":
            self.request.sendall(self.server.pong)
        elif command == b"zVERSION":
            self.request.sendall(self.server.version + b"\0")
        else:
            self.scan()

    def scan(self) -> None:
        content, left = b"", self.server.limit
        while size := int.from_bytes(self.exactly(4), "big"):
            if size > left:
                self.request.sendall(self.server.too_large)
                return
            left -= size
            content += self.exactly(size)
            if content.startswith(b"do "):
                getattr(self, content.split()[1].decode())(content)
                return
        self.server.scans += 1
        if content.startswith(b"say "):
            self.request.sendall(content[4:])
        elif content != b"nothing":
            self.request.sendall(self.server.words.get(content, OK))

    # What it does, when told to, as soon as it has read the first frame.
    def early(self, content: bytes) -> None:
        self.request.sendall(content.split(maxsplit=2)[2])

    def early_and_wait(self, content: bytes) -> None:
        self.early(content)
        self.until_closed()

    def hang_up(self, content: bytes) -> None:
        pass

    def reset(self, content: bytes) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def stall(self, content: bytes) -> None:
        time.sleep(5)

    def drip(self, content: bytes) -> None:
        for byte in OK[:-1] * 100:
            self.request.sendall(bytes([byte]))
            time.sleep(0.05)

    def until_closed(self) -> None:
        while self.request.recv(1 << 16):
            pass

    def until_nul(self) -> bytes:
        out = b""
        while not out.endswith(b"\0"):
            out += self.exactly(1)
        return out[:-1]

    def exactly(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            part = self.request.recv(size - len(out))
            if not part:
                raise EOFError
            out += part
        return out


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def scanner(server):
    return ClamdScanner(server.url, connect_limit=2, send_limit=1, answer_limit=1)


def scanned(scanner, *pieces: bytes) -> Verdict:
    scanning = scanner.begin()
    for piece in pieces:
        scanning.feed(piece)
    return scanning.verdict()


UNSCANNABLE, INFECTED, CLEAN, AGAIN = Scan.UNSCANNABLE, Scan.INFECTED, Scan.CLEAN, None
ANSWERS = [
    (b"stream: OK\0", CLEAN),
    (b"stream: Win.Test.EICAR_HDB-1 FOUND\0", INFECTED),
    (b"stream: Heuristics.OLE2.ContainsMacros FOUND\0", INFECTED),
    (b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0", UNSCANNABLE),
    (b"stream: Heuristics.Limits.Exceeded FOUND\0", UNSCANNABLE),
    (b"stream: Heuristics.Encrypted.PDF FOUND\0", UNSCANNABLE),
    (b"INSTREAM size limit exceeded. ERROR\0", UNSCANNABLE),
    (b"stream: Malformed file ERROR\0", UNSCANNABLE),
    (b"stream: Time limit reached ERROR\0", UNSCANNABLE),
    # Not about the file: it is scanned again.
    (b"stream: Can't allocate memory ERROR\0", AGAIN),
    (b"INSTREAM: Can't write to temporary file. ERROR\0", AGAIN),
    (b"COMMAND READ TIMED OUT. ERROR\0", AGAIN),
    # No answer.
    (b"", AGAIN),
    (b"stream: OK", AGAIN),
    (b"stream: FOU", AGAIN),
    # No answer that anybody knows.
    (b"\0", UNSCANNABLE),
    (b"OK\0", UNSCANNABLE),
    (b"stream: ok\0", UNSCANNABLE),
    (b"Stream: OK\0", UNSCANNABLE),
    (b"stream: OK \0", UNSCANNABLE),
    (b" stream: OK\0", UNSCANNABLE),
    (b"stream: OK\n\0", UNSCANNABLE),
    (b"stream: OK\0\0", UNSCANNABLE),
    (b"1: stream: OK\0", UNSCANNABLE),
    (b"stream:  OK\0", UNSCANNABLE),
    (b"stream: OK FOUNDNOT\0", UNSCANNABLE),
    (b"stream: OK\0stream: OK\0", UNSCANNABLE),
    (b"UNKNOWN COMMAND\0", UNSCANNABLE),
    (b"\xff\xfe\0", UNSCANNABLE),
    (b"x" * 10_000, UNSCANNABLE),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n\0", UNSCANNABLE),
]


@pytest.mark.parametrize("answer, meaning", ANSWERS)
def test_the_only_clean_answer_is_exactly_stream_ok(scanner, answer, meaning):
    if meaning is AGAIN:
        scanning = scanner.begin()
        scanning.feed(b"say " + answer)
        for _ in range(2):
            with pytest.raises(ScannerUnavailable):
                scanning.verdict()
    else:
        verdict = scanned(scanner, b"say " + answer)
        assert verdict.scan is meaning
        assert verdict.engine == ENGINE
        assert verdict.signature is None or verdict.signature.isprintable()


def test_no_answer_but_the_one_is_clean_by_any_small_change(scanner):
    for at in range(len(OK) - 1):
        for other in (b"\0", b" ", b"x", b"\x80"):
            answer = OK[:at] + other + OK[at + 1 :]
            if answer == OK:
                continue
            assert scanned(scanner, b"say " + answer).scan is UNSCANNABLE


def test_the_name_of_what_was_found_is_told_in_harmless_characters(scanner):
    verdict = scanned(scanner, b"say stream: Evil\r\n<b>\xe5" + b"x" * 500 + b" FOUND\0")
    assert verdict.scan is INFECTED
    assert verdict.signature is not None
    assert verdict.signature.startswith("Evil??<b>?")
    assert len(verdict.signature) <= 200


@pytest.mark.parametrize("way", [b"early", b"early_and_wait"])
@pytest.mark.parametrize(
    "answer, meaning", [(OK, UNSCANNABLE), (FOUND, INFECTED), (b"INSTREAM size limit exceeded. ERROR\0", UNSCANNABLE)]
)
def test_an_answer_before_the_end_is_heard_but_cannot_mean_clean(scanner, way, answer, meaning):
    scanning = scanner.begin()
    scanning.feed(b"do " + way + b" " + answer)
    time.sleep(0.1)
    for _ in range(8):
        scanning.feed(bytes(300_000) if way == b"early" else b"more")
    assert scanning.verdict().scan is meaning
    assert scanning.verdict().scan is meaning


@pytest.mark.parametrize("way", [b"hang_up", b"reset", b"stall", b"drip"])
def test_one_that_hangs_up_or_stalls_gives_no_verdict_in_bounded_time(scanner, way):
    scanning = scanner.begin()
    with pytest.raises(ScannerUnavailable):
        scanning.feed(b"do " + way)
        scanning.verdict()
    with pytest.raises(ScannerUnavailable):
        scanning.feed(b"more")
    with pytest.raises(ScannerUnavailable):
        scanning.verdict()


def test_one_that_stops_reading_does_not_hold_an_upload_for_ever(server, scanner):
    server.limit = 1 << 30
    scanning = scanner.begin()
    with pytest.raises(ScannerUnavailable):
        scanning.feed(b"do stall")
        for _ in range(100):
            scanning.feed(bytes(1 << 20))


def test_one_that_answers_nothing_at_all_is_unavailable(scanner):
    with pytest.raises(ScannerUnavailable):
        scanned(scanner, b"nothing")


@pytest.mark.parametrize("pong", [b"", b"PING\0", b"PONG", b"PONGPONG\0"])
def test_a_ping_is_answered_by_pong_alone(server, scanner, pong):
    scanner.ping()
    server.pong = pong
    with pytest.raises(ScannerUnavailable):
        scanner.ping()


def test_what_is_no_address_of_a_clamd_is_a_wrong_setting():
    for url in ("", "clamd", "unix:clamd.sock", "unix://host/clamd.sock", "tcp://", "tcp://h:x", "tcp://h:99999999",
                "tcp://h/path", "http://127.0.0.1:3310", "unix:"):  # fmt: skip
        with pytest.raises(Misconfigured, match="CLAMD_URL"):
            ClamdScanner(url)
    for url in ("unix:/run/clamd.sock", "unix:///run/clamd.sock", "tcp://localhost", "tcp://[::1]:3310", "tcp://h:1/"):
        ClamdScanner(url)


@pytest.mark.parametrize(
    "probe, sentence",
    [(EICAR, "EICAR"), (nested(), "AlertExceedsMax yes"), (encrypted(), "AlertEncrypted yes")],
    ids=["eicar", "nested", "encrypted"],
)
def test_a_clamd_whose_ok_means_nothing_stops_the_start_and_every_scan(server, scanner, probe, sentence, caplog):
    proper = server.words.pop(probe)
    with pytest.raises(Misconfigured, match=sentence):
        scanner.check_start(1)
    with pytest.raises(ScannerUnavailable):
        scanner.begin()
    assert [record.getMessage() for record in caplog.records] == ["scanner.unfit"]
    server.words[probe] = proper
    assert scanned(scanner, b"hej").scan is CLEAN


def test_a_start_while_it_is_down_is_no_wrong_setting_and_the_first_scan_tries_it_out(server, scanner):
    server.version = b""
    with pytest.raises(ScannerUnavailable):
        scanner.check_start(1)
    server.version = ENGINE.encode()
    del server.words[EICAR]
    with pytest.raises(ScannerUnavailable):
        scanner.begin()


def test_new_signatures_are_tried_out_before_their_first_verdict(server, scanner):
    assert scanned(scanner, b"hej").scan is CLEAN
    probes = server.scans
    assert scanned(scanner, b"hej").scan is CLEAN
    assert server.scans == probes + 1
    server.version = b"ClamAV 1.4.6/27501/later"
    verdict = scanned(scanner, b"hej")
    assert verdict == Verdict(CLEAN, None, "ClamAV 1.4.6/27501/later")
    assert server.scans == probes + 1 + 4
    server.version = b"ClamAV 1.4.6/27502/broken"
    del server.words[EICAR]
    with pytest.raises(ScannerUnavailable):
        scanner.begin()


@pytest.mark.parametrize("limit", [1, 68_000, 1 << 20, (1 << 20) + 1, 25_000_000, (1 << 31) - 4])
def test_its_limit_is_found_to_the_byte_without_sending_it(server, scanner, limit):
    server.limit = max(limit, 20_000)  # room for the probes
    assert scanner.limit() == server.limit
    server.version = b"ClamAV 1.4.6/27501/later"
    server.limit += 1
    scanned(scanner, b"hej")
    assert scanner.limit() == server.limit


def test_a_limit_above_what_any_clamd_scans_counts_as_that(server, scanner):
    server.limit = 1 << 40
    assert scanner.limit() == (1 << 31) - 3


def test_one_that_answers_otherwise_above_its_limit_has_an_unknown_one(server, scanner, caplog):
    server.too_large = b"too much\0"
    scanner.check_start(1 << 30)
    assert scanner.limit() is None
    assert scanned(scanner, bytes(server.limit + 1)).scan is UNSCANNABLE


def test_a_limit_below_ours_is_warned_of(server, scanner, caplog):
    caplog.set_level(logging.WARNING)
    scanner.check_start(server.limit)
    assert caplog.records == []
    scanner.check_start(server.limit + 1)
    assert [record.getMessage() for record in caplog.records] == ["scanner.limit-low"]


class Counting:
    """A Scanner that is down or not, and counts how often it was asked."""

    def __init__(self, scanner) -> None:
        self.scanner = scanner
        self.asked = 0
        self.down = False

    def _answer(self, question):
        self.asked += 1
        if self.down:
            raise ScannerUnavailable
        return question()

    def begin(self):
        return self._answer(self.scanner.begin)

    def ping(self):
        self._answer(self.scanner.ping)

    def engine(self):
        return self._answer(self.scanner.engine)

    def limit(self):
        return self._answer(self.scanner.limit)


def test_one_that_is_down_is_left_alone_for_a_while_and_then_tried_by_one(scanner, caplog):
    now = [0.0]
    behind = Counting(scanner)
    breaking = BreakingScanner(behind, failures=3, pause=5, monotonic=lambda: now[0])
    breaking.ping()
    behind.down = True
    for _ in range(5):
        with pytest.raises(ScannerUnavailable):
            breaking.begin()
    assert behind.asked == 1 + 3 + 1  # and whether it is down, once
    assert [record.getMessage() for record in caplog.records] == ["scanner.down"]
    now[0] = 4.9
    with pytest.raises(ScannerUnavailable):
        breaking.ping()
    assert behind.asked == 5
    now[0] = 5.1
    for _ in range(3):
        with pytest.raises(ScannerUnavailable):
            breaking.ping()
    assert behind.asked == 6
    now[0] = 10.2
    behind.down = False
    breaking.ping()
    assert scanned(breaking, b"hej").scan is CLEAN


def test_more_scans_than_there_are_places_for_are_refused_and_each_end_gives_its_place_back(scanner):
    breaking = BreakingScanner(scanner, scans=2)
    first, second = breaking.begin(), breaking.begin()
    with pytest.raises(ScannerUnavailable):
        breaking.begin()
    assert first.verdict().scan is CLEAN
    first.abort()
    third = breaking.begin()
    with pytest.raises(ScannerUnavailable):
        breaking.begin()
    second.abort()
    third.abort()
    third.abort()
    fourth, fifth = breaking.begin(), breaking.begin()
    with pytest.raises(ScannerUnavailable):
        breaking.begin()
    fourth.abort()
    fifth.abort()
