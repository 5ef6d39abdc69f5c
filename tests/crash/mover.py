"""A move that kills itself with SIGKILL after the n-th of a step: ``mover.py STEP N FILE``, the source as the
environment has it."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

from move import move_site
from settings import load


def main() -> None:
    """Move, and die on the way."""
    wanted, at, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    seen: Counter[str] = Counter()

    def steps(step: str) -> None:
        seen[step] += 1
        if step == wanted and seen[step] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    move_site(load(os.environ), load({}, file), steps=steps)
    sys.exit(f"came to its end: {dict(seen)}")


if __name__ == "__main__":
    main()
