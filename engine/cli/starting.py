"""Commands at both ends: a config to begin with, and the report of what came of it."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import HERE, Config, Json, Now, Out, app
from engine.cli.session import session


@app.command()
def report(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    lang: Annotated[str | None, typer.Option("--lang", help="en or fr; default: the client's.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this day; default: thirty days ago.")] = None,
    out: Out = None,
) -> None:
    """Tell a client what came of it: to the screen, or to FILE.md or FILE.html."""
    with session("report", config, now, json=json) as it:
        from engine.look.reporting import report as make
        from engine.show.reporting import check_form, written

        check_form(out)
        it.show(written(make(it.client, since=since, lang=lang), out))
