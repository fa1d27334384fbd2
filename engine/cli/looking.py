"""Commands that only read."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import (
    HERE,
    Config,
    Folder,
    Json,
    Now,
    Out,
    app,
    connectors_app,
)
from engine.cli.session import session


@app.command()
def check(config: Config = HERE, now: Now = None, json: Json = False) -> None:
    """Check config, data and credentials; change nothing."""
    with session("check", config, now, json=json) as it:
        from engine import look

        it.show(look.check(it.client))


@app.command()
def segments(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    sql: Annotated[bool, typer.Option("--sql", help="The SQL that computes them.")] = False,
    backend: Annotated[str | None, typer.Option("--backend", help="The SQL in another engine's words.")] = None,
) -> None:
    """Show every segment: matched, reachable, held out, blocked."""
    with session("segments", config, now, json=json, calls=False) as it:
        from engine import look

        it.show(look.statement(it.client, backend) if sql or backend else look.segments(it.client))


@app.command()
def members(
    segment: str,
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    reachable: Annotated[
        bool, typer.Option("--reachable", help="Only those who may be contacted, with their address.")
    ] = False,
    format: Annotated[str, typer.Option("--format", help="csv, jsonl or parquet.")] = "csv",  # noqa: A002 - the option's name
    out: Out = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="How many at most.")] = None,
) -> None:
    """Print the members of a segment, before any consent."""
    with session("members", config, now, json=json, calls=False) as it:
        from engine import look

        it.show(look.members(it.client, segment, reachable=reachable, file_format=format, out=out, limit=limit))


@app.command()
def traits(
    customers: Annotated[list[str] | None, typer.Argument(metavar="[CUSTOMER]...")] = None,
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
) -> None:
    """Show trait values, as the language sees them."""
    with session("traits", config, now, json=json, calls=False) as it:
        from engine import look

        it.show(look.traits(it.client, customers or []))


@app.command()
def explain(
    segment: str,
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    customer: Annotated[str | None, typer.Option("--customer", help="Why this customer is in or out.")] = None,
    sql: Annotated[bool, typer.Option("--sql", help="The SQL that computes it.")] = False,
) -> None:
    """Say a segment in words, and why someone is in or out."""
    with session("explain", config, now, json=json, calls=False) as it:
        from engine import look

        it.show(look.explain(it.client, segment, customer, with_sql=sql))


@app.command()
def status(config: Config = HERE, now: Now = None, json: Json = False) -> None:
    """Show what happened, and where each destination stands."""
    with session("status", config, now, json=json, calls=False) as it:
        from engine import look

        it.show(look.status(it.client))


@app.command()
def rejected(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    destination: Annotated[str | None, typer.Option("--destination", help="Only what this one refused.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Only what was refused for this.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="How many to list; default: 20.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Send them once more with the next push.")] = False,
) -> None:
    """Show the changes that a destination refused, and what to do."""
    with session("rejected", config, now, json=json, calls=False) as it:
        from engine import look, run

        chosen = {"destination": destination, "reason": reason}
        it.show(run.retry(it.client, **chosen) if retry else look.rejected(it.client, **chosen, limit=limit))


@connectors_app.callback()
def connectors(context: typer.Context, config: Config = HERE, now: Now = None, json: Json = False) -> None:
    """List the connectors and what each can do."""
    if context.invoked_subcommand is None:
        with session("connectors", config, now, json=json) as it:
            from engine import look

            it.show(look.connectors())


@connectors_app.command("new")
def connectors_new(name: str, out: Folder = None, json: Json = False) -> None:
    """Write a connector to begin with; its tests say what to write next."""
    with session("connectors new", HERE, None, json=json) as it:
        from engine.scaffold import scaffold

        it.show(scaffold(name, out))
