from __future__ import annotations

import asyncio
import smtplib

import pytest

from domain.errors import Misconfigured, RecordsUnavailable
from mail.door import Door, Place
from mail.replies import UNKNOWN
from tests.corpus.mails import MAILS
from transfer import Pump


class Keeper:
    """Knows one address, and keeps what it is handed."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.error: Exception | None = None

    def find(self, address):
        if self.error is not None:
            raise self.error
        return "the ticket" if address.lower() == "known@bilaga.test" else None

    def take(self, sender, ticket, chunks) -> str:
        assert ticket == "the ticket"
        self.taken.append((sender, b"".join(chunks)))
        return "250 2.0.0 taken"


@pytest.mark.parametrize(
    "url",
    [
        "", "lmtp://", "lmtp://127.0.0.1", "lmtp://0.0.0.0:24", "lmtp://192.0.2.1:24", "lmtp://host:24", "http://127.0.0.1:24",
        "lmtp://127.0.0.1:x", "lmtp://a@127.0.0.1:24", "lmtp:relative", "lmtp:", "lmtp://127.0.0.1:24/x",
    ],
)  # fmt: skip
def test_a_place_that_others_could_reach_or_that_is_none_is_refused(url):
    with pytest.raises(Misconfigured, match="MAIL__LISTEN"):
        Place(url)


@pytest.mark.parametrize(
    ("url", "lmtp"), [("lmtp://127.0.0.1:24", True), ("smtp://[::1]:25", False), ("lmtp:/run/bilaga/lmtp.sock", True)]
)
def test_a_place_on_this_machine_is_taken(url, lmtp):
    assert Place(url).speaks_lmtp == lmtp


@pytest.fixture
def pump():
    made = Pump(1)
    yield made
    made.close()


async def talk(door: Door, client, work):
    await door.open()
    try:
        return await asyncio.to_thread(lambda: work(client()))
    finally:
        await door.close(1)


@pytest.mark.parametrize("kind", ["lmtp", "smtp"])
async def test_a_message_comes_by_either_language(tmp_path, pump, kind, unused_tcp_port):
    taker = Keeper()
    door = Door(Place(f"{kind}://127.0.0.1:{unused_tcp_port}"), "bilaga.test", taker, pump, largest=1 << 20)
    speaker = smtplib.LMTP if kind == "lmtp" else smtplib.SMTP

    def work(server):
        with server:
            server.sendmail("a@b.example", ["known@bilaga.test"], MAILS[1].raw)
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                server.sendmail("<>", ["other@bilaga.test"], MAILS[1].raw)
            assert f"550 {refused.value.recipients['other@bilaga.test'][1].decode()}" == UNKNOWN
            assert server.docmd("NOOP") == (250, b"2.0.0 OK")
            assert server.docmd("DATA")[0] == 503
            assert server.docmd("VRFY", "known@bilaga.test")[0] == 252
            assert server.docmd("NONSENSE")[1].startswith(b"5.0.0")

    await talk(door, lambda: speaker("127.0.0.1", unused_tcp_port, timeout=30), work)
    assert taker.taken == [("a@b.example", MAILS[1].raw)]


async def test_lmtp_greets_by_its_own_word_alone(pump, unused_tcp_port):
    door = Door(Place(f"lmtp://127.0.0.1:{unused_tcp_port}"), "bilaga.test", Keeper(), pump, largest=1000)

    def work(server):
        with server:
            assert server.docmd("EHLO", "x")[0] == 500
            assert server.docmd("LHLO", "x")[0] == 250

    await talk(door, lambda: smtplib.SMTP("127.0.0.1", unused_tcp_port, timeout=30), work)


async def test_what_cannot_be_looked_up_and_who_comes_in_a_crowd_come_again(pump, unused_tcp_port):
    taker = Keeper()
    door = Door(Place(f"lmtp://127.0.0.1:{unused_tcp_port}"), "bilaga.test", taker, pump, largest=1 << 20)
    slot = pump.take()

    def work(server):
        with server:
            server.ehlo()
            server.mail("a@b.example")
            assert server.rcpt("known@bilaga.test")[0] == 250
            assert server.docmd("DATA")[0] == 451
            server.rset()
            taker.error = RecordsUnavailable()
            server.mail("a@b.example")
            assert server.rcpt("known@bilaga.test")[0] == 451

    await talk(door, lambda: smtplib.LMTP("127.0.0.1", unused_tcp_port, timeout=30), work)
    slot.release()
    assert taker.taken == []


async def test_a_socket_is_for_its_group_and_gone_afterwards(tmp_path, pump):
    path = tmp_path / "door.sock"
    door = Door(Place(f"lmtp:{path}"), "bilaga.test", Keeper(), pump, largest=1000)
    await door.open()
    assert path.stat().st_mode & 0o777 == 0o660
    await door.close(0)
    assert not path.exists()
    with pytest.raises(Misconfigured, match="several workers"):
        await door.open(shared=True)


async def test_a_place_that_is_taken_stops_the_start_with_one_line(pump, unused_tcp_port):
    place = Place(f"lmtp://127.0.0.1:{unused_tcp_port}")
    first, second = (Door(place, "bilaga.test", Keeper(), pump, largest=1000) for _ in range(2))
    await first.open()
    with pytest.raises(Misconfigured, match=r"MAIL__LISTEN: cannot listen: Address already in use"):
        await second.open()
    await first.close(0)
