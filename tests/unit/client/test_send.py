"""Sending files, against a far side that goes wrong in every way that a client must survive."""

from __future__ import annotations

import io
import os
import random
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest

from client import Outcome, Step, What, send, terms
from domain.errors import (
    BadInput,
    Damaged,
    Gone,
    LinkUnknown,
    QuotaExceeded,
    Refused,
    StateConflict,
    TooLarge,
    Unavailable,
)
from tests.unit.client.far_side import Exchange, FarSide

MIB = 1 << 20


def content(size: int = 3 * MIB + 17, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "filmen å.mov"
    path.write_bytes(content())
    return path


def times(count: int, method: str, what):
    """A fault that strikes so many times."""
    left = [count]

    def fault(exchange: Exchange) -> bool:
        if exchange.command != method or left[0] == 0:
            return False
        left[0] -= 1
        return bool(what(exchange))

    return fault


def broken_after(size: int):
    """The line breaks when so many bytes of a body are kept."""

    def fault(exchange: Exchange) -> bool:
        if exchange.kept is None or exchange.offset != len(exchange.kept.content):
            return False
        exchange.take(exchange.kept, min(size, exchange.size))
        return exchange.cut()

    return fault


def quick(far: FarSide, files, **how) -> Outcome:
    return send(far.link, files, **({"patience": 20, "settling": 5} | how))


def test_a_file_arrives_and_the_receipt_bears_it_out(far, film):
    steps: list[Step] = []
    outcome = quick(far, [film], progress=steps.append)
    (file,) = outcome.files
    assert far.files() == {"filmen å.mov": content()}
    assert (file.sha256, file.verified, file.state) == (sha256(content()).hexdigest(), True, "available")
    assert outcome.receipts == (f"https://files.example.org/r/{'R' * 43}",)
    assert far.methods() == ["POST", "PATCH", "GET"]
    assert (steps[0].what, steps[-1].what, steps[-1].offset) == (What.BEGUN, What.SENT, len(content()))


def test_every_file_of_a_run_comes_to_the_receipt_of_the_first(far, tmp_path):
    paths = [tmp_path / f"{number}.log" for number in range(7)]
    for number, path in enumerate(paths):
        path.write_bytes(content(100_000, number))
    outcome = quick(far, paths)
    assert [file.name for file in outcome.files] == [path.name for path in paths]
    assert all(file.verified for file in outcome.files)
    assert len(outcome.receipts) == 1
    told = [kept.metadata.get("receipt") for kept in far.uploads.values()]
    assert told == [None, *[outcome.receipts[0]] * 6]


def test_two_files_of_the_same_content_are_two_files(far, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same")
    outcome = quick(far, [tmp_path / "a", tmp_path / "b"])
    assert all(file.verified for file in outcome.files)
    assert len({file.id for file in outcome.files}) == 2


def test_an_empty_file_needs_no_body(far, tmp_path):
    (tmp_path / "empty").touch()
    (file,) = quick(far, [tmp_path / "empty"]).files
    assert file.verified
    assert far.methods() == ["POST", "GET"]


def test_a_line_that_breaks_again_and_again_costs_no_byte_that_was_kept(far, film):
    far.faults = [times(5, "PATCH", broken_after(400_000))]
    (file,) = quick(far, [film]).files
    assert file.verified
    assert far.received["filmen å.mov"] == len(content())


@pytest.mark.parametrize(
    ("method", "status", "name"),
    [
        ("POST", 503, "database-unavailable"),
        ("POST", 429, "rate"),
        ("POST", 423, "upload-locked"),
        ("PATCH", 409, "offset-conflict"),
        ("PATCH", 423, "upload-locked"),
        ("PATCH", 429, "rate"),
        ("PATCH", 408, "too-slow"),
        ("PATCH", 500, "internal"),
        ("PATCH", 507, "storage-full"),
        ("PATCH", 502, "of some proxy"),
    ],
)
def test_what_later_may_work_is_tried_again(far, film, method, status, name):
    far.faults = [times(2, method, lambda exchange: exchange.problem(status, name, "Not now."))]
    steps: list[Step] = []
    (file,) = quick(far, [film], progress=steps.append).files
    assert file.verified
    assert [step.what for step in steps].count(What.WAITING) == 2
    if method == "PATCH":
        assert far.methods().count("HEAD") == 2


def test_retry_after_is_heeded(far, film):
    far.faults = [times(1, "PATCH", lambda exchange: exchange.problem(503, "rate", "Later.", Retry_After="2"))]
    steps: list[Step] = []
    assert quick(far, [film], progress=steps.append).files[0].verified
    (wait,) = [step.seconds for step in steps if step.what is What.WAITING]
    assert 2 <= wait <= 2.5


def test_a_creation_that_is_tried_again_says_that_it_is_the_same(far, film):
    far.faults = [times(1, "POST", lambda exchange: exchange.cut())]
    assert quick(far, [film]).files[0].verified
    keys = [headers["idempotency-key"] for method, _, headers in far.seen if method == "POST"]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_no_progress_is_borne_only_so_long(far, film):
    far.faults = [lambda exchange: exchange.command == "PATCH" and exchange.cut()]
    (file,) = quick(far, [film], patience=2).files
    assert isinstance(file.error, Unavailable)
    assert "127.0.0.1" in file.error.detail
    assert "LLL" not in file.error.detail


def test_a_service_that_says_good_and_takes_nothing_is_not_asked_for_ever(far, film):
    def nothing(exchange: Exchange) -> bool:
        exchange.rfile.read(exchange.size)
        return exchange.answer(204, {"Upload-Offset": "0"})

    far.faults = [lambda exchange: exchange.command == "PATCH" and nothing(exchange)]
    (file,) = quick(far, [film], patience=2).files
    assert isinstance(file.error, Unavailable)


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [(413, "too-large", TooLarge), (413, "quota-exceeded", QuotaExceeded), (410, "gone", Gone), (418, "tea", Refused)],
)
def test_what_the_service_refuses_is_told_as_the_error_that_it_had(far, film, tmp_path, status, name, kind):
    (tmp_path / "small").write_bytes(b"x")

    def only_the_large(exchange: Exchange) -> bool:
        large = exchange.command == "POST" and exchange.headers["Upload-Length"] != "1"
        return large and exchange.problem(status, name, "No.")

    far.faults = [only_the_large]
    refused, taken = quick(far, [film, tmp_path / "small"]).files
    assert type(refused.error) is kind
    assert refused.error.detail in {"No.", "The service answered 418."}
    assert taken.verified


def test_a_refusal_amid_a_body_is_told(far, tmp_path):
    (tmp_path / "huge").write_bytes(bytes(32 * MIB))
    far.faults = [lambda exchange: exchange.command in {"PATCH", "HEAD"} and exchange.problem(410, "gone", "It ended.")]
    (file,) = quick(far, [tmp_path / "huge"]).files
    assert type(file.error) is Gone


def test_a_stopped_run_is_gone_on_with_and_nothing_is_sent_twice(far, film, tmp_path):
    (tmp_path / "first").write_bytes(b"first")
    state = tmp_path / "state"
    far.faults = [times(2, "PATCH", lambda x: x.kept.length > 10 and broken_after(2 * MIB)(x))]
    far.faults += [lambda x: x.command == "HEAD" and x.cut()]
    first = quick(far, [tmp_path / "first", film], patience=1, parallel=1, state_dir=state)
    assert [file.error is None for file in first.files] == [True, False]
    far.faults = []
    steps: list[Step] = []
    again = quick(far, [tmp_path / "first", film], parallel=1, state_dir=state, progress=steps.append)
    assert all(file.verified and file.resumed for file in again.files)
    assert [(step.what, step.offset) for step in steps][:2] == [(What.SENT, 5), (What.RESUMED, 2 * MIB)]
    assert far.received == {"first": 5, "filmen å.mov": len(content())}
    assert again.receipts == (f"https://files.example.org/r/{'R' * 43}",)
    assert list(state.iterdir()) == []


def test_what_is_left_for_the_next_run_names_neither_link_nor_file(far, film, tmp_path):
    far.faults = [lambda exchange: exchange.command == "PATCH" and exchange.cut()]
    quick(far, [film], patience=1, state_dir=tmp_path / "state")
    (entry,) = (tmp_path / "state").iterdir()
    assert entry.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    kept = entry.name + entry.read_text()
    assert "LLL" not in kept
    assert "film" not in kept


def test_a_file_that_was_changed_between_two_runs_is_sent_anew(far, film, tmp_path):
    far.faults = [times(1, "PATCH", broken_after(MIB)), lambda x: x.command == "HEAD" and x.cut()]
    quick(far, [film], patience=1, state_dir=tmp_path / "state")
    far.faults = []
    film.write_bytes(content(seed=2))
    (file,) = quick(far, [film], state_dir=tmp_path / "state").files
    assert (file.verified, file.resumed) == (True, False)
    assert content(seed=2) in [bytes(kept.content) for kept in far.uploads.values()]


def test_a_file_that_is_changed_on_the_way_is_an_error(far, film):
    def growing(step: Step) -> None:
        if step.what is What.SENDING and step.offset == 65536:
            os.utime(film, ns=(1, 1))

    (file,) = quick(far, [film], progress=growing).files
    assert isinstance(file.error, BadInput)
    assert "changed" in file.error.detail


def test_a_file_that_shrinks_on_the_way_is_an_error(far, film):
    def shrinking(step: Step) -> None:
        if step.what is What.BEGUN:
            os.truncate(film, 100)

    (file,) = quick(far, [film], progress=shrinking).files
    assert isinstance(file.error, BadInput)


def test_an_upload_that_the_service_let_go_of_is_begun_anew(far, film, tmp_path):
    far.faults = [times(1, "PATCH", broken_after(MIB)), lambda x: x.command == "HEAD" and x.cut()]
    quick(far, [film], patience=1, state_dir=tmp_path / "state")
    far.faults = []
    far.uploads = {"other": far.uploads.pop("up0")}
    far.uploads.clear()
    (file,) = quick(far, [film], state_dir=tmp_path / "state").files
    assert (file.verified, file.resumed) == (True, False)


@pytest.mark.parametrize("entry", [b"", b"{", b"[]", b'{"upload": 1}', b"\xff\xfe", b'{"mark": null}'])
def test_an_entry_that_makes_no_sense_is_none(far, film, tmp_path, entry):
    far.faults = [lambda exchange: exchange.command == "PATCH" and exchange.cut()]
    quick(far, [film], patience=1, state_dir=tmp_path / "state")
    (kept,) = (tmp_path / "state").iterdir()
    kept.write_bytes(entry)
    far.faults = []
    assert quick(far, [film], state_dir=tmp_path / "state").files[0].verified


def test_two_runs_do_not_send_the_same_file_at_once(far, film, tmp_path):
    inside: list[Exception] = []

    def meanwhile(step: Step) -> None:
        if step.what is What.BEGUN:
            with pytest.raises(StateConflict) as refused:
                quick(far, [film], state_dir=tmp_path / "state")
            inside.append(refused.value)

    assert quick(far, [film], state_dir=tmp_path / "state", progress=meanwhile).files[0].verified
    assert len(inside) == 1


class Trickle(io.RawIOBase):
    """A stream that gives a little at a time."""

    def __init__(self, content: bytes) -> None:
        self._left = memoryview(content)

    def readable(self) -> bool:
        return True

    def readinto(self, into) -> int:
        size = min(len(into), 50_001, len(self._left))
        into[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB])
def test_a_stream_is_sent_to_its_end(far, size):
    (file,) = quick(far, ["-"], stdin=Trickle(content(size)), stdin_name="dump.sql").files
    assert far.files() == {"dump.sql": content(size)}
    assert (file.size, file.verified) == (size, True)
    assert far.uploads["up0"].length == size


def test_a_broken_line_amid_a_stream_costs_no_byte_that_was_kept(far):
    far.faults = [times(6, "PATCH", broken_after(3 * MIB))]
    (file,) = quick(far, ["-"], stdin=Trickle(content(17 * MIB))).files
    assert far.files() == {"stdin": content(17 * MIB)}
    assert file.verified
    assert far.received["stdin"] == 17 * MIB


def test_the_end_of_a_stream_is_told_even_if_its_answer_was_lost(far):
    def silent(exchange: Exchange) -> bool:
        exchange.kept.length = int(exchange.headers["Upload-Length"])
        exchange.take(exchange.kept, exchange.size)
        return exchange.cut()

    far.faults = [times(1, "PATCH", silent)]
    assert quick(far, ["-"], stdin=Trickle(content(MIB))).files[0].verified
    assert far.methods().count("PATCH") == 1


def test_a_stream_that_fails_leaves_nothing_at_the_service(far):
    far.faults = [lambda exchange: exchange.command == "PATCH" and exchange.problem(413, "too-large", "Too much.")]
    (file,) = quick(far, ["-"], stdin=Trickle(content(MIB))).files
    assert type(file.error) is TooLarge
    assert far.uploads == {}


def test_another_digest_on_the_receipt_is_damage(far, film):
    far.lie = lambda digest: digest[::-1]
    (file,) = quick(far, [film]).files
    assert type(file.error) is Damaged
    assert not file.verified


def test_a_file_that_was_refused_after_it_was_sent_is_told(far, film):
    far.rows = list
    far.faults = [lambda exchange: exchange.command == "HEAD" and exchange.problem(410, "gone", "Gone.")]
    (file,) = quick(far, [film]).files
    assert "did not take it" in file.error.detail


def test_a_receipt_that_does_not_tell_in_time_is_no_error(far, film):
    far.rows = lambda: [{"id": "1", "name": "x", "size": 1, "sha256": None, "state": "receiving"}]
    (file,) = quick(far, [film], settling=1).files
    assert (file.error, file.verified, file.state) == (None, False, "receiving")


def test_a_receipt_out_of_reach_is_no_error(far, film):
    far.faults = [lambda exchange: "/r/" in exchange.path and exchange.problem(404, "not-found", "Nothing.")]
    (file,) = quick(far, [film]).files
    assert (file.error, file.verified) == (None, False)


def test_the_end_from_outside_leaves_the_run_to_be_gone_on_with(far, film, tmp_path):
    going = Event()

    def ending(step: Step) -> None:
        if step.what is What.SENDING and step.offset > MIB and not going.is_set():
            going.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(far, [film], state_dir=tmp_path / "state", progress=ending)
    assert len(list((tmp_path / "state").iterdir())) == 1
    (file,) = quick(far, [film], state_dir=tmp_path / "state").files
    assert (file.verified, file.resumed) == (True, True)


@pytest.mark.parametrize("path", ["there is none", "."])
def test_what_cannot_be_read_is_said_before_anything_is_sent(far, film, tmp_path, path):
    with pytest.raises(BadInput):
        quick(far, [film, tmp_path / path])
    assert far.seen == []


def test_a_file_named_twice_is_refused(far, film):
    with pytest.raises(BadInput):
        quick(far, [film, film])


@pytest.mark.parametrize(
    "link",
    ["", "x", "ftp://h/u/T", "https://h/", "https://h/d/T", "https:///u/T", "https://h/u/a b", "https://[/u/T"],
)
def test_what_is_no_link_is_refused(film, link):
    with pytest.raises(BadInput):
        send(link, [film])


@pytest.mark.parametrize("tail", ["", "/", "/put/", "/files", "?x=1#y"])
def test_a_link_is_known_with_what_people_leave_behind_it(far, film, tail):
    assert send(far.link + tail.rstrip("/"), [film]).files[0].verified


def test_a_passcode_goes_with_every_request_for_an_upload(far, film):
    far.faults = [times(1, "PATCH", broken_after(MIB))]
    quick(far, [film], passcode="öppna sesam")
    sent = [headers.get("bilaga-passcode") for method, _, headers in far.seen if method != "GET"]
    assert [value.encode("latin-1").decode() for value in sent] == ["öppna sesam"] * 4


def test_the_terms_of_a_link_can_be_asked_for(far):
    far.terms["passcode"] = True
    assert terms(far.link).passcode
    with pytest.raises(LinkUnknown):
        terms(f"{far.base}/u/other")
    far.faults = [lambda exchange: exchange.answer(200, body=["no", "terms"])]
    with pytest.raises(Unavailable):
        terms(far.link)
    far.faults = [lambda exchange: exchange.answer(308, {"Location": "https://h/"})]
    with pytest.raises(BadInput):
        terms(far.link)


def test_nobody_listening_is_an_error_with_a_name(far, film):
    link, _ = far.link, far.close()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 cannot be reached"):
        terms(link)
    (file,) = send(link, [film], patience=1).files
    assert isinstance(file.error, Unavailable)


def test_a_link_is_never_shown(far):
    from client import UploadLink

    assert "LLL" not in repr(UploadLink.parse(far.link))
