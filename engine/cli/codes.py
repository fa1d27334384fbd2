"""Discount codes: shown, exported, confirmed, and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import (
    HERE,
    Config,
    Json,
    Now,
    Out,
    codes_app,
)
from engine.cli.session import session

_SHOWN = 50  # people who are listed on a screen


@codes_app.callback()
def codes(context: typer.Context, config: Config = HERE, now: Now = None, json: Json = False) -> None:
    """Show codes by offer and state."""
    if context.invoked_subcommand is None:
        with session("codes", config, now, json=json, calls=False) as it:
            from engine import look

            it.show(look.codes(it.client))


@codes_app.command("refused")
def codes_refused(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    offer: Annotated[str | None, typer.Option("--offer", help="Of this offer only.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="This customer, offer by offer.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, help="At most so many; default: 50, with --json all.")
    ] = None,
) -> None:
    """Say who gets no code of an offer now, and why."""
    with session("codes refused", config, now, json=json, calls=False) as it:
        from engine import look

        most = limit if limit is not None or json else _SHOWN
        it.show(look.refused_codes(it.client, offer=offer, customer=customer, limit=most))


@codes_app.command("export")
def codes_export(config: Config = HERE, now: Now = None, json: Json = False, out: Out = None) -> None:
    """Write the codes that the shop does not know yet to a file."""
    with session("codes export", config, now, json=json, calls=False) as it:
        from engine import run

        it.show(run.export_codes(it.client, out))


@codes_app.command("confirm")
def codes_confirm(file: Path, config: Config = HERE, now: Now = None, json: Json = False) -> None:
    """Say that the shop redeems the codes of this file."""
    with session("codes confirm", config, now, json=json, calls=False) as it:
        from engine import run

        it.show(run.confirm_codes(it.client, file))
