"""The application, and the options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "HERE",
    "Config",
    "Folder",
    "Force",
    "Json",
    "Minutes",
    "Now",
    "Out",
    "Recreate",
    "app",
    "codes_app",
    "connectors_app",
]

app = typer.Typer(
    name="ciblage",
    help="Audiences from a shop's own data, kept in step with Mailchimp, Klaviyo and Brevo.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
codes_app = typer.Typer(help="Show, export and confirm discount codes.", invoke_without_command=True)
app.add_typer(codes_app, name="codes")
connectors_app = typer.Typer(help="List the connectors, or begin a new one.", invoke_without_command=True)
app.add_typer(connectors_app, name="connectors")

Config = Annotated[Path, typer.Option("--config", help="The client's config.")]
Now = Annotated[str | None, typer.Option("--now", help="The run's moment, ISO 8601; default: the clock's.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write it to this file.")]
Folder = Annotated[Path | None, typer.Option("--out", help="Write it into this folder; default: ./ciblage-NAME.")]
Force = Annotated[
    list[str] | None, typer.Option("--force", help="DESTINATION or DESTINATION/SEGMENT: override the guard there.")
]
Recreate = Annotated[
    list[str] | None, typer.Option("--recreate", help="A target that is gone at the provider: create it anew.")
]
Minutes = Annotated[float | None, typer.Option("--max-minutes", min=0, help="Stop at a safe point after this long.")]
HERE = Path("ciblage.toml")
