"""``python -m bench [NAME …]``: what the service takes and gives on this machine, for comparing within one run."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench import big, latency, nodes, purging, s3, uploads

BENCHES: dict[str, Callable[[], None]] = {
    "big": big.run,
    "latency": latency.run,
    "uploads": uploads.run,
    "nodes": nodes.run,
    "purging": purging.run,
    "s3": s3.run,
}
ON_ENGINES = {"nodes", "purging", "s3"}
"""Those that need ``services/engines.sh around``."""


def main() -> None:
    """Run the named benches; where none is named, all that need no engines."""
    wanted = sys.argv[1:] or [name for name in BENCHES if name not in ON_ENGINES]
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        sys.exit(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in wanted:
        print(f"== {name}")
        BENCHES[name]()


main()
