"""Discount codes: shown, exported, confirmed."""

from __future__ import annotations

from pathlib import Path

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


@codes_app.callback()
def codes(context: typer.Context, config: Config = HERE, now: Now = None, json: Json = False) -> None:
    """Show codes by offer and state."""
    if context.invoked_subcommand is None:
        with session("codes", config, now, json=json) as it:
            from engine import look

            it.show(look.codes(it.client))


@codes_app.command("export")
def codes_export(config: Config = HERE, now: Now = None, json: Json = False, out: Out = None) -> None:
    """Write the codes that the shop does not know yet to a file."""
    with session("codes export", config, now, json=json) as it:
        from engine import run

        it.show(run.export_codes(it.client, out))


@codes_app.command("confirm")
def codes_confirm(file: Path, config: Config = HERE, now: Now = None, json: Json = False) -> None:
    """Say that the shop redeems the codes of this file."""
    with session("codes confirm", config, now, json=json) as it:
        from engine import run

        it.show(run.confirm_codes(it.client, file))
