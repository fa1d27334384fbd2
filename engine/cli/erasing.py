"""What is held of one person: shown, and erased."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import (
    HERE,
    Config,
    Json,
    Now,
    Out,
    app,
)
from engine.cli.session import session


@app.command()
def erase(
    email: str,
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only show what would be erased.")] = False,
) -> None:
    """Erase a person here and at every destination, for good."""
    with session("erase", config, now, json=json) as it:
        from engine import run

        it.show(run.erase(it.client, email, yes=yes))


@app.command()
def person(
    who: Annotated[str, typer.Argument(metavar="CUSTOMER|EMAIL")],
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    out: Out = None,
) -> None:
    """Show all that is held of one person. And how their consent came about."""
    with session("person", config, now, json=json, calls=False) as it:
        from engine import look

        it.show(look.person(it.client, who, out))
