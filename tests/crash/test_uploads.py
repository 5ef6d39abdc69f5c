"""Crash table U1 to U4: the service is killed in the midst of receiving, and started again."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from tests.crash.vault import Answer, Lost, Vault, form

SAID = " then ".join
KEY = '"one-upload"'
SMALL, LARGE = b"a few bytes, as text\n" * 20, random.Random(7).randbytes(2_500_000)


@pytest.fixture
def kept(vault: Vault) -> dict[str, bytes]:
    """A file that was acknowledged before anything went wrong, on ticket T-1."""
    vault.start()
    vault.ticket("T-1")
    files = {vault.send("T-1", "before.txt", b"acknowledged"): b"acknowledged"}
    vault.stop()
    return files


def lose(vault: Vault, *way: str, name: str = "f.bin", body: bytes = LARGE, key: str = KEY) -> None:
    """Send a file to a service that dies on its way."""
    vault.start(*way)
    with pytest.raises(Lost):
        vault.put("T-1", name, body, Idempotency_Key=key)
    vault.dies()


def assert_nothing_came(vault: Vault, kept: dict[str, bytes]) -> None:
    """After a start: no object, no room taken, no file but those that were acknowledged, and it can be sent again."""
    vault.start()
    vault.assert_holds("T-1", kept)
    vault.settle(blobs=len(kept))
    again = vault.put("T-1", "f.bin", LARGE, Idempotency_Key=KEY)
    assert again.status == 201
    vault.assert_holds("T-1", {**kept, again.json["id"]: LARGE})
    vault.stop()
    vault.assert_sound()


@pytest.mark.parametrize(
    "way",
    [
        ("claimed",),
        ("claimed", "before open_new"),
        ("after open_new",),
        ("after write",),
        ("after write", "after write"),
    ],
    ids=SAID,
)
def test_u1_an_upload_that_was_being_written_leaves_nothing(vault, kept, way):
    lose(vault, *way)
    assert_nothing_came(vault, kept)


def test_u1_a_body_that_was_still_coming_leaves_nothing(vault, kept):
    vault.start("after write", "after write")

    def body():
        for at in range(0, len(LARGE), 65536):
            yield LARGE[at : at + 65536]

    with pytest.raises(Lost):
        vault.put("T-1", "f.bin", body(), Idempotency_Key=KEY)
    vault.dies()
    assert [path.suffix for path in vault.blobs()].count(".part") == 1
    assert_nothing_came(vault, kept)


@pytest.mark.parametrize(
    "way", [("after sync",), ("after sync", "before close"), ("before rename_new",)], ids=" then ".join
)
def test_u2_a_blob_that_was_durable_and_not_yet_named_is_as_one_half_written(vault, kept, way):
    lose(vault, *way)
    assert [path.suffix for path in vault.blobs()].count(".part") == 1
    assert_nothing_came(vault, kept)


@pytest.mark.parametrize(
    "way", [("after rename_new",), ("after rename_new", "after sync_folder"), ("sealed",)], ids=" then ".join
)
def test_u3_a_blob_whose_row_never_came_is_swept(vault, kept, way):
    lose(vault, *way)
    assert len(vault.blobs()) == len(kept) + 1
    assert_nothing_came(vault, kept)


def test_u3_of_a_form_with_two_files_either_both_come_or_none(vault, kept):
    vault.start("sealed", "sealed")
    body, headers = form({"one.txt": SMALL, "two.bin": LARGE})
    with pytest.raises(Lost):
        vault.ask("POST", "/tickets/T-1/attachments", body, **headers)
    vault.dies()
    assert len(vault.blobs()) == len(kept) + 2
    assert_nothing_came(vault, kept)


def test_u4_what_was_committed_is_kept_and_the_same_request_is_given_the_first_answer(vault, kept):
    lose(vault, "finished")
    vault.start()
    (new,) = set(vault.listed("T-1")) - set(kept)
    again = vault.put("T-1", "f.bin", LARGE, Idempotency_Key=KEY)
    assert (again.status, again.json["id"]) == (201, new)
    assert vault.put("T-1", "f.bin", SMALL, Idempotency_Key=KEY).status == 422
    vault.assert_holds("T-1", {**kept, new: LARGE})
    vault.stop()
    vault.assert_sound()


def test_u4_a_form_by_a_link_is_kept_whole_and_its_receipt_is_the_first_one(vault, kept):
    vault.start()
    path = vault.upload_link("T-1", max_files=2)
    vault.stop()
    body, headers = form({"one.txt": SMALL, "two.bin": LARGE})
    vault.start("finished")
    with pytest.raises(Lost):
        vault.bare("POST", path, body, **headers, Idempotency_Key=KEY)
    vault.dies()
    vault.start()
    new = sorted(set(vault.listed("T-1")) - set(kept))
    # The link is full by these very files: the repeated request is no new one.
    answers = [_sent(vault.bare("POST", path, body, **headers, Idempotency_Key=KEY)) for _ in range(2)]
    assert answers[0] == answers[1]
    assert sorted(one["id"] for one in answers[0]["attachments"]) == new
    receipt = vault.bare("GET", "/r/" + answers[0]["receipt_url"].rpartition("/r/")[2], Accept="application/json")
    assert receipt.status == 200
    vault.assert_holds("T-1", {**kept, **dict(zip(new, (SMALL, LARGE), strict=True))})
    vault.stop()
    vault.assert_sound()


def _sent(answer: Answer):
    assert answer.status == 201, answer
    return answer.json


@pytest.mark.parametrize("run", range(4))
def test_u4_a_commit_that_was_cut_through_is_whole_or_has_not_happened(vault, kept, run):
    vault.start("sealed", "change records.sqlite-wal")
    answers = []
    with contextlib.suppress(Lost):  # death may come as late as behind the answer
        answers.append(vault.put("T-1", "f.bin", LARGE, Idempotency_Key=f'"{run}"'))
    vault.dies()
    vault.start()
    first = set(vault.listed("T-1")) - set(kept)
    answers.append(vault.put("T-1", "f.bin", LARGE, Idempotency_Key=f'"{run}"'))
    (new,) = {_sent(answer)["id"] for answer in answers}
    assert first == {new} if len(answers) == 2 else first <= {new}
    vault.assert_holds("T-1", {**kept, new: LARGE})
    vault.settle(blobs=len(kept) + 1)
    vault.stop()
    vault.assert_sound()


@pytest.mark.parametrize("way", [("abandoned",), ("abandoned", "before unlink"), ("after unlink",)], ids=SAID)
def test_s3_a_refused_upload_whose_clearing_away_was_cut_off_leaves_nothing(vault, kept, way):
    vault.start()
    path = vault.upload_link("T-1", max_bytes=1_000_000)
    vault.stop()
    vault.start(*way)

    def body():  # without a length, so that the limit is met on the way
        yield LARGE

    with pytest.raises(Lost):
        vault.bare("PUT", f"{path}/put/f.bin", body())
    vault.dies()
    vault.start()
    terms = vault.bare("GET", path, Accept="application/json").json
    assert terms["bytes_left"] == 1_000_000
    vault.stop()
    assert_nothing_came(vault, kept)


@pytest.mark.parametrize(
    "way", [("ended",), ("ended", "before unlink"), ("opened", "change records.sqlite-wal")], ids=" then ".join
)
def test_u1_a_recovery_that_is_killed_is_done_by_the_next(vault, kept, way):
    lose(vault, "sealed")
    child = vault.spawn("serve", *way)
    assert child.wait() == -9, child.said()
    assert_nothing_came(vault, kept)


def test_u1_a_site_that_was_killed_at_every_moment_of_its_first_start_starts(nest, tmp_path):
    for number, way in enumerate(
        [("os.link",), ("os.link", "open"), ("change bilaga.key",), ("change records.sqlite*",), ("change blobs",)]
    ):
        folder: Path = tmp_path / str(number)
        folder.mkdir()
        vault = Vault(folder, nest, made=False)
        vault.data.mkdir(mode=0o700)
        assert vault.spawn("serve", *way).wait() == -9
        vault.start()
        vault.stop()
        vault.assert_sound()
