"""A move killed at each of its steps and at random moments, between the embedded engines and the big ones, both ways.

What must hold: run again it ends; every file is there byte by byte, every link as good as before; never can both sites
be served; nothing of the source was changed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.event import EventKind
from tests.big_engines import big_engines
from tests.crash.vault import ROOT, Nest, Vault
from tests.moving import settings_file

SIZES = (0, 1, 70_000, 3 << 20)
ONE_LINE = "This site was moved to "


@dataclass
class Place:
    """Where a site is or will be: settings by name."""

    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        return {f"BILAGA_{name.upper()}": value for name, value in self.settings.items()}

    def file(self, path: Path) -> Path:
        return settings_file(path, **self.settings)


def embedded(folder: Path) -> Place:
    """Everything in a folder, whatever the run is about."""
    return Place(
        {
            "data_dir": str(folder),
            "database_url": f"sqlite:{folder}/records.sqlite",
            "storage_url": f"file:{folder}/blobs",
            "keys_url": f"file:{folder}/bilaga.key",
            "space_reserve": "0",
        }
    )


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """Makes a place of a kind."""
    with ExitStack() as stack:

        def make(kind: str) -> Place:
            folder = tmp_path / f"{kind}-{random.randbytes(4).hex()}"
            if kind == "embedded":
                return embedded(folder)
            return Place({"data_dir": str(folder), "space_reserve": "0", **stack.enter_context(big_engines())})

        yield make


def vault_at(place: Place, folder: Path, nest: Nest) -> Vault:
    folder.mkdir()
    return Vault(folder, nest, made=False, **place.environment)


class Moving:
    """A site with files and links, used over HTTP, and then moved."""

    def __init__(self, here: Place, there: Place, folder: Path, nest: Nest) -> None:
        self.there_file = there.file(folder / "there.toml")
        self.here, self.there = here, there
        self.old = vault_at(here, folder / "old", nest)
        self.new = vault_at(there, folder / "new", nest)
        self.old.bilaga("db", "upgrade")
        self.old.agent, self.old.admin = self.old.key("agent"), self.old.key("admin")
        self.old.start()
        self.old.ticket("T-1")
        self.files = {}
        for n, size in enumerate(SIZES):
            body = random.randbytes(size)
            self.files[self.old.send("T-1", f"fil-{n}.bin", body)] = body
        self.link = self.old.download_link(max(self.files, key=lambda one: len(self.files[one])), max_downloads=1)
        self.old.ticket("T-2")
        self.erased = self.old.send("T-2", "bort.txt", b"bort")
        assert self.old.ask("DELETE", f"/attachments/{self.erased}", key=self.old.admin).status in {200, 204}
        self.old.stop()

    def command(self, *argv: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **self.here.environment, "PYTHONPATH": str(ROOT), "BILAGA_LOG_LEVEL": "warning"}
        return subprocess.Popen(
            [sys.executable, *argv],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def killed(self, step: str, at: int) -> None:
        """A move that dies after a step."""
        mover = self.command(str(Path(__file__).with_name("mover.py")), step, str(at), str(self.there_file))
        said, _ = mover.communicate(timeout=120)
        assert mover.returncode == -signal.SIGKILL, said

    def bilaga(self) -> subprocess.Popen[str]:
        """The command itself."""
        return self.command("-c", "from cli import main; main()", "move", "--to", str(self.there_file))

    def finish(self) -> None:
        """Run it again, to its end."""
        again = self.bilaga()
        said, _ = again.communicate(timeout=300)
        assert again.returncode == 0, said
        assert "moved" in said

    def assert_moved(self) -> None:
        """The old site is closed, the new one is the old one."""
        said = self.old.bilaga("serve", "--port", "0", code=2)
        assert ONE_LINE in said
        assert len(said.splitlines()) == 1
        self.new.agent, self.new.admin = self.old.agent, self.old.admin
        self.new.start()
        self.new.assert_holds("T-1", self.files)
        self.new.assert_gone(self.erased)
        assert self.new.bare("POST", self.link).status == 303
        self.new.send("T-1", "ny.txt", b"ny")
        self.new.stop()
        self.new.assert_sound()
        assert len(self.new.events(EventKind.SITE_MOVED)) == 1

    def close(self) -> None:
        self.old.close()
        self.new.close()


@pytest.fixture
def moving(places, tmp_path: Path, nest: Nest) -> Iterator[Callable[[str, str], Moving]]:
    """Makes a site to be moved from a kind of place to another."""
    made: list[Moving] = []

    def make(here: str, there: str) -> Moving:
        made.append(Moving(places(here), places(there), tmp_path, nest))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    ("step", "at"),
    [
        ("begun", 1),
        ("keys", 1),
        ("rows", 1),
        ("rows", 6),
        ("blob", 1),
        ("blob", 4),
        ("blobs", 1),
        ("compared", 1),
    ],
)
def test_m1_a_move_that_is_killed_before_the_source_says_so_leaves_the_site_where_it_was(moving, step, at):
    move = moving("embedded", "embedded")
    move.killed(step, at)
    said = move.new.bilaga("serve", "--port", "0", code=2)
    assert "not finished" in said
    move.old.start()  # nothing happened to it: it may be used, and moved another day
    move.old.assert_holds("T-1", move.files)
    late = move.old.send("T-1", "senare.txt", b"senare")
    move.files[late] = b"senare"
    move.old.stop()
    move.finish()
    move.assert_moved()


def test_m2_a_move_that_is_killed_between_the_two_last_words_leaves_a_site_that_nobody_can_serve_until_it_is_run_again(
    moving,
):
    move = moving("embedded", "embedded")
    move.killed("left", 1)
    assert ONE_LINE in move.old.bilaga("serve", "--port", "0", code=2)
    assert "not finished" in move.new.bilaga("serve", "--port", "0", code=2)
    move.finish()
    move.assert_moved()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("here", "there"), [("embedded", "big"), ("big", "embedded"), ("big", "big")])
def test_m3_it_is_killed_on_the_big_engines_too(moving, here, there):
    move = moving(here, there)
    for step, at in [("blob", 2), ("left", 1)]:
        move.killed(step, at)
    move.finish()
    move.assert_moved()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("here", "there"), [("embedded", "embedded"), ("embedded", "big")])
def test_m4_it_may_be_killed_at_any_moment_and_any_number_of_times(moving, here, there):
    move = moving(here, there)
    kills = 0
    for _ in range(6):
        process = move.bilaga()
        time.sleep(random.uniform(0.6, 2.5))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            break
    else:
        move.finish()
    print(f"killed {kills} times")
    move.assert_moved()
