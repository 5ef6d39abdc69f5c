from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import Misconfigured, SiteLocked
from storage.records.lock import SiteLock

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, pathlib
from storage.records.lock import SiteLock
with SiteLock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def a_holder(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_second_owner_of_the_same_folder_is_refused_until_the_first_lets_go(tmp_path):
    with SiteLock(tmp_path):
        with pytest.raises(SiteLocked):
            SiteLock(tmp_path)
        with SiteLock(tmp_path / "another"):
            pass
    with SiteLock(tmp_path):
        pass


def test_another_process_is_refused_and_a_killed_one_leaves_nothing_to_clear(tmp_path):
    with a_holder(tmp_path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SiteLocked):
            SiteLock(tmp_path)
        holder.kill()
        holder.wait()
    SiteLock(tmp_path).release()


def test_the_folder_is_made_and_the_file_is_for_the_owner_alone(tmp_path):
    folder = tmp_path / "a" / "b"
    with SiteLock(folder):
        (file,) = folder.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert file.read_text() == f"{os.getpid()}\n"


def test_letting_go_twice_is_nothing(tmp_path):
    lock = SiteLock(tmp_path)
    lock.release()
    lock.release()


def test_a_folder_that_cannot_be_is_a_wrong_setting(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured) as raised:
        SiteLock(tmp_path / "file")
    assert raised.value.field == "data_dir"
    assert not isinstance(raised.value, SiteLocked)
