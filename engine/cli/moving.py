"""Commands of the round: plan, approve, push, pull, run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import (
    HERE,
    Config,
    Force,
    Json,
    Minutes,
    Now,
    Out,
    Recreate,
    app,
)
from engine.cli.session import session
from engine.errors import ConfigError

if TYPE_CHECKING:
    from datetime import timedelta


@app.command()
def plan(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    out: Out = None,
    force: Force = None,
    recreate: Recreate = None,
    document: Annotated[
        list[Path] | None,
        typer.Option("--document", help="Write it as FILE.md (a pull request) or FILE.html (a client)."),
    ] = None,
    saved: Annotated[Path | None, typer.Option("--from", help="Show this saved plan; call nobody.")] = None,
) -> None:
    """Show what would change where; change nothing."""
    with session("plan", config, now, json=json, calls=saved is None) as it:
        from engine import look, run, show

        show.check_documents(document or ())
        if saved is not None and (out or force or recreate):
            raise ConfigError(
                "a saved plan is shown as it is", place="--from", hint="--document is all that goes with it"
            )
        if saved is None:
            it.check_flags(force, recreate)
            planned = run.plan(it.client, out=out, force=force or (), recreate=recreate or ())
        else:
            planned = look.reread(it.client, saved)
        it.show(show.write_documents(planned, document or (), it.client.lang, it.client.settings.zone))


@app.command()
def approve(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN")],
    by: Annotated[str, typer.Option("--by", help="Who approves.")],
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
) -> None:
    """Record that a person approved a plan."""
    with session("approve", config, now, json=json, calls=False) as it:
        from engine import run

        it.show(run.approve(it.client, plan_file, by))


@app.command()
def push(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    plan_file: Annotated[Path | None, typer.Option("--plan", help="A reviewed plan, pushed as it is.")] = None,
    checksum: Annotated[str | None, typer.Option("--checksum", help="Of that plan, as `plan` printed it.")] = None,
    max_age: Annotated[str, typer.Option("--max-age", help="Refuse an older plan.")] = "24 hours",
    yes: Annotated[bool, typer.Option("--yes", help="Approve by hand what was never approved.")] = False,
    max_minutes: Minutes = None,
    force: Force = None,
    recreate: Recreate = None,
) -> None:
    """Carry a plan."""
    with session("push", config, now, json=json) as it:
        from engine import run

        review = run.Review(file=plan_file, checksum=checksum, max_age=_span(max_age)) if plan_file else None
        with it.moving(force, recreate, max_minutes, yes=yes) as options:
            pushed = run.push(it.client, options, review)
        it.show(pushed)


@app.command()
def pull(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    totals: Annotated[
        bool, typer.Option("--totals", help="Compare campaigns with the providers' own reports.")
    ] = False,
) -> None:
    """Bring back engagement and departures."""
    with session("pull", config, now, json=json) as it:
        from engine import run

        it.show(run.pull(it.client, totals=totals))


@app.command(name="run")
def run_(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    max_minutes: Minutes = None,
    force: Force = None,
    recreate: Recreate = None,
    folder: Annotated[
        Path | None, typer.Option("--all", metavar="DIR", help="Every client whose config is in this folder.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Clients at a time, with --all; default: the processors.")
    ] = None,
) -> None:
    """Pull, compute, plan, guard, push, verify, in one."""
    if folder is not None:
        _run_all(folder, now, jobs, max_minutes, json=json, is_flagged=bool(force or recreate))
        return
    with session("run", config, now, json=json) as it:
        from engine import run

        with it.moving(force, recreate, max_minutes) as options:
            told = run.run(it.client, options)
        it.show(told)


def _run_all(  # each option of the command
    folder: Path, now: str | None, jobs: int | None, max_minutes: float | None, *, json: bool, is_flagged: bool
) -> None:
    with session("run --all", folder, now, json=json) as it:
        from connectors.http import SystemClock
        from engine import fleet, show

        if is_flagged:
            hint = "run that client alone: ciblage run --config FILE"
            raise ConfigError("--force and --recreate are for one client", place="--all", hint=hint)
        it.stop_working()
        night = fleet.run_all(folder, clock=SystemClock(), now=now, jobs=jobs, max_minutes=max_minutes, tell=show.ended)
        if json:
            it.show(night)
        else:
            show.render(night, night.lang)
        it.exit_code = night.exit_code


def _span(text: str) -> timedelta:
    """`24 hours`, `30 minutes`, `2 days`."""
    from datetime import timedelta

    number, _, unit = text.strip().partition(" ")
    unit = unit.strip().removesuffix("s")
    if unit not in {"minute", "hour", "day"} or not number.isdigit():
        raise ConfigError(f"'{text}' is not a length of time", place="--max-age", hint="write for example '24 hours'")
    return timedelta(**{f"{unit}s": int(number)})
