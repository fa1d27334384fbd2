"""Commands at both ends: a config to begin with, and the report of what came of it."""

from __future__ import annotations

from pathlib import Path
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
    """Tell a client what came of it. To the screen, or to FILE.md or FILE.html."""
    with session("report", config, now, json=json, calls=False) as it:
        from engine.look.reporting import report as make
        from engine.show.reporting import check_form, written

        check_form(out)
        it.show(written(make(it.client, since=since, lang=lang), out))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where ciblage.toml is written.")] = Path(),
    json: Json = False,
    client: Annotated[str | None, typer.Option("--client", help="Its name; default: the folder's.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="The folder of the shop's files; default: data.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="A database instead; its password as ${NAME}.")] = None,
    connector: Annotated[str | None, typer.Option("--connector", help="The email platform.")] = None,
    destination: Annotated[str, typer.Option("--destination", help="What to call it.")] = "newsletter",
    options: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE: a key of the destination.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="What marketers read: en or fr.")] = "en",
    timezone: Annotated[str | None, typer.Option("--timezone", help="For example Europe/Paris.")] = None,
    currency: Annotated[str, typer.Option("--currency", help="Rows in another one are set aside.")] = "EUR",
) -> None:
    """Write a config to begin with. On a terminal it asks for what is not said."""
    with session("init", HERE, None, json=json) as it:
        from engine.starter import Wishes, begin

        wishes = Wishes(
            client=client, data=data, url=url, connector=connector, destination=destination, options=options or (),
            lang=lang, timezone=timezone, currency=currency,
        )  # fmt: skip
        it.show(begin(folder, wishes, it.asking()))
