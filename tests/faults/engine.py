"""An engine of a test's own, which may be killed and frozen as it likes: by the scripts in ``services/``."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[2] / "services"


class Engine:
    """``with Engine("ceph", CEPH_OSDS="3") as ceph``: started, ``said`` is where it is; gone at the end."""

    def __init__(self, script: str, **settings: str) -> None:
        self._script = str(SERVICES / f"{script}.sh")
        # Its folder is the script's own choice: PostgreSQL's account may not come into every one of ours.
        self._environment = {**os.environ, f"{script.upper()}_PORT": str(free_span()), **settings}
        self.said: dict[str, str] = {}

    def __enter__(self) -> Engine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run("stop")

    def start(self) -> None:
        """Start it, or what of it was crashed."""
        lines = self.run("start").splitlines()
        self.said = dict(line.split("=", 1) for line in lines)

    def run(self, *arguments: str) -> str:
        """One command of its script; what it printed."""
        done = subprocess.run(
            [self._script, *arguments], env=self._environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, f"{self._script} {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done.stdout


def free_span() -> int:
    """The first of so many ports of the loopback that nobody listens on just now."""
    while True:
        first = random.randrange(20_000, 30_000)
        try:
            for port in (first, first + 1, first + 20, first + 21):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
