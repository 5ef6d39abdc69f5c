"""An upload's life as a state machine: whatever is done to uploads in whatever order, by two nodes and one that is
stopping, what is kept, counted, readable and told is what a small model has (S-18, S-34, S-41, S-49)."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from crypto import new_blob_id, new_id
from domain.errors import (
    BadInput,
    BilagaError,
    BlobsUnavailable,
    ChecksumMismatch,
    Gone,
    IncompleteBody,
    NotAllowed,
    UploadTakenOver,
)
from domain.upload import Checksum, UploadKind, UploadState
from keys import Node
from keys.node import LEASE_FOR
from tests.properties.transfer.upload_always import Always
from tests.properties.transfer.upload_model import File, Link, Refusals, State
from tests.site import is_embedded
from tests.transfers import TransferSite
from tests.unit.transfer.uploads import cut

STOPPING = 2
MEMORY = Path("/dev/shm")
"""Where a database is as fast as it can be: this is not about disks."""
PATIENCE = 60.0
WRONG = b"w" * 32
PASSING = {"blob-unfinished", "upload-stale"}
"""What fsck may say of a site in the midst of it: what a dead node left, and what the sweep has not come by yet."""
sizes = st.integers(0, 60)
nodes = st.integers(0, 1)
which = st.integers(0, 9)


def sha256(content: bytes) -> Checksum:
    return Checksum("sha256", hashlib.sha256(content).digest())


class UploadLife(RuleBasedStateMachine):
    files = Bundle("files")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
        self.site = TransferSite(Path(self._folder) / "site")
        self.nodes = [Node(self.site.records, alone=False) for _ in range(2)]
        self.time_for_all()
        places = [*self.nodes, self.nodes[0]]
        self.resuming = [self.site.resuming_on(node, patience=0.0, wait_for=PATIENCE) for node in places]
        self.resuming[STOPPING].close()
        self.always = Always(self.site)

    @property
    def now(self) -> Any:
        return self.site.clock()

    def time_for_all(self, *awake: int) -> None:
        """Half a minute, in which these nodes, or all, say that they live: the others are dead by then."""
        for _ in range(4):
            for node in [self.nodes[one] for one in awake] or self.nodes:
                node.beat()
            self.site.clock.go(seconds=LEASE_FOR.total_seconds() / 2)

    def check(self, expected: Refusals, ask: Any) -> Any:
        """The outcome is what the model says: that very error, or none."""
        try:
            result = ask()
        except BilagaError as error:
            assert type(error) in expected, (error, expected)
            return None
        assert expected == (), expected
        return result

    # -- links ---------------------------------------------------------------------------------------------------------
    @initialize(target=files, length=st.none() | st.integers(1, 100), partial=st.booleans())
    def there_is_a_link_and_an_upload_by_it(self, length: int | None, *, partial: bool) -> Any:
        self.a_link_is_made(100, 6, None)
        return self.an_upload_is_begun(0, length, partial=partial, wrong=False)

    @rule(hours=st.integers(1, 100), most=st.integers(1, 4), most_bytes=st.none() | st.integers(1, 200))
    def a_link_is_made(self, hours: int, most: int, most_bytes: int | None) -> None:
        terms: dict[str, Any] = {"expires_in": f"PT{hours}H", "max_files": most, "max_bytes": most_bytes or 1 << 40}
        issued = self.site.upload_link(**terms)
        row = issued.link
        self.always.links.append(Link(row.id, self.site.by_link(issued.token), row.terms.expires_at, most, most_bytes))

    @rule(which=which)
    def a_link_is_revoked(self, which: int) -> None:
        self.revoke(self.link(which))

    def link(self, which: int) -> Link:
        return self.always.links[which % len(self.always.links)]

    def revoke(self, link: Link) -> None:
        self.site.revoke(link.id)
        link.revoked = True

    # -- what senders do -----------------------------------------------------------------------------------------------
    @rule(
        target=files,
        which=which,
        length=st.none() | st.integers(0, 100),
        partial=st.booleans(),
        wrong=st.integers(0, 3).map(lambda n: n == 0),
    )
    def an_upload_is_begun(self, which: int, length: int | None, *, partial: bool, wrong: bool) -> Any:
        link = self.link(which)
        if link.max_bytes is not None and length is None:
            length = 10
        kind = UploadKind.PARTIAL if partial else UploadKind.WHOLE
        wrong = wrong and length != 0 and not partial
        announced = Checksum("sha256", WRONG) if wrong else None
        made = self.check(
            link.why_not(self.now) or link.no_room(length or 0),
            lambda: self.resuming[0].create(link.incoming, "a.txt", length=length, kind=kind, repr_digest=announced),
        )
        if made is None:
            return multiple()
        file = File(link, kind, length, wrong, made.upload.expires_at, made)
        link.files.append(file)
        if length == 0:
            file.keep(b"", self.now)
            self.assembled(file)
        return file

    @rule(
        file=files,
        node=st.integers(0, STOPPING),
        size=sizes,
        rest=st.booleans(),
        lag=st.sampled_from([0, 0, 0, 0, -1, 1]),
        how=st.sampled_from(["plain", "plain", "unsized", "cut", "cut", "checked", "mistaken", "cut checked", "last"]),
    )
    def bytes_come(self, file: File, node: int, size: int, lag: int, how: str, *, rest: bool) -> None:
        why = file.asked(self.now)
        at, room = len(file.content), file.room
        size = room if room is not None and (rest or ("cut" in how and size > room)) else size
        data = file.stream(at, size)
        more: dict[str, Any] = {"offset": max(at + lag, 0), "size": size, "complete": how == "last"}
        if how == "unsized":
            more["size"] = None
        elif "cut" in how:
            more["size"] = size + 7 if room is None else room
        if how in {"checked", "cut checked"}:
            more["checksum"] = sha256(data)
        elif how == "mistaken":
            more["checksum"] = Checksum("sha256", WRONG)
        body = cut(data) if "cut" in how else [data[:10], data[10:]]

        def send() -> Any:
            return self.resuming[node].append(file.made.token, file.link.incoming, body, **more)

        why = why or file.why_not_these(more["offset"], size, more["size"], how)
        if why or file.state is not State.OPEN:
            self.check(why or self.awaited(file, node), send)
            return
        if how == "last" and file.length is None:
            file.length = at + size
        at_once = at == 0 and file.kind is UploadKind.WHOLE and more["size"] == file.length and how in {"plain", "last"}
        if at_once and file.wrong:  # then nothing of it is acknowledged
            file.state = State.FAILED
            self.check((ChecksumMismatch,), send)
            return
        file.keep(data, self.now)
        if how == "cut":
            self.check((IncompleteBody,), send)
        else:
            self.check(self.awaited(file, 0 if at_once else node), send)
        self.always.bytes_of(file)

    @rule(file=files, node=st.integers(0, STOPPING), length=st.integers(0, 100), exact=st.booleans())
    def a_length_is_told(self, file: File, node: int, length: int, *, exact: bool) -> None:
        at = len(file.content)
        length = at if exact else length
        why = file.asked(self.now) or ((NotAllowed,) if file.kind is UploadKind.FINAL else ())
        if not why and file.state is State.OPEN:
            if file.length not in {None, length} or length < at:
                why = (BadInput,)
            else:
                file.length = length
                if length == 0 and file.wrong:
                    file.state, why = State.FAILED, (ChecksumMismatch,)
                else:
                    file.keep(b"", self.now)
        if not why:
            why = self.awaited(file, 0 if length == 0 else node)
        self.check(
            why,
            lambda: self.resuming[node].append(
                file.made.token, file.link.incoming, [], offset=at, size=0, length=length
            ),
        )
        self.always.bytes_of(file)

    @rule(target=files, which=which, parts=st.lists(files, min_size=1, max_size=3), node=st.integers(0, STOPPING))
    def pieces_are_joined(self, which: int, parts: list[File], node: int) -> Any:
        link, found = self.link(which), parts
        if found[0].state is State.PIECE:
            link = found[0].link
            found = [one for one in found if one.state is State.PIECE and one.link is link]
        why: Refusals = ()
        for one in found:
            why = why or one.asked(self.now, link)
        if not why and any(one.state is not State.PIECE for one in found):
            why = (BadInput,)
        size = sum(len(one.content) for one in found)
        why = why or link.no_room(size, without=found)
        tokens = [one.made.token for one in found]
        made = self.check(why, lambda: self.resuming[node].concatenate(link.incoming, "whole.txt", tokens))
        if made is None:
            return multiple()
        for one in found:
            one.state = State.JOINED
        content = b"".join(one.content for one in found)
        whole = File(link, UploadKind.FINAL, size, False, made.upload.expires_at, made, State.RECEIVED, content)
        whole.parts = tuple(found)
        link.files.append(whole)
        self.awaited(whole, node)
        self.always.bytes_of(whole)
        return whole

    @rule(file=files, node=st.integers(0, STOPPING))
    def it_is_asked_how_far_it_is(self, file: File, node: int) -> None:
        why = file.asked(self.now)
        found = self.check(why, lambda: self.resuming[node].find(file.made.token, file.link.incoming))
        assert found is None or (found.offset, found.length) == (len(file.content), file.length)

    @rule(file=files, node=nodes)
    def it_is_cancelled(self, file: File, node: int) -> None:
        why = file.asked(self.now)
        self.check(why, lambda: self.resuming[node].cancel(file.made.token, file.link.incoming))
        file.state = file.state if why else State.GONE

    @rule(file=files, which=which, node=nodes)
    def somebody_else_asks_for_it(self, file: File, which: int, node: int) -> None:
        link = self.link(which)
        if file.link is link:
            return
        token, incoming, why = file.made.token, link.incoming, file.asked(self.now, link)
        self.check(why, lambda: self.resuming[node].find(token, incoming))
        self.check(why, lambda: self.resuming[node].append(token, incoming, [b"x"], offset=len(file.content)))
        self.check(why, lambda: self.resuming[node].cancel(token, incoming))

    # -- what befalls nodes --------------------------------------------------------------------------------------------
    @rule(begun=st.integers(0, 1), size=st.integers(1, 60), then=st.sampled_from(["append", "cancel", "revoke"]))
    def a_node_that_was_paused_wakes_when_another_was_at_it(self, begun: int, size: int, then: str) -> None:
        file = next((one for one in reversed(self.always.files) if one.takes_bytes(self.now)), None)
        if file is None:
            return
        at, room, token, incoming = len(file.content), file.room, file.made.token, file.link.incoming

        def body() -> Iterator[bytes]:
            yield file.stream(at, begun)
            self.time_for_all(1)
            if then == "append":
                self.bytes_come(file, 1, min(size, room or size), 0, "plain", rest=False)
            elif then == "cancel":
                self.it_is_cancelled(file, 1)
            else:
                self.revoke(file.link)
                self.it_is_asked_how_far_it_is(file, 1)
            yield file.stream(at + begun, (room or size) - begun)

        try:
            self.resuming[0].append(token, incoming, body(), offset=at, size=room)
        except BilagaError as error:
            told = (*file.link.why_not(self.now), UploadTakenOver, BlobsUnavailable, Gone)
            assert type(error) in ((*told, ChecksumMismatch) if file.wrong else told), error
        else:
            raise AssertionError("two writers")
        self.time_for_all()

    @rule(file=files, finished=st.booleans())
    def a_node_dies_and_leaves_a_blob(self, file: File, *, finished: bool) -> None:
        if file.state not in {State.OPEN, State.RECEIVED}:
            return
        upload_id, blob_id = file.made.upload.id, new_blob_id()

        def take(unit: Any) -> bool:
            row = unit.uploads.get(upload_id)
            return bool(unit.uploads.take(upload_id, after=row.fence, holder=new_id(), writing=blob_id))

        if not self.site.records.read(lambda unit: unit.uploads.get(upload_id)).writing:
            assert self.site.records.write(take)
            with self.site.blobs.create(blob_id, None) as writer:
                writer.write(blob_id.encode() * 3)
                if finished:
                    writer.commit()

    # -- jobs ----------------------------------------------------------------------------------------------------------
    @rule(minutes=st.sampled_from([1, 10, 60, 600, 24 * 60]))
    def time_goes_by(self, minutes: int) -> None:
        self.site.clock.go(minutes=minutes)
        self.time_for_all()

    @rule(node=nodes)
    def the_sweep_comes(self, node: int) -> None:
        ended = [file.swept(self.now) for file in self.always.files]
        assert self.resuming[node].sweep() == sum(ended)

    @rule(node=nodes)
    def what_is_all_there_is_made_attachments_of(self, node: int) -> None:
        until = time.monotonic() + PATIENCE
        while self.site.records.read(
            lambda unit: unit.uploads_found.in_state(UploadState.RECEIVED, after=None, limit=1)
        ):
            assert time.monotonic() < until
            self.resuming[node].assemble_due()
            time.sleep(0.005)
        for file in self.always.files:
            if file.state is State.RECEIVED:
                self.assembled(file)

    def awaited(self, file: File, node: int) -> Refusals:
        """What became of it in the request itself: nothing yet, where that node is stopping."""
        if file.state is not State.RECEIVED or node == STOPPING:
            return ()
        return self.assembled(file)

    def assembled(self, file: File) -> Refusals:
        if file.state is not State.RECEIVED:
            return ()
        return () if file.assemble(self.now) else (ChecksumMismatch,)

    # -- what is always so ---------------------------------------------------------------------------------------------
    @invariant()
    def rows_say_what_was_acknowledged(self) -> None:
        self.always.rows()

    @invariant()
    def quotas_are_what_the_rows_come_to(self) -> None:
        self.always.quotas()

    @invariant()
    def nothing_is_readable_that_is_not_all_there(self) -> None:
        self.always.attachments()

    @invariant()
    def no_key_outlives_what_it_is_for(self) -> None:
        self.always.keys()

    @invariant()
    def every_blob_is_somebodys_and_no_stream_is_another_again(self) -> None:
        self.always.blobs()

    def teardown(self) -> None:
        try:
            self.the_end()
        finally:
            for one in self.resuming:
                one.close()
            self.site.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def the_end(self) -> None:
        """Of what is all there attachments are made; long after, nothing else is left."""
        assert [str(one) for one in self.site.findings() if one.kind.value not in PASSING] == []
        self.what_is_all_there_is_made_attachments_of(1)
        self.site.clock.go(days=40)
        self.time_for_all()
        self.the_sweep_comes(1)
        assert all(file.state is State.GONE for file in self.always.files)
        self.always.rows()
        self.always.quotas()
        self.always.keys()
        for file in self.always.files:
            self.always.bytes_of(file)
        rows = self.site.records.read(lambda unit: list(unit.inventory.all()))
        assert {row.blob_id for row in rows} == {stat.blob_id for stat in self.site.blobs.iterate()}


TestUploadLife = pytest.mark.timeout(900)(UploadLife.TestCase)  # what fails is made smaller first, and that takes time
TestUploadLife.settings = settings(
    max_examples=20 if is_embedded() else 6,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
