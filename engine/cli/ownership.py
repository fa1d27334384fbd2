"""What happened, and what is ours at a destination: history, undo, drift, adopt."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import (
    HERE,
    Config,
    Force,
    Json,
    Minutes,
    Now,
    Out,
    app,
)
from engine.cli.session import session
from engine.errors import ConfigError


@app.command()
def history(
    run: Annotated[int | None, typer.Argument(metavar="[RUN]", help="One run in detail.")] = None,
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many runs.")] = 20,
) -> None:
    """Show what happened: the latest runs, or one in detail."""
    with session("history", config, now, json=json, calls=False) as it:
        from engine import upkeep

        it.show(upkeep.history(it.client, run, limit=limit))


@app.command()
def undo(
    run: int,
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    out: Out = None,
    yes: Annotated[bool, typer.Option("--yes", help="Carry it; otherwise only show it.")] = False,
    max_minutes: Minutes = None,
    force: Force = None,
) -> None:
    """Take back what a run added; tell what cannot be taken back."""
    with session("undo", config, now, json=json) as it:
        from engine import upkeep
        from engine.results import Options

        if yes:
            with it.moving(force, None, max_minutes, yes=True) as options:
                told = upkeep.undo(it.client, run, options, out=out)
        else:
            it.check_flags(force, None)
            told = upkeep.undo(it.client, run, Options(force=force or ()), out=out)
        it.show(told)


@app.command()
def drift(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    repair: Annotated[bool, typer.Option("--repair", help="Plan what puts right what is still wanted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Carry the repair.")] = False,
    values: Annotated[bool, typer.Option("--values/--no-values", help="Read the values of every contact too.")] = True,
    out: Out = None,
    max_minutes: Minutes = None,
    force: Force = None,
) -> None:
    """Show what others changed at the destinations."""
    with session("drift", config, now, json=json) as it:
        from engine import upkeep

        if not repair and (yes or out is not None or force):
            raise ConfigError("--yes, --out and --force are of a repair", place="drift", hint="add --repair")
        with it.moving(force, None, max_minutes, yes=yes) as options:
            told = upkeep.drift(it.client, options, repair=repair, values=values, out=out)
        it.show(told)


@app.command()
def adopt(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="DESTINATION/SEGMENT.")],
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    yes: Annotated[bool, typer.Option("--yes", help="Take it over; otherwise only show what that means.")] = False,
) -> None:
    """Take over a list that somebody else made."""
    with session("adopt", config, now, json=json) as it:
        from engine import upkeep

        it.show(upkeep.adopt(it.client, target, yes=yes))
