"""Whose turn it is: in one process, on several nodes, and after somebody died."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from domain.errors import IncompleteBody, LinkRevoked, UploadLocked, UploadTakenOver
from domain.upload import Upload, UploadState
from keys import Node
from keys.node import LEASE_FOR
from tests.transfers import AGENT, TransferSite
from tests.unit.transfer.uploads import Sender, blob_count, findings, refused, text
from transfer import Resuming
from transfer.steps import unwatched

PATIENCE = 60.0


class Stalled:
    """A body that stands still after its first bytes, until it is let go or told to stop."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.begun, self.released = Event(), Event()

    def __iter__(self) -> Iterator[bytes]:
        yield self.content
        self.begun.set()
        assert self.released.wait(PATIENCE)
        raise IncompleteBody

    def stop(self) -> None:
        self.released.set()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


@pytest.mark.parametrize("newer", ["find", "append", "cancel"])
def test_a_newer_request_ends_the_older_one_which_keeps_what_it_has(site, threads, newer):
    sender, content = Sender(site, 100), text(100)
    body = Stalled(content[:30])
    older = threads.submit(sender.append, body, 0, size=100, on_taken=body.stop)
    assert body.begun.wait(PATIENCE)
    if newer == "find":
        assert sender.find().offset == 30
    elif newer == "append":
        assert refused(sender.append, content, 0).facts == {"offset": 30}
    else:
        sender.cancel()
        assert (sender.row(), blob_count(site)) == (None, 0)
    assert isinstance(older.exception(PATIENCE), UploadTakenOver)
    if newer != "cancel":
        assert sender.append(content[30:], 30).state is UploadState.COMPLETE
        assert site.read(AGENT, sender.attachment().id) == content
    assert findings(site) == []


def test_a_writer_that_does_not_stop_locks_the_upload(site, threads):
    sender = Sender(site, 100)
    body = Stalled(text(30))
    impatient = site.resuming_on(site.node, patience=0.05)
    older = threads.submit(impatient.append, sender.token, sender.incoming(), body, offset=0, size=100)
    assert body.begun.wait(PATIENCE)
    assert isinstance(refused(impatient.find, sender.token, sender.incoming()), UploadLocked)
    assert isinstance(refused(impatient.append, sender.token, sender.incoming(), [b"x"], offset=0), UploadLocked)
    assert impatient.look(sender.token, sender.incoming()).offset == 0
    body.stop()
    assert older.exception(PATIENCE) is not None
    assert sender.find().offset == 30
    impatient.close()


class Nodes:
    """Two nodes on one site, whose clock is the database's."""

    def __init__(self, site: TransferSite) -> None:
        self.site = site
        self.nodes = [Node(site.records, alone=False) for _ in range(2)]
        for node in self.nodes:
            node.beat()
        site.clock.go(seconds=LEASE_FOR.total_seconds() / 2)
        for node in self.nodes:
            node.beat()
        site.clock.go(seconds=LEASE_FOR.total_seconds() / 2)
        for node in self.nodes:
            node.beat()
        self.resuming: list[Resuming] = [site.resuming_on(node, unwatched, patience=PATIENCE) for node in self.nodes]

    def append(self, node: int, sender: Sender, body: object, offset: int, **more: object) -> Upload:
        return self.resuming[node].append(sender.token, sender.incoming(), body, offset=offset, **more)  # type: ignore[arg-type]


@pytest.fixture
def nodes(site: TransferSite) -> Iterator[Nodes]:
    made = Nodes(site)
    yield made
    for one in made.resuming:
        one.close()


def test_any_node_goes_on_where_another_stopped(site, nodes):
    content = text(100)
    sender = Sender(site, 100)
    for offset in range(0, 100, 10):
        nodes.append(offset // 10 % 2, sender, [content[offset : offset + 10]], offset)
    assert site.read(AGENT, sender.attachment().id) == content
    assert findings(site) == []


def test_a_node_is_told_by_the_row_that_another_wants_the_upload(site, nodes, threads):
    sender = Sender(site, 100)
    body = Stalled(text(30))
    older = threads.submit(nodes.append, 0, sender, body, 0, size=100, on_taken=body.stop)
    assert body.begun.wait(PATIENCE)
    newer = threads.submit(nodes.resuming[1].find, sender.token, sender.incoming())
    while not older.done():
        nodes.resuming[0].heed()
    assert isinstance(older.exception(), UploadTakenOver)
    assert newer.result(PATIENCE).offset == 30


def test_a_node_that_died_is_not_waited_for_and_commits_nothing_when_it_was_only_paused(site, nodes, threads):
    sender = Sender(site, 100)
    body = Stalled(text(30))
    paused = threads.submit(nodes.append, 0, sender, body, 0, size=100)
    assert body.begun.wait(PATIENCE)
    for _ in range(3):
        site.clock.go(seconds=LEASE_FOR.total_seconds() / 2)
        nodes.nodes[1].beat()
    assert nodes.resuming[1].find(sender.token, sender.incoming()).offset == 0
    nodes.append(1, sender, [text(50)], 0)
    body.stop()
    assert isinstance(paused.exception(PATIENCE), UploadTakenOver)
    assert (sender.find().offset, blob_count(site)) == (50, 1)
    assert findings(site) == []


def test_what_a_node_left_unfinished_another_makes_an_attachment_of(site, nodes):
    content = text(100)
    sender = Sender(site, 100)
    nodes.append(0, sender, [content[:60]], 0)
    nodes.resuming[0].close()
    assert nodes.append(0, sender, [content[60:]], 60).state is UploadState.RECEIVED
    assert nodes.resuming[1].look(sender.token, sender.incoming()).state is UploadState.RECEIVED
    assert nodes.resuming[1].assemble_due() == 1
    assert nodes.append(1, sender, [], 100).state is UploadState.COMPLETE
    assert site.read(AGENT, sender.attachment().id) == content
    assert (blob_count(site), findings(site)) == (1, [])


def test_a_node_that_was_paused_leaves_no_blob_where_the_link_was_revoked_meanwhile(site, nodes, threads):
    sender = Sender(site, 100)
    incoming = sender.incoming()
    body = Stalled(text(30))
    paused = threads.submit(nodes.append, 0, sender, body, 0, size=100)
    assert body.begun.wait(PATIENCE)
    for _ in range(3):
        site.clock.go(seconds=LEASE_FOR.total_seconds() / 2)
        nodes.nodes[1].beat()
    site.revoke(incoming.link.id)
    assert isinstance(refused(nodes.resuming[1].find, sender.token, incoming), LinkRevoked)
    body.stop()
    assert isinstance(paused.exception(PATIENCE), LinkRevoked)
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])
