"""Each module can be imported first, and importing it does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.shape import tree

# One interpreter loads the packages of others once, then forks for each of our modules: as good as a fresh start for
# our own code, at a hundredth of the time. A child answers with what went wrong.
SCRIPT = """
import contextlib, importlib, json, os, sys, threading, warnings
outside, inside = json.load(sys.stdin)
for name in outside:
    with contextlib.suppress(ImportError):  # some are there for the type checker alone; a missing one shows below
        importlib.import_module(name)
warnings.simplefilter("error")
for name in inside:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        wrong = ""
        try:
            importlib.import_module(name)
            if threading.active_count() > 1:
                wrong = "started a thread"
        except BaseException as error:
            wrong = f"{type(error).__name__}: {error}"
        os.write(writer, wrong.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        wrong = answer.read().decode()
    if os.waitpid(child, 0)[1] != 0:
        wrong = "ended by itself"
    if wrong:
        print(json.dumps([name, wrong]))
"""


def broken(outside: list[str], inside: list[str], folder=tree.ROOT) -> dict[str, str]:
    """The modules that can't be imported first, and why."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=False,
        input=json.dumps([outside, inside]),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_each_module_can_be_imported_first():
    own = {*tree.FLOORS, *tree.TOP}
    outside = sorted({name for path in tree.code() for _, name in tree.imports(path) if name.split(".")[0] not in own})
    # Migrations are imported by alembic alone, whose context is there only while they run.
    inside = sorted(name for name in tree.modules() if "migrations" not in name)
    assert broken(outside, inside) == {}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()", "thread"),
    ],
)
def test_a_module_that_breaks_or_works_at_import_is_noticed(tmp_path, source, why):
    (tmp_path / "wrong.py").write_text(source)
    assert why in broken([], ["wrong"], tmp_path)["wrong"]
