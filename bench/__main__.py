"""``python -m bench [NAME …]``: what the service takes and gives on this machine, for comparing within one run."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench import big, latency, uploads

BENCHES: dict[str, Callable[[], None]] = {"big": big.run, "latency": latency.run, "uploads": uploads.run}


def main() -> None:
    """Run the named benches, all of them where none is named."""
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        sys.exit(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in wanted:
        print(f"== {name}")
        BENCHES[name]()


main()
