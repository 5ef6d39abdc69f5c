"""What a person sees of a sending, on stderr: bars on a terminal, a few plain lines anywhere else."""

from __future__ import annotations

import sys
from typing import Protocol

import click

from client import Step, What


class Display(Protocol):
    """Shows steps. ``step`` is called by one thread at a time."""

    def step(self, step: Step) -> None:
        """One file got further, or not."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


def shown(*, quiet: bool) -> Display:
    """The display that fits where stderr goes."""
    if quiet:
        return Silence()
    return Bars() if sys.stderr.isatty() else Lines()


def plain(name: str) -> str:
    """A file's name without what a terminal would take for an order."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name)


class Silence:
    """Shows nothing."""

    def step(self, step: Step) -> None:
        pass

    def close(self) -> None:
        pass


class Lines:
    """A line for what matters, and for every tenth of a file."""

    def __init__(self) -> None:
        self._tenths: dict[int, int] = {}

    def step(self, step: Step) -> None:
        line = _words(step)
        if step.what is What.SENDING:
            tenth = 10 * step.offset // step.length if step.length else step.offset // (256 << 20)
            before = self._tenths.setdefault(step.index, 0)
            if tenth <= before or step.offset == step.length:
                return
            self._tenths[step.index] = tenth
            line = f"{10 * tenth} %" if step.length else f"{step.offset >> 20} MiB"
        click.echo(f"{plain(step.name)}: {line}", err=True)

    def close(self) -> None:
        pass


class Bars:
    """A bar for each file: how far, how fast, how long still."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
        )
        self._tasks: dict[int, int] = {}
        self._progress.start()

    def step(self, step: Step) -> None:
        from rich.progress import TaskID

        if step.index not in self._tasks:
            total = step.length
            self._tasks[step.index] = self._progress.add_task(_short(plain(step.name)), total=total, note="")
        note = "" if step.what is What.SENDING else _words(step)
        task = TaskID(self._tasks[step.index])
        self._progress.update(task, completed=step.offset, note=note)
        if step.what is What.RESUMED:
            self._progress.reset(task, completed=step.offset)  # what an earlier run sent is no speed of this one
        if step.length is not None:
            self._progress.update(task, total=step.length)

    def close(self) -> None:
        self._progress.stop()


def _words(step: Step) -> str:
    match step.what:
        case What.BEGUN:
            return "begun"
        case What.RESUMED:
            share = 100 * step.offset // step.length if step.length else 0
            return f"goes on from {share} %"
        case What.WAITING:
            return f"{step.detail} Again in {step.seconds:.0f} s"
        case What.SENT:
            return f"sent {step.detail}".rstrip()
        case What.FAILED:
            return "not sent"
        case What.SENDING:
            return ""


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:24]}…{name[-15:]}"
