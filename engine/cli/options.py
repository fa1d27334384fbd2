"""The application, and the options that many commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

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


_VALUES = {
    "--all": "DIR", "--by": "NAME", "--config": "FILE", "--data": "DIR", "--document": "FILE", "--force": "TARGET", "--from": "FILE", "--jobs": "N",
    "--limit": "N", "--log": "json", "--max-age": "DURATION", "--max-minutes": "N", "--now": "ISO8601", "--out": "FILE", "--plan": "FILE",
    "--recreate": "TARGET", "--set": "KEY=VALUE", "--since": "DAY",
}  # fmt: skip
"""What the help calls the value of an option, where its own name would not say it."""


def _named(param: TyperArgument | TyperOption) -> str:
    """What the help calls a value: `FILE`, or the option's or argument's own name in capitals."""
    flag = max(param.opts, key=len)
    return _VALUES.get(flag, flag.removeprefix("--").replace("_", "-").upper())


class Commands(TyperGroup):
    """Every command has `--log`, and its values have names that people know."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - typer's own
        super().__init__(**given)
        single = typer.Typer()
        single.command()(_logged)
        [option] = [one for one in typer.main.get_command(single).params if "--log" in one.opts]
        for command in self.commands.values():
            command.params.append(option)
            for param in command.params:
                if isinstance(param, TyperArgument | TyperOption) and param.metavar is None:
                    param.metavar = None if getattr(param, "is_flag", False) else _named(param)


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
Folder = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write it into this folder; default: ./ciblage-NAME.")
]
Force = Annotated[
    list[str] | None, typer.Option("--force", help="DESTINATION or DESTINATION/SEGMENT: override the guard there.")
]
Recreate = Annotated[
    list[str] | None, typer.Option("--recreate", help="A target that is gone at the provider: create it anew.")
]
Minutes = Annotated[float | None, typer.Option("--max-minutes", min=0, help="Stop at a safe point after this long.")]
HERE = Path("ciblage.toml")
