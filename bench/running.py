"""A service of its own for a bench: started in a temporary folder, watched, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

MIB = 1 << 20
TICKET = "BENCH-1"


class Running:
    """``with Running() as service``: its address, an upload link, an agent's key, and its memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(dir=folder)
        self._environment = {
            **os.environ,
            "BILAGA_DATA_DIR": str(Path(self._temporary.name) / "site"),
            "BILAGA_LOG_LEVEL": "warning",
            "BILAGA_RATES__LINK": "0",
            "BILAGA_RATES__ADDRESS": "0",
        }
        self._peak = 0
        self._stop = threading.Event()

    def __enter__(self) -> Running:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from cli import main; main()", "serve", "--port", "0"],
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        lines = iter(self._process.stdout or ())
        self.address = next(line.split()[-1] for line in lines if line.startswith("listening on "))
        self.bilaga("ticket", "put", TICKET)
        self.upload_link = self.bilaga("link", "upload", TICKET)
        self.key = self.bilaga("apikey", "create", "--role", "agent", "--name", "bench")
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        time.sleep(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._watcher.join()
        self._process.terminate()
        self._process.wait(60)
        self._temporary.cleanup()

    def bilaga(self, *arguments: str) -> str:
        """One command beside the service; what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", "from cli import main; main()", *arguments],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def memory(self) -> int:
        """Resident bytes now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) << 10

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Begin to look for the highest memory anew."""
        self._peak = 0

    @property
    def peak(self) -> int:
        """The highest resident memory seen since ``forget_peak``, looked at 50 times a second."""
        return self._peak

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            try:
                self._peak = max(self._peak, self.memory())
            except (OSError, StopIteration):
                return
