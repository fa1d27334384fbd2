"""The screen: one console, 80 columns where nobody says otherwise; progress and errors go to stderr."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from engine.errors import DefinitionError
from engine.show.blocks import BOUND

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType

    from engine.errors import EngineError

__all__ = ["WIDTH", "bars", "command", "console", "error", "heading", "progress", "table", "warn", "working"]

WIDTH = 80
_ROOM = 5  # of a line of a command: its indent, a blank, and the backslash
_KEPT = re.compile(rf"{BOUND.pattern}|[\u00a0\u202f]|--[a-z-]+ (?=[^\s-])")  # a flag keeps its value
_HOLDS = {
    " ": "\ue000",
    "\u00a0": "\ue001",
    "\u202f": "\ue002",
}  # rich breaks lines at every blank, and at none of these
_HELD = str.maketrans(_HOLDS)
_LET_GO = str.maketrans({hold: blank for blank, hold in _HOLDS.items()})


class _Screen(Console):
    """A console that breaks no line where French keeps two things together, nor within a number."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        shown = renderable
        if isinstance(shown, Text | str) and _KEPT.search(str(shown)):
            shown = shown.copy() if isinstance(shown, Text) else Text(shown)
            shown.plain = _KEPT.sub(lambda found: found[0].translate(_HELD), shown.plain)
        for text, style, control in super().render(shown, options):
            yield Segment(text.translate(_LET_GO), style, control)


def console(*, stderr: bool = False) -> Console:
    """A console that is as wide as the terminal, at most 100, and 80 where there is none."""
    made = _Screen(stderr=stderr, highlight=False, soft_wrap=False)
    made.width = min(made.width, 100) if made.is_terminal else WIDTH
    return made


def error(problem: EngineError) -> None:
    """An error as people read it: where, what, and what to do; to stderr."""
    screen = console(stderr=True)
    mistakes = problem.mistakes if isinstance(problem, DefinitionError) else ()
    if mistakes:
        for mistake in mistakes:
            screen.print(Text(mistake), end="\n\n", soft_wrap=True)  # a caret stands under its word
        return
    place = f"{problem.place}: " if problem.place else ""
    _tell(screen, Text(place, style="bold") + Text(str(problem), style="red"))
    if problem.hint:
        _tell(screen, Text(f"  hint: {problem.hint}"))


def warn(said: Iterable[str]) -> None:
    """What did not stop the command, and will stop others; to stderr."""
    screen = console(stderr=True)
    for one in said:
        _tell(screen, Text(f"! {one}", style="yellow"))


def _tell(screen: Console, text: Text) -> None:
    """One line for programs; between words for people."""
    screen.print(text, soft_wrap=not screen.is_terminal)


def heading(text: str) -> Text:
    """A line above a table."""
    return Text(text, style="bold")


def command(text: str) -> Group:
    """What to type, as it can be copied: a long one goes on behind a backslash, and no word of it is broken.

    Printed with `crop=False`: a path may be longer than a line.
    """
    lines = [""]
    for part in re.split(r" (?=--)", text):
        if lines[-1] and len(lines[-1]) + len(part) + _ROOM > WIDTH:
            lines[-1] += " \\"
            lines.append(f"  {part}")
        else:
            lines[-1] += f" {part}" if lines[-1] else part
    shown = [Text(f"  {line}", no_wrap=True, overflow="ignore") for line in lines]
    return Group(*shown)  # rich forgets what a text that stands alone says of its wrapping


def table(columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]]) -> Table:
    """A table without a frame: each column has a title and says whether it holds numbers."""
    is_titled = any(title for title, _ in columns)
    made = Table(box=None, pad_edge=False, show_header=is_titled, header_style="dim", padding=(0, 2, 0, 0))
    for title, is_number in columns:
        made.add_column(title, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def bars(rows: Sequence[tuple[str, int, str]], width: int = 20) -> Table:
    """Rows of (label, number, number as text) with a bar each, the longest `width` wide."""
    most = max((number for _, number, _ in rows), default=0) or 1
    made = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    made.add_column(overflow="fold")
    made.add_column(justify="right", no_wrap=True)
    made.add_column(no_wrap=True, style="cyan")
    for label, number, text in rows:
        made.add_row(label, text, "█" * max(1 if number else 0, round(width * number / most)))
    return made


class Progress:
    """Steps of one task: on a terminal a bar, elsewhere nothing but the end."""

    def __init__(self, screen: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bars

        columns = (SpinnerColumn(), TextColumn("{task.description:<20}"), BarColumn(24), MofNCompleteColumn())
        self.bars = Bars(*columns, console=screen, transient=True, disable=not screen.is_terminal)
        self._tasks: dict[str, object] = {"": self.bars.add_task("…", total=None)}

    def __call__(self, destination: str, done: int, total: int) -> None:
        """Say how far a destination is."""
        if destination not in self._tasks:
            self._tasks[destination] = self.bars.add_task(destination, total=total)
        self.bars.update(self._tasks[destination], completed=done, total=total)  # type: ignore[arg-type]  # rich's own id


@contextmanager
def working() -> Iterator[None]:
    """A sign of life on a terminal's stderr, for what takes more than a moment."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status("…"):
        yield


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress on stderr while the body runs."""
    shown = Progress(console(stderr=True))
    with shown.bars:
        yield shown
