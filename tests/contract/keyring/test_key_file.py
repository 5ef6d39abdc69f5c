"""What the key file promises beyond the port: on the disk, beside another process, and in a crash."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto import Context, DataKey, GenerationState
from crypto.key_document import KeyDocument
from crypto.key_file import FileKeyRing
from domain.errors import KeysUnavailable, Misconfigured

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "key"


@pytest.fixture
def ring(path):
    return FileKeyRing.create(path, NOW)


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL)


def context(ring):
    return Context(ring.installation, "owner", "attachment")


class TestTheFile:
    def test_is_its_owners_alone_whatever_the_umask(self, path):
        before = os.umask(0)
        try:
            ring = FileKeyRing.create(path, NOW)
            assert path.stat().st_mode & 0o777 == 0o600
            ring.rotate(NOW)
            assert path.stat().st_mode & 0o777 == 0o600
        finally:
            os.umask(before)

    def test_stands_alone_in_its_folder(self, ring, path):
        ring.rotate(NOW)
        ring.destroy(1)
        ring.secret("session")
        assert os.listdir(path.parent) == ["key"]

    def test_is_never_made_over_another(self, ring, path):
        before = path.read_bytes()
        with pytest.raises(Misconfigured, match="exists already"):
            FileKeyRing.create(path, NOW)
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == ["key"]

    def test_cannot_be_made_where_there_is_no_folder(self, tmp_path):
        with pytest.raises(Misconfigured, match="cannot be made"):
            FileKeyRing.create(tmp_path / "nowhere" / "key", NOW)

    def test_holds_no_key_in_clear_but_the_master(self, ring, path):
        secret = ring.secret("session")
        ring.rotate(NOW)
        text = path.read_bytes()
        document = json.loads(text)
        master = base64.b64decode(document["master"])
        assert len(master) == 32
        opened = KeyDocument.parse(text)
        raw = [secret.reveal()]
        # The key-encryption keys themselves cannot be taken out again, so what is sealed must be longer than a key.
        assert all(len(base64.b64decode(row["sealed"])) == 32 + 29 for row in document["generations"])
        assert all(len(base64.b64decode(sealed)) == 32 + 29 for sealed in document["secrets"].values())
        for key in raw:
            for form in (key, key.hex().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key).rstrip(b"=")):
                assert form not in text
        assert base64.b64encode(opened.master.reveal()) in text

    def test_forgets_a_destroyed_generation_and_keeps_its_number(self, ring, path):
        sealed = json.loads(path.read_text())["generations"][0]["sealed"]
        ring.rotate(NOW)
        assert sealed in path.read_text()
        ring.destroy(1)
        assert sealed not in path.read_text()
        assert [row["state"] for row in json.loads(path.read_text())["generations"]] == ["destroyed", "active"]

    def test_is_overwritten_when_it_is_replaced(self, ring, path):
        with path.open("rb") as old:
            before = old.read()
            ring.rotate(NOW)
            old.seek(0)
            after = old.read()
        assert any(before)
        assert len(after) == len(before)
        assert not any(after)

    def test_keeps_what_it_holds_over_a_restart(self, ring, path):
        key = DataKey.generate()
        wrapped, secret = ring.wrap(key, context(ring)), ring.secret("session")
        ring.rotate(NOW)
        again = FileKeyRing(path)
        assert again.unwrap(wrapped, context(ring)) == key
        assert again.secret("session") == secret
        assert again.generations() == ring.generations()
        assert again.installation == ring.installation

    def test_may_be_reached_by_a_link(self, ring, path, tmp_path):
        (tmp_path / "link").symlink_to(path)
        FileKeyRing(tmp_path / "link").rotate(NOW)
        assert (tmp_path / "link").is_symlink()
        assert len(ring.generations()) == 2


class TestOpening:
    """A file that is not right stops the start with one line; it never makes a new key (S-37)."""

    def refused(self, path, match):
        with pytest.raises(Misconfigured, match=match) as caught:
            FileKeyRing(path)
        assert caught.value.field == "KEYS_URL"
        assert "\n" not in caught.value.detail
        assert str(path) in caught.value.detail

    def test_a_missing_file(self, path):
        self.refused(path, "is missing")
        assert not path.exists()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o777, 0o610])
    def test_a_file_that_others_have_rights_on(self, ring, path, mode):
        path.chmod(mode)
        self.refused(path, "0600")

    def test_a_folder(self, path):
        path.mkdir()
        self.refused(path, "cannot be")

    @pytest.mark.parametrize(
        "change,match",
        [
            (lambda found: {}, "missing or malformed"),
            (lambda found: [], "missing or malformed"),
            (lambda found: {**found, "format": 2}, "format is unknown"),
            (lambda found: {**found, "installation": "short"}, "missing or malformed"),
            (lambda found: {**found, "installation": "0" * 32}, "changed by hand"),
            (lambda found: {**found, "master": base64.b64encode(bytes(32)).decode()}, "changed by hand"),
            (lambda found: {**found, "master": "AAAA"}, "32 bytes"),
            (lambda found: {**found, "master": "!!"}, "missing or malformed"),
            (lambda found: {**found, "master": 5}, "missing or malformed"),
            (lambda found: {**found, "generations": []}, "do not fit"),
            (lambda found: {**found, "generations": found["generations"][1:]}, "do not fit"),
            (lambda found: {**found, "generations": found["generations"][::-1]}, "do not fit"),
            (lambda found: {**found, "generations": found["generations"][:1]}, "do not fit"),
            (lambda found: _row(found, 1, state="retired"), "do not fit"),
            (lambda found: _row(found, 0, state="active"), "do not fit"),
            (lambda found: _row(found, 0, state="destroyed"), "do not fit"),
            (lambda found: _row(found, 0, state="strange"), "GenerationState"),
            (lambda found: _row(found, 0, sealed=None), "do not fit"),
            (lambda found: _row(found, 0, sealed=found["generations"][1]["sealed"]), "changed by hand"),
            (lambda found: _row(found, 0, created_at="2026"), "instant"),
            (lambda found: _row(found, 0, number="1"), "missing or malformed"),
            (lambda found: {**found, "secrets": {"session": found["secrets"]["cursor"]}}, "changed by hand"),
            (lambda found: {**found, "secrets": {"Session!": found["secrets"]["cursor"]}}, "missing or malformed"),
            (lambda found: {**found, "secrets": []}, "missing or malformed"),
        ],
    )
    def test_a_file_changed_by_hand(self, ring, path, change, match):
        ring.rotate(NOW)
        ring.secret("cursor")
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
        self.refused(path, match)

    @pytest.mark.parametrize("content", [b"", b"\x00" * 500, b"nonsense", b"\xff\xfe", b"[" * 100_000])
    def test_a_file_that_is_not_json(self, path, content):
        path.write_bytes(content)
        path.chmod(0o600)
        self.refused(path, "JSON")

    def test_a_file_cut_anywhere(self, ring, path):
        whole = path.read_bytes()
        for length in range(len(whole) - 1):
            path.write_bytes(whole[:length])
            self.refused(path, "cannot be used")

    def test_the_error_shows_no_key(self, ring, path):
        found = json.loads(path.read_text())
        path.write_text(json.dumps({**found, "format": 9}))
        with pytest.raises(Misconfigured) as caught:
            FileKeyRing(path)
        assert found["master"][:10] not in repr(caught.value)
        assert found["master"][:10] not in repr(caught.value.__cause__)


def _row(found, index, **changes):
    rows = [dict(row) for row in found["generations"]]
    rows[index].update(changes)
    return {**found, "generations": rows}


class TestTwoRingsOnOneFile:
    def test_what_one_does_the_other_sees_at_its_next_use(self, ring, path):
        other, key = FileKeyRing(path), DataKey.generate()
        wrapped = ring.wrap(key, context(ring))
        other.rotate(NOW)
        assert ring.wrap(key, context(ring)).generation == 2
        assert ring.secret("session") == other.secret("session")
        ring.rotate(NOW)
        other.destroy(1)
        with pytest.raises(KeysUnavailable):
            ring.unwrap(wrapped, context(ring))
        assert ring.generations() == other.generations()

    def test_no_rotation_of_many_processes_is_lost(self, ring, path):
        code = (
            "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
            "from crypto.key_file import FileKeyRing\n"
            "ring = FileKeyRing(Path(sys.argv[1]))\n"
            "for number in range(10):\n"
            "    ring.rotate(datetime.now(UTC)); ring.secret(f'purpose-{number}')\n"
        )
        children = [subprocess.Popen([sys.executable, "-c", code, path]) for _ in range(3)]
        key, wrapped = DataKey.generate(), []
        while any(child.poll() is None for child in children):
            wrapped.append(ring.wrap(key, context(ring)))
        assert [child.returncode for child in children] == [0, 0, 0]
        found = ring.generations()
        assert [known.number for known in found] == list(range(1, 32))
        assert [known.state for known in found].count(GenerationState.ACTIVE) == 1
        assert all(ring.unwrap(one, context(ring)) == key for one in wrapped)
        assert len(json.loads(path.read_text())["secrets"]) == 10
        assert os.listdir(path.parent) == ["key"]


class TestWhileItRuns:
    """A file that goes wrong under a running service is an outage, and over as soon as the file is right again."""

    def unusable(self, ring):
        wrapped_before = DataKey.generate()
        for act in (
            lambda: ring.wrap(wrapped_before, context(ring)),
            ring.generations,
            lambda: ring.secret("session"),
            lambda: ring.rotate(NOW),
            lambda: ring.destroy(1),
            ring.ping,
        ):
            with pytest.raises(KeysUnavailable):
                act()

    def test_gone_and_back(self, ring, path):
        path.rename(path.with_name("away"))
        self.unusable(ring)
        path.with_name("away").rename(path)
        ring.ping()

    def test_malformed(self, ring, path):
        path.write_text("{}")
        self.unusable(ring)

    def test_opened_to_others_and_closed_again(self, ring, path):
        path.chmod(0o644)
        self.unusable(ring)
        path.chmod(0o600)
        ring.ping()

    def test_replaced_by_another_installations(self, ring, path, tmp_path):
        FileKeyRing.create(tmp_path / "other", NOW)
        (tmp_path / "other").rename(path)
        self.unusable(ring)

    def test_a_strange_purpose_is_the_callers_mistake(self, ring):
        for purpose in ("", "UPPER", "a b", "å", "x" * 65):
            with pytest.raises(ValueError, match="purpose"):
                ring.secret(purpose)


# What a change does to the disk, in order. A step is one call of the system.
STEPS = ["write", "fsync file", "rename", "fsync folder", "overwrite", "fsync file"]


class TestTheOrderOfAChange:
    def test_temp_file_fsync_rename_fsync_of_the_folder_and_only_then_the_old_one_is_wiped(self, ring, monkeypatch):
        steps: list[str] = []
        for name, step in _steps().items():
            monkeypatch.setattr(os, name, _recorded(getattr(os, name), step, steps))
        ring.rotate(NOW)
        assert steps == STEPS

    def test_a_new_file_is_linked_only_when_it_is_durable(self, path, monkeypatch):
        steps: list[str] = []
        for name, step in _steps().items():
            monkeypatch.setattr(os, name, _recorded(getattr(os, name), step, steps))
        FileKeyRing.create(path, NOW)
        assert steps == ["write", "fsync file", "link", "fsync folder"]

    @pytest.mark.parametrize("crash_at", range(len(STEPS) + 1))
    def test_a_process_that_dies_at_any_step_leaves_the_old_file_or_the_new_one(self, ring, path, crash_at):
        """In a real process, killed before its nth step: whatever is left opens, and the next change cleans up."""
        key = DataKey.generate()
        wrapped, secret = ring.wrap(key, context(ring)), ring.secret("session")
        ring.rotate(NOW)
        child = os.fork()
        if child == 0:
            _die_at(crash_at)
            FileKeyRing(path).destroy(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        survived = crash_at == len(STEPS)
        assert os.waitstatus_to_exitcode(status) == (0 if survived else 9)
        again = FileKeyRing(path)
        destroyed = crash_at > STEPS.index("rename")
        assert [known.state.value for known in again.generations()] == [
            "destroyed" if destroyed else "retired",
            "active",
        ]
        assert again.secret("session") == secret
        if destroyed:
            with pytest.raises(KeysUnavailable):
                again.unwrap(wrapped, context(again))
        else:
            assert again.unwrap(wrapped, context(again)) == key
        again.rotate(NOW)
        assert os.listdir(path.parent) == ["key"]

    @pytest.mark.parametrize("name", ["write", "fsync", "rename"])
    def test_a_disk_that_fails_changes_nothing(self, ring, path, monkeypatch, name):
        before = path.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, name, _failing)
            with pytest.raises(KeysUnavailable):
                ring.rotate(NOW)
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == ["key"]
        ring.rotate(NOW)

    def test_a_folder_that_cannot_be_synced_is_never_trusted_again(self, ring, path, monkeypatch):
        real = os.fsync

        def fsync(descriptor):
            return _failing() if Path(f"/proc/self/fd/{descriptor}").resolve() == path.parent else real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            with pytest.raises(KeysUnavailable):
                ring.rotate(NOW)
        with pytest.raises(KeysUnavailable):
            ring.ping()
        FileKeyRing(path).ping()  # a start is a new judgement


def _steps():
    return {"write": "write", "fsync": "fsync", "rename": "rename", "link": "link", "pwrite": "overwrite"}


def _named(step, arguments):
    if step != "fsync":
        return step
    return "fsync folder" if os.path.isdir(f"/proc/self/fd/{arguments[0]}") else "fsync file"


def _recorded(real, step, steps):
    def call(*arguments, **named):
        steps.append(_named(step, arguments))
        return real(*arguments, **named)

    return call


def _die_at(count):
    left = [count]

    def dying(real):
        def call(*arguments, **named):
            if left[0] == 0:
                os._exit(9)
            left[0] -= 1
            return real(*arguments, **named)

        return call

    for name in _steps():
        setattr(os, name, dying(getattr(os, name)))


def _failing(*_):
    raise OSError(5, "a disk that fails")
