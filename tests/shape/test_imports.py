"""Each module can be imported first, and importing it does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.shape import tree

# One interpreter loads the packages of others once, then forks for each of our modules: as good as a fresh start for
# our own code, at a hundredth of the time. Whoever imports a module imports its folder's face first, so what a face has
# brought in needs no start of its own. A child answers with what went wrong, and with what it brought in.
SCRIPT = """
import contextlib, importlib, json, os, sys, threading, warnings
outside, inside = json.load(sys.stdin)
for name in outside:
    with contextlib.suppress(ImportError):  # some are there for the type checker alone; a missing one shows below
        importlib.import_module(name)
warnings.simplefilter("error")
seen = set()
for name in inside:
    if name in seen:
        continue
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
        with open(writer, "w") as answer:
            json.dump([wrong, list(sys.modules)], answer)
        os._exit(0)
    os.close(writer)
    with open(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    wrong, brought = json.loads(text) if text else ["ended by itself", []]
    if wrong:
        print(json.dumps([name, wrong]))
    # A face speaks for what it brings in; a broken one for its whole folder.
    seen.update(other for other in inside if other.startswith(name + ".") and (wrong or other in brought))
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
