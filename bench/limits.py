"""What the machine allows at the most: openssl's own AES-256-GCM and SHA-256, one thread, and what both cost a GiB."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

GIB = 1 << 30
SECONDS = "1"


@dataclass(frozen=True)
class Limits:
    """Bytes a second on one core."""

    aes: float
    sha: float

    @property
    def both(self) -> float:
        """Processor seconds a GiB of hashing once and sealing."""
        return GIB / self.aes + GIB / self.sha

    def __str__(self) -> str:
        return (
            f"openssl speed, one core: AES-256-GCM {self.aes / 1e6:.0f} MB/s, SHA-256 {self.sha / 1e6:.0f} MB/s; "
            f"both over a GiB {self.both:.2f} CPU s"
        )


def measure() -> Limits:
    """The best of two goes of each, on segments of 1 MiB."""
    return Limits(max(_speed("-evp", "aes-256-gcm") for _ in range(2)), max(_speed("-evp", "sha256") for _ in range(2)))


def _speed(*what: str) -> float:
    command = ["openssl", "speed", "-mr", "-seconds", SECONDS, "-bytes", str(1 << 20), *what]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^\+F:\d+:[^:]+:([\d.]+)$", said, re.MULTILINE)
    if found is None:
        raise SystemExit(f"openssl speed says what we do not know: {said}")
    return float(found[1])
