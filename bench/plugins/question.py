"""A question, and whoever answers it: what is measured, in which figures, and how good they are to be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.rows.row import Figure


@dataclass(frozen=True)
class Place:
    """Where everything runs and lies."""

    server_core: int
    """Of the server, and of whatever reads in its place."""
    load_core: int
    plugin_core: int
    plugins: Path
    """The folder in which the Go plugin is installed."""
    provisioning: Path
    """The folder that says which data sources there are."""


@dataclass(frozen=True)
class Measured:
    """One look."""

    figures: dict[str, float]
    faults: list[str] = field(default_factory=list)
    held_back: str = ""
    """What else than what is measured set the pace."""


@dataclass(frozen=True)
class Goal:
    """How good a figure of ours is to be."""

    figure: str
    value: float
    against: str = ""
    """A ratio to whom; without it, the figure itself."""


@dataclass(frozen=True)
class Question:
    """One thing that is measured."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    contenders: Mapping[str, Callable[[Place], Measured]]
    goal: Goal | None = None
