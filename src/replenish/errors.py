"""Errors a person is meant to read: what is wrong, where, how many, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ReplenishError(Exception):
    """Base of every error that `replenish` raises on purpose; `exit_code` is the command line's answer."""

    exit_code = 5


class ConfigError(ReplenishError):
    """A setting, option or argument is unknown, has the wrong type or is out of range."""

    exit_code = 2


class DataError(ReplenishError):
    """Input tables cannot be used; `faults` lists every fault found, not only the first."""

    exit_code = 3

    def __init__(self, faults: str | Sequence[str], advice: str = "Correct the source and run again.") -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        self.advice = advice
        super().__init__("\n".join([*self.faults, advice]))

    def __reduce__(self) -> tuple[type[DataError], tuple[tuple[str, ...], str]]:
        return (type(self), (self.faults, self.advice))


class ForecastError(ReplenishError):
    """No forecast can be made for what was asked (for example no history at all before the day)."""

    exit_code = 3


class InfeasiblePlanError(ReplenishError):
    """No plan satisfies all rules; `rules` names the rules that collide.

    `relaxations`: single changes that would do, best first, each a mapping of rule, change (in the planner's words) and
    profit [money] (NaN: not found in time).
    """

    exit_code = 4

    def __init__(self, message: str, rules: Sequence[str] = (), relaxations: Sequence[Mapping[str, Any]] = ()) -> None:
        self.message = message
        self.rules = tuple(rules)
        self.relaxations = tuple(relaxations)
        super().__init__(message)

    def __reduce__(self) -> tuple[type[InfeasiblePlanError], tuple[Any, ...]]:
        return (type(self), (self.message, self.rules, self.relaxations))


class SolverError(ReplenishError):
    """The solver stopped without a usable answer (crash, time-out without incumbent, failed check)."""

    exit_code = 5


class StorageError(ReplenishError):
    """The database of runs or an output file cannot be read or written (locked, unreachable, disk full, damaged)."""

    exit_code = 5
