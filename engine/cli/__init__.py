"""The command line: one thin function a command; no logic.

Exit codes: 0 done · 1 finished, with new rejections · 2 usage or config · 3 guard refused · 4 destination unreachable
or unauthorised · 5 another run holds the lock · 6 stopped by time, more to do · 70 internal error · 130/143 signals.
"""

from __future__ import annotations

import gc
import json as jsonlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from engine.cli.session import TERMINATED, session
from engine.errors import ConfigError

if TYPE_CHECKING:
    from datetime import timedelta
    from types import FrameType

_COLLECTED = (50_000, 20, 100)  # of 4.3 CPU seconds of a run Python's own took 0.6 to look for cycles, and found few

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


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the example shop is written.")] = Path("demo-shop"),
    lang: Annotated[str, typer.Option("--lang", help="en or fr.")] = "en",
) -> None:
    """Play the whole round on real data, on this machine."""
    with session("demo", HERE, None, json=False) as it:
        from engine.demo.story import tell

        it.exit_code = tell(out, lang)


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
    with session("segments", config, now, json=json) as it:
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
    limit: Annotated[int | None, typer.Option("--limit", min=1)] = None,
) -> None:
    """Print the members of a segment, before any consent."""
    with session("members", config, now, json=json) as it:
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
    with session("traits", config, now, json=json) as it:
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
    with session("explain", config, now, json=json) as it:
        from engine import look

        it.show(look.explain(it.client, segment, customer, with_sql=sql))


@app.command()
def plan(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    out: Out = None,
    force: Force = None,
    recreate: Recreate = None,
) -> None:
    """Show what would change where; change nothing."""
    with session("plan", config, now, json=json) as it:
        from engine import run

        it.check_flags(force, recreate)
        it.show(run.plan(it.client, out=out, force=force or (), recreate=recreate or ()))


@app.command()
def approve(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN")],
    by: Annotated[str, typer.Option("--by", help="Who approves.")],
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
) -> None:
    """Record that a person approved a plan."""
    with session("approve", config, now, json=json) as it:
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
) -> None:
    """Pull, compute, plan, guard, push, verify, in one."""
    with session("run", config, now, json=json) as it:
        from engine import run

        with it.moving(force, recreate, max_minutes) as options:
            told = run.run(it.client, options)
        it.show(told)


@app.command()
def status(config: Config = HERE, now: Now = None, json: Json = False) -> None:
    """Show what happened, and where each destination stands."""
    with session("status", config, now, json=json) as it:
        from engine import look

        it.show(look.status(it.client))


@app.command()
def rejected(
    config: Config = HERE,
    now: Now = None,
    json: Json = False,
    retry: Annotated[bool, typer.Option("--retry", help="Send all of them once more with the next push.")] = False,
) -> None:
    """Show the changes that a destination refused."""
    with session("rejected", config, now, json=json) as it:
        from engine import look, run

        it.show(run.retry(it.client) if retry else look.rejected(it.client))


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


@app.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 8025,
    now: Now = None,
    speed: Annotated[float, typer.Option("--speed", help="How fast its clock runs.")] = 1.0,
) -> None:
    """Serve the emulated providers on this machine."""
    import subprocess

    from connectors.http import SystemClock

    start = now or SystemClock().utc().isoformat(timespec="seconds")
    command = [sys.executable, "-m", "connectors.sandbox", "--port", str(port), "--speed", str(speed), "--now", start]
    print(f"Look at http://127.0.0.1:{port}/ in a browser; Ctrl-C ends it.", file=sys.stderr)
    raise typer.Exit(subprocess.call(command))


@app.command()
def receive(
    config: Config = HERE,
    now: Now = None,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; a proxy with TLS stands before it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 8026,
) -> None:
    """Take the events that providers send by themselves (webhooks); Ctrl-C ends it."""
    with session("receive", config, now, json=False) as it:
        from engine import run, show
        from engine.engagement.receiving import Doorway

        lang = it.client.lang
        clock = it.client.clock
        receiver = run.receive(it.client, lambda received: show.received(received, clock.utc(), lang))
        with Doorway(receiver, host, port) as doorway:
            it.stop_working()
            show.listening(f"http://{host}:{doorway.server_port}", sorted(receiver.connectors), lang)
            try:
                doorway.serve_forever()
            finally:
                receiver.finish()


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


def _span(text: str) -> timedelta:
    """`24 hours`, `30 minutes`, `2 days`."""
    from datetime import timedelta

    number, _, unit = text.strip().partition(" ")
    unit = unit.strip().removesuffix("s")
    if unit not in {"minute", "hour", "day"} or not number.isdigit():
        raise ConfigError(f"'{text}' is not a length of time", place="--max-age", hint="write for example '24 hours'")
    return timedelta(**{f"{unit}s": int(number)})


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(TERMINATED)


def main() -> None:
    """The command `ciblage`."""
    gc.set_threshold(*_COLLECTED)
    signal.signal(signal.SIGTERM, _terminated)
    if "--json" not in sys.argv:
        app()
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:  # a command line that cannot be read: typer's words, in our document
        said = {"kind": "usage", "message": error.format_message(), "place": "command line", "hint": "ciblage --help"}
        print(jsonlib.dumps({"error": said}, ensure_ascii=False, indent=2))
        sys.exit(error.exit_code)
