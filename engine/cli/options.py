"""The application, and the options that many commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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


def _log(value: str | None) -> None:
    """Lines of JSON on stderr until the command ends."""
    if value:
        from engine import logs

        logs.start()


class LogFormat(StrEnum):
    """How the log is written."""

    JSON = "json"


def _logged(
    log: Annotated[
        LogFormat | None,
        typer.Option(
            "--log", envvar="CIBLAGE_LOG", expose_value=False, callback=_log, help="What happens, as lines on stderr."
        ),
    ] = None,
) -> None:
    """What `Commands` takes its option from."""


class Commands(TyperGroup):
    """Every command has `--log`."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - typer's own
        super().__init__(**given)
        single = typer.Typer()
        single.command()(_logged)
        [option] = [one for one in typer.main.get_command(single).params if "--log" in one.opts]
        for command in self.commands.values():
            command.params.append(option)


app = typer.Typer(
    cls=Commands,
    name="ciblage",
    help="Audiences from a shop's own data, kept in step with Mailchimp, Klaviyo and Brevo.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:  # noqa: FBT001 - as typer calls it
    if value:
        from importlib.metadata import version

        print(f"ciblage {version('ciblage')}")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What stands before any command."""
    del version


codes_app = typer.Typer(cls=Commands, help="Show, export and confirm discount codes.", invoke_without_command=True)
app.add_typer(codes_app, name="codes")
connectors_app = typer.Typer(cls=Commands, help="List the connectors, or begin a new one.", invoke_without_command=True)
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
