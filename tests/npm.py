"""From npm by its lock: what the pages' scripts are built from and looked at with. Tests alone need it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
UI = ROOT / "web/ui"


def installed(folder: Path) -> Path:
    """A copy of the sources in ``folder``, with the packages of their lock."""
    copy = folder / "ui"
    shutil.copytree(UI, copy, ignore=shutil.ignore_patterns("node_modules"))
    run(copy, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
    return copy


def run(folder: Path, *command: str) -> str:
    """A command's output; fails with all that it said."""
    program = shutil.which(command[0])
    assert program, f"{command[0]} is not there: services/packages.sh test brings it"
    done = subprocess.run([program, *command[1:]], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
