"""Error → exit code: the one table of what a command ends with."""

from __future__ import annotations

from collections.abc import Mapping

from domain import errors

WRONG_USE = 2
NOT_PURGED = 3
BROKEN_LOG = 4
FINDINGS = 5
UNAVAILABLE = 75
"""``EX_TEMPFAIL`` of sysexits.h: the same command may work later."""

EXITS: Mapping[type[errors.BilagaError], int] = {
    errors.BadInput: WRONG_USE,
    errors.Misconfigured: WRONG_USE,
    errors.BrakeApplied: NOT_PURGED,
    errors.ChainBroken: BROKEN_LOG,
    errors.Refused: 1,
    errors.Damaged: FINDINGS,
    errors.Unavailable: UNAVAILABLE,
}


def exit_code(error: errors.BilagaError) -> int:
    """The code of an error, by the nearest row in its class's ancestry."""
    return next(EXITS[kind] for kind in type(error).__mro__ if kind in EXITS)
