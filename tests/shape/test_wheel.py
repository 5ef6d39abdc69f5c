"""What is installed is whole: pages, templates, catalogues, static files and migrations are in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.shape import tree


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=tree.ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_every_file_of_the_floors_is_in_the_wheel(wheel):
    ours = {path.as_posix() for path in tree.files() if tree.top_of(path) in tree.FLOORS + tree.TOP}
    shipped = set(wheel.namelist())
    assert sorted(ours - shipped) == []


def test_the_wheel_holds_nothing_but_the_service(wheel):
    tops = {Path(name).parts[0].removesuffix(".py") for name in wheel.namelist()}
    assert {top for top in tops if not top.startswith("bilaga-")} <= {*tree.FLOORS, *tree.TOP}


def test_the_licence_goes_with_it(wheel):
    assert {Path(name).name for name in wheel.namelist() if "/licenses/" in name} == {"LICENSE", "NOTICE"}
