"""``bilaga send`` as a process: what stands on stdout and stderr, what it exits with, what a signal leaves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest

from tests.unit.client.far_side import RECEIPT, Exchange, FarSide

BILAGA = str(Path(sys.executable).with_name("bilaga"))
CONTENT = random.Random(7).randbytes((4 << 20) + 3)
SECONDS = 60


class Shell:
    """Starts commands as somebody with a home of their own would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state" / "bilaga" / "send"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("BILAGA_") and not name.lower().endswith("_proxy")
        } | {"XDG_STATE_HOME": str(folder / "state"), "TERM": "xterm", "COLUMNS": "120"}

    def start(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            # A shell that starts this run in the background lets SIGINT be ignored, and that is handed down.
            ["env", "--default-signal=INT", *before, BILAGA, "send", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, code: int = 0, text: str = "", before: tuple[str, ...] = ()) -> tuple[str, str]:
        process = self.start(*arguments, before=before)
        said, told = process.communicate(text, SECONDS)
        assert process.returncode == code, (said, told)
        assert "Traceback" not in told
        return said, told


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "film.mov").write_bytes(CONTENT)
    (tmp_path / "small.log").write_bytes(b"small")
    return Shell(tmp_path)


class Held:
    """A fault: an append is kept up to so many bytes, and then nothing is heard."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.reached = Event()
        self.released = Event()

    def __call__(self, exchange: Exchange) -> bool:
        if exchange.command != "PATCH" or self.released.is_set():
            return False
        exchange.take(exchange.kept, self._size)
        self.reached.set()
        self.released.wait(SECONDS)
        return exchange.cut()


def test_the_receipt_stands_alone_on_stdout(far: FarSide, shell: Shell):
    said, told = shell("film.mov", "small.log", far.link)
    assert said == f"https://files.example.org/r/{RECEIPT}\n"
    assert "film.mov: 50 %\n" in told
    assert "small.log: sent\n" in told
    assert shell("--quiet", "small.log", far.link)[1] == ""


def test_a_machine_is_told_everything(far, shell):
    said, _ = shell("--json", "film.mov", far.link)
    assert json.loads(said) == {
        "receipts": [f"https://files.example.org/r/{RECEIPT}"],
        "files": [
            {
                "name": "film.mov",
                "size": len(CONTENT),
                "id": "a-up0",
                "sha256": sha256(CONTENT).hexdigest(),
                "verified": True,
                "state": "available",
                "resumed": False,
                "receipt_url": f"https://files.example.org/r/{RECEIPT}",
                "error": None,
            }
        ],
    }


def test_a_stream_has_the_name_that_it_was_given(far, shell):
    shell("-", "--name", "dump.sql", far.link, text="select 1;\n")
    assert far.files() == {"dump.sql": b"select 1;\n"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_ended_run_is_gone_on_with_by_the_same_command(far, shell, how):
    held = Held(2 << 20)
    far.faults = [held]
    process = shell.start("film.mov", far.link)
    assert held.reached.wait(SECONDS)
    process.send_signal(how)
    _, told = process.communicate(timeout=SECONDS)
    if how == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert "run the same command again" in told
    held.released.set()
    _, told = shell("film.mov", far.link)
    assert "film.mov: goes on from" in told
    assert far.files() == {"film.mov": CONTENT}
    assert far.received["film.mov"] == len(CONTENT)
    assert list(shell.state.iterdir()) == []


def test_what_was_refused_is_said_and_the_rest_is_sent(far, shell):
    far.faults = [
        lambda x: x.command == "POST" and x.headers["Upload-Length"] != "5" and x.problem(413, "too-large", "Too big.")
    ]
    said, told = shell("film.mov", "small.log", far.link, code=1)
    assert said == f"https://files.example.org/r/{RECEIPT}\n"
    assert "bilaga: film.mov: Too big.\n" in told
    assert "sent twice" in told
    assert far.files() == {"small.log": b"small"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["film.mov", "https://files.example.org/d/x"], 2, "no upload link"),
        (["there is none", "LINK"], 2, "cannot be read"),
        ([".", "LINK"], 2, "is no file"),
        (["film.mov", "film.mov", "LINK"], 2, "named twice"),
        (["film.mov", "LINKx"], 1, "This link is not known."),
        (["film.mov"], 2, "Missing argument"),
    ],
)
def test_wrong_use_is_said_in_a_line(far, shell, arguments, code, words):
    said, told = shell(*[one.replace("LINK", far.link) for one in arguments], code=code)
    assert said == ""
    assert words in told


def test_a_service_that_is_away_is_for_later(far, shell):
    far.close()
    _, told = shell("film.mov", far.link, code=75)
    assert told == "bilaga: 127.0.0.1 cannot be reached.\n"


def test_another_digest_on_the_receipt_has_an_exit_code_of_its_own(far, shell):
    far.lie = lambda digest: digest[::-1]
    _, told = shell("film.mov", far.link, code=5)
    assert "another SHA-256" in told


def test_a_passcode_comes_from_a_file(far, shell):
    far.terms["passcode"] = True
    (shell.folder / "code").write_text("öppna sesam\n")
    shell("--passcode-file", "code", "small.log", far.link)
    assert {headers.get("bilaga-passcode") for method, _, headers in far.seen if method != "GET"} == {
        "öppna sesam".encode().decode("latin-1")
    }
    _, told = shell("small.log", far.link, code=2)
    assert "--passcode-file" in told


def test_a_passcode_and_a_file_do_not_share_stdin(far, shell):
    _, told = shell("--passcode-file", "-", "-", far.link, code=2, text="secret")
    assert "stdin" in told


ON_A_TERMINAL = (sys.executable, "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)")


def test_a_terminal_shows_bars_and_asks_for_the_passcode(far, shell):
    far.terms["passcode"] = True
    process = shell.start("film.mov", far.link, before=ON_A_TERMINAL)
    said = ""
    while "Passcode:" not in said:  # what is typed before it is thrown away
        said += process.stdout.read(1)
    said += process.communicate("sesam öppna\n", SECONDS)[0]
    assert process.returncode == 0
    assert "sesam" not in said
    assert "4.0/4.0 MiB" in said
    assert f"https://files.example.org/r/{RECEIPT}" in said
    assert far.seen[1][2]["bilaga-passcode"] == "sesam öppna".encode().decode("latin-1")


def test_a_name_gives_no_orders_to_the_terminal(far, shell):
    name = "[red]\x1b[2J\nx.log"
    (shell.folder / name).write_bytes(b"x")
    _, told = shell(name, far.link)
    assert "\x1b" not in told
    assert "[red]\ufffd[2J\ufffdx.log: sent" in told
    said, _ = shell(name, far.link, before=ON_A_TERMINAL)
    assert "\x1b[2J" not in said
    assert "[red]" in said


def test_a_folder_that_cannot_be_written_is_said(far, shell):
    (shell.folder / "state").write_text("no folder")
    _, told = shell("film.mov", far.link, code=2)
    assert "cannot be used" in told
