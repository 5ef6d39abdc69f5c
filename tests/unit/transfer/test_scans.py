"""What a malware scan makes of a file, at once or later: clean only where the scanner said exactly that (S-47)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.attachment import AttachmentState, Scan
from domain.errors import Damaged, Infected, NotReady, Quarantined, ScannerUnavailable
from domain.ids import AttachmentId
from keys import Lease
from tests.transfers import AGENT, MIB, TransferSite
from transfer import Rescan
from transfer.rescan import LEASE
from transfer.scanner import Verdict

S = AttachmentState
EVIL = b"evil"


class FakeScanner:
    """Finds what holds ``evil``, cannot scan what holds ``locked``; fails where told to."""

    def __init__(self) -> None:
        self.down = False
        self.fail_at: str | None = None
        self.open = 0
        self.begun = 0
        self.after_feed: Callable[[], object] | None = None

    def begin(self) -> FakeScan:
        if self.down:
            raise ScannerUnavailable
        self.begun += 1
        return FakeScan(self)

    def ping(self) -> None:
        if self.down:
            raise ScannerUnavailable

    def engine(self) -> str:
        return "fake 1/2"

    def limit(self) -> int | None:
        return None


class FakeScan:
    def __init__(self, scanner: FakeScanner) -> None:
        self._scanner = scanner
        self._seen = bytearray()
        self._ended = False
        scanner.open += 1

    def feed(self, view: bytes | bytearray | memoryview) -> None:
        if self._scanner.fail_at == "feed":
            raise ScannerUnavailable
        self._seen += view
        after, self._scanner.after_feed = self._scanner.after_feed, None
        if after is not None:
            after()

    def verdict(self) -> Verdict:
        if self._scanner.fail_at == "verdict":
            raise ScannerUnavailable
        self.abort()
        scan = Scan.INFECTED if EVIL in self._seen else Scan.UNSCANNABLE if b"locked" in self._seen else Scan.CLEAN
        signature = {Scan.INFECTED: "Evil.Test", Scan.UNSCANNABLE: "Encrypted"}.get(scan)
        return Verdict(scan, signature, self._scanner.engine())

    def abort(self) -> None:
        if not self._ended:
            self._ended = True
            self._scanner.open -= 1


@pytest.fixture
def scanner():
    scanner = FakeScanner()
    yield scanner
    assert scanner.open == 0


@pytest.fixture
def site(make_site, scanner):
    return make_site(scanner=scanner)


@pytest.fixture
def rescan(site, scanner):
    return Rescan(site.records, site.blobs, site.keys, site.log, site.clock, scanner, batch=2)


def put_off(site: TransferSite, scanner: FakeScanner, content: bytes = b"hello", at: str = "verdict") -> AttachmentId:
    """A file whose scan failed on the way."""
    scanner.fail_at = at
    pieces = [content[:MIB], content[MIB:], b"."]
    attachment = site.receive(pieces, declared=False).files[0].attachment
    scanner.fail_at = None
    assert (attachment.state, attachment.scan, attachment.available_at) == (S.SCANNING, Scan.PENDING, None)
    return attachment.id


class TestWhileReceiving:
    def test_a_clean_file_is_available_and_says_by_whom(self, site):
        attachment = site.received()
        assert (attachment.state, attachment.scan, attachment.scanned_by) == (S.AVAILABLE, Scan.CLEAN, "fake 1/2")
        assert attachment.available_at == site.clock()
        (event,) = site.events("scan.finished")
        assert event["facts"] == {"scan": "clean", "engine": "fake 1/2", "signature": None}
        assert site.read(AGENT, attachment.id) == b"hello"

    @pytest.mark.parametrize("content", [EVIL, bytes(2 * MIB) + EVIL])
    def test_an_infected_file_is_refused_and_not_kept(self, site, content):
        site.receive(b"hello")
        before = site.kept()
        with pytest.raises(Infected) as refused:
            site.receive(content)
        assert refused.value.facts == {"signature": "Evil.Test"}
        assert site.kept() == before
        (event,) = site.events("upload.refused")
        assert (event["facts"]["code"], event["facts"]["signature"]) == ("infected", "Evil.Test")

    def test_what_cannot_be_scanned_is_locked_away(self, site):
        attachment = site.received(b"locked")
        assert (attachment.state, attachment.scan) == (S.QUARANTINED, Scan.UNSCANNABLE)
        assert attachment.available_at is None
        with pytest.raises(Quarantined):
            site.open(AGENT, attachment.id)

    @pytest.mark.parametrize("at", ["feed", "verdict"])
    @pytest.mark.parametrize("content", [b"hello", EVIL, bytes(3 * MIB)])
    def test_a_scanner_that_fails_on_the_way_puts_the_file_off(self, site, scanner, at, content):
        attachment_id = put_off(site, scanner, content, at)
        with pytest.raises(NotReady):
            site.open(AGENT, attachment_id)
        assert site.events("scan.finished") == []

    def test_a_scanner_that_is_down_refuses_before_the_body(self, site, scanner):
        site.receive(b"hello")
        before = site.kept()
        scanner.down = True
        with pytest.raises(ScannerUnavailable):
            site.reception.claim(site.by_agent(), "a.txt", 1)
        assert site.kept() == before

    def test_a_scanner_that_goes_down_after_the_claim_takes_no_byte(self, site, scanner):
        claim = site.reception.claim(site.by_agent(), "a.txt", 1)
        scanner.down = True
        taken = []

        def chunks():
            taken.append(1)
            yield b"x"

        with pytest.raises(ScannerUnavailable):
            site.reception.seal(claim, chunks())
        assert taken == []

    def test_a_refused_body_ends_its_scan(self, site, scanner):
        with pytest.raises(RuntimeError):
            site.receive(broken(), declared=False)
        assert scanner.open == 0


def broken():
    yield bytes(MIB)
    raise RuntimeError


class TestLater:
    @pytest.mark.parametrize(
        ("content", "state", "scan"),
        [
            (bytes(2 * MIB), S.AVAILABLE, Scan.CLEAN),
            (bytes(2 * MIB) + EVIL, S.QUARANTINED, Scan.INFECTED),
            (b"locked", S.QUARANTINED, Scan.UNSCANNABLE),
        ],
    )
    def test_the_verdict_decides(self, site, scanner, rescan, content, state, scan):
        attachment_id = put_off(site, scanner, content)
        site.clock.go(minutes=1)
        assert rescan.run() == 1
        row = site.row(attachment_id)
        assert (row.state, row.scan, row.scanned_by) == (state, scan, "fake 1/2")
        assert row.available_at == (site.clock() if state is S.AVAILABLE else None)
        (event,) = site.events("scan.finished")
        assert (event["subject"], event["facts"]["scan"]) == (attachment_id, scan.value)
        assert event["actor"]["role"] == "system"
        assert rescan.run() == 0

    def test_all_that_waits_is_scanned(self, site, scanner, rescan):
        waiting = [put_off(site, scanner) for _ in range(5)]
        assert rescan.run() == 5
        assert {site.row(one).state for one in waiting} == {S.AVAILABLE}

    @pytest.mark.parametrize("way", ["down", "feed", "verdict"])
    def test_while_the_scanner_fails_everything_waits_on(self, site, scanner, rescan, way):
        waiting = [put_off(site, scanner, bytes(2 * MIB)) for _ in range(3)]
        scanner.down, scanner.fail_at = way == "down", way
        assert rescan.run() == 0
        assert {site.row(one).state for one in waiting} == {S.SCANNING}
        scanner.down, scanner.fail_at = False, None
        assert rescan.run() == 3

    def test_a_damaged_file_is_damaged_and_stops_nothing(self, site, scanner, rescan):
        first, second = put_off(site, scanner), put_off(site, scanner)
        site.tamper(site.row(first), lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]))
        assert rescan.run() == 1
        assert site.row(first).state is S.DAMAGED
        assert site.row(second).state is S.AVAILABLE
        with pytest.raises(Damaged):
            site.open(AGENT, first)

    def test_a_file_purged_meanwhile_stays_purged(self, site, scanner, rescan):
        attachment_id = put_off(site, scanner)
        scanner.after_feed = lambda: site.change(attachment_id, state=S.PURGING)
        assert rescan.run() == 0
        assert site.row(attachment_id).state is S.PURGING
        assert site.events("scan.finished") == []

    def test_a_file_whose_key_is_gone_is_passed_over(self, site, scanner, rescan):
        first, second = put_off(site, scanner), put_off(site, scanner)
        site.records.write(lambda unit: site.keys.destroy(unit, first))
        assert rescan.run() == 1
        assert site.row(second).state is S.AVAILABLE

    def test_one_node_at_a_time_scans(self, site, scanner, rescan):
        put_off(site, scanner)
        begun = scanner.begun
        with Lease(site.records, "rescan", length=LEASE):
            assert rescan.run() == 0
        assert scanner.begun == begun
        assert rescan.run() == 1

    def test_a_lease_that_was_lost_gives_no_verdict(self, site, scanner, rescan):
        attachment_id = put_off(site, scanner)
        others: list[Lease] = []

        def another_takes_over() -> None:
            site.clock.go(hours=1)
            others.append(Lease(site.records, "rescan", length=LEASE))
            others[0].__enter__()

        scanner.after_feed = another_takes_over
        assert rescan.run() == 0
        assert site.row(attachment_id).state is S.SCANNING
        assert site.events("scan.finished") == []

    def test_nothing_waiting_costs_no_lease(self, site, rescan):
        before = site.events()
        with Lease(site.records, "rescan", length=LEASE):
            assert rescan.run() == 0
        assert site.events() == before
