"""Dependencies: declared, explained, locked with hashes, of licences we may use, and the lock is what is installed."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.shape import tree

PROJECT = tree.PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
RUN, BUILD, DEV = PROJECT["dependencies"], EXTRAS["build"], EXTRAS["dev"]
LOCKS = {"run": [*RUN, *BUILD], "dev": [*RUN, *BUILD, *DEV]}
REFUSED = re.compile(
    r"(?<![LM])A?GPL|(?<!Lesser )General Public License(?! v2 \(LGPL)|SSPL|Commons Clause|BUSL", re.IGNORECASE
)
LESSER = "GNU Lesser General Public License v3 (LGPLv3)"
WEAK = re.compile(r"LGPL|Lesser General|MPL|Mozilla|EPL|Eclipse|CDDL", re.IGNORECASE)


def pins(lock: str) -> dict[str, Version]:
    """What a lock installs here: package → version; rows for other systems are left out."""
    found: dict[str, Version] = {}
    for line in tree.text(Path(f"requirements/{lock}.txt")).splitlines():
        if line and not line.startswith((" ", "#")):
            row = Requirement(line.rstrip("\\ "))
            if row.marker is None or row.marker.evaluate():
                (pin,) = row.specifier
                assert pin.operator == "=="
                found[canonicalize_name(row.name)] = Version(pin.version)
    return found


def wanted(declared: list[str]) -> set[str]:
    """Everything that is needed, directly or not, by what the installed packages say of themselves."""
    seen: set[tuple[str, str]] = set()
    queue = [Requirement(row) for row in declared]
    while queue:
        row = queue.pop()
        for extra in ["", *sorted(row.extras)]:
            if (key := (canonicalize_name(row.name), extra)) in seen:
                continue
            seen.add(key)
            for text in metadata.requires(row.name) or []:
                needs = Requirement(text)
                if needs.marker is None or needs.marker.evaluate({"extra": extra}):
                    queue.append(needs)
    return {name for name, _ in seen}


def licence(package: str) -> str:
    """What a package says of its licence: the expression, else the classifiers, else the first words of the text."""
    about = metadata.metadata(package)
    classified = [row.split(" :: ")[-1] for row in about.get_all("Classifier") or [] if row.startswith("License ::")]
    expression, text = (about.get_all(field) or [""] for field in ("License-Expression", "License"))
    return expression[0] or "; ".join(classified) or text[0][:80]


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_answers_what_pyproject_asks_for_and_nothing_else(lock):
    locked = pins(lock)
    for row in map(Requirement, LOCKS[lock]):
        assert row.specifier.contains(locked[canonicalize_name(row.name)]), f"{row}: run make lock"
    assert set(locked) == wanted(LOCKS[lock]), "run make lock"


def test_both_locks_hold_the_same_versions():
    run, dev = pins("run"), pins("dev")
    assert {name: version for name, version in run.items() if dev.get(name) != version} == {}


def test_what_is_installed_is_what_is_locked():
    locked = pins("dev")
    assert {name: metadata.version(name) for name in locked if Version(metadata.version(name)) != locked[name]} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes_and_no_address(lock):
    text = tree.text(Path(f"requirements/{lock}.txt"))
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert re.fullmatch(r"[a-z0-9.-]+==\S+( ; [^\\]+)? \\(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+", block), block


@pytest.mark.parametrize("row", [*RUN, *BUILD, *DEV])
def test_every_dependency_is_bounded_on_both_sides(row):
    requirement = Requirement(row)
    operators = {spec.operator for spec in requirement.specifier}
    calendar = requirement.name in ("tzdata", "packaging")  # versions that promise nothing, or never break
    assert operators == ({">="} if calendar else {">=", "<"})


def test_the_page_on_dependencies_names_each_one_and_no_other():
    page = tree.text(Path("docs/dependencies.md"))
    named = re.findall(r"^\| ([\w-]+) \|", page, re.MULTILINE)
    declared = {canonicalize_name(Requirement(row).name) for row in [*RUN, *BUILD, *DEV]}
    assert sorted(set(named) - {"package", "---"}) == sorted(declared)


@pytest.mark.parametrize("package", pins("run"))
def test_no_package_at_run_time_binds_us_to_its_licence(package):
    said = licence(package)
    assert said, "no licence found"
    assert not REFUSED.search(said), said
    if WEAK.search(said):
        assert package in tree.text(Path("NOTICE")), f"{package} ({said}) has no line in NOTICE"


@pytest.mark.parametrize("said", ["AGPL-3.0-only", "GPL-3.0-or-later", "GNU General Public License v3 (GPLv3)"])
def test_licences_that_bind_us_are_noticed(said):
    assert REFUSED.search(said)


@pytest.mark.parametrize("said", ["MIT", "Apache-2.0 AND MIT", "BSD License", "LGPL-3.0-only", "MPL-2.0", LESSER])
def test_licences_that_do_not_are_left_alone(said):
    assert not REFUSED.search(said)
