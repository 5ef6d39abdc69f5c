"""``python -m bench [NAME …]``: what the service takes and gives on this machine, for comparing within one run."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench import big, compare, due, latency, nodes, purging, regression, s3, tus, uploads

BENCHES: dict[str, Callable[[], None]] = {
    "compare": compare.run,
    "regression": regression.run,
    "big": big.run,
    "latency": latency.run,
    "uploads": uploads.run,
    "tus": tus.run,
    "nodes": nodes.run,
    "purging": purging.run,
    "due": due.run,
    "s3": s3.run,
}
# nodes, purging and s3 need ``services/engines.sh around``.


def main() -> None:
    """Run the named benches; where none is named, the comparison with others."""
    wanted = sys.argv[1:] or ["compare"]
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        sys.exit(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in wanted:
        print(f"== {name}")
        BENCHES[name]()


main()
