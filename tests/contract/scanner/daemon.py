"""A real clamd for the length of a test run, started by the project's own script; without clamd the tests fail."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "services" / "clamd.sh"
STREAM_MAX = 8 << 20


@dataclass(frozen=True)
class Daemon:
    folder: Path
    port: int

    @property
    def unix(self) -> str:
        return f"unix:{self.folder}/clamd.sock"

    @property
    def tcp(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return int((self.folder / "clamd.pid").read_text())

    def run(self, word: str) -> None:
        terms = {"DATA": str(self.folder), "CLAMD_PORT": str(self.port), "STREAM_MAX": str(STREAM_MAX)}
        done = subprocess.run(
            ["bash", SCRIPT, word],
            env={**os.environ, **terms},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def clamd() -> Iterator[Daemon]:
    """One that is started now, of settings as the script makes them."""
    # Not pytest's own folder: clamd runs as another account, which may not enter that.
    folder = Path(tempfile.mkdtemp(prefix="bilaga-clamd-"))
    folder.chmod(0o755)
    daemon = Daemon(folder, free_port())
    try:
        daemon.run("start")
        yield daemon
    finally:
        daemon.run("stop")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def clamd_with(like: Daemon, replace: dict[str, str]) -> Iterator[Daemon]:
    """One with the settings and signatures of ``like``, but for these lines."""
    folder = Path(tempfile.mkdtemp(prefix="bilaga-clamd-"))
    folder.chmod(0o777)
    (folder / "no-signatures").mkdir(mode=0o755)
    text = (like.folder / "clamd.conf").read_text()
    daemon = Daemon(folder, free_port())
    for old, new in {
        f"LocalSocket {like.folder}": f"LocalSocket {folder}",
        f"TCPSocket {like.port}": f"TCPSocket {daemon.port}",
        **replace,
    }.items():
        assert old in text
        text = text.replace(old, new.replace("FOLDER", str(folder)))
    (folder / "clamd.conf").write_text(text)
    with subprocess.Popen(
        ["clamd", f"--config-file={folder}/clamd.conf"],
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until_answering(daemon, process)
            yield daemon
        finally:
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def until_answering(daemon: Daemon, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "clamd ended by itself"
        try:
            with socket.create_connection(("127.0.0.1", daemon.port), 1) as connection:
                connection.sendall(b"zPING\0")
                if connection.recv(16) == b"PONG\0":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("clamd is not ready")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def kill(daemon: Daemon) -> None:
    stat = Path(f"/proc/{daemon.pid}/stat")
    os.kill(daemon.pid, signal.SIGKILL)
    while stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        time.sleep(0.01)
