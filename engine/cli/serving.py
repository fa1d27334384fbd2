"""Commands that play or serve on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import (
    HERE,
    Config,
    Now,
    app,
)
from engine.cli.session import session


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the example shop is written.")] = Path(
        "demo-shop"
    ),
    lang: Annotated[str, typer.Option("--lang", help="en or fr.")] = "en",
) -> None:
    """Play the whole round on real data, on this machine."""
    with session("demo", HERE, None, json=False) as it:
        from engine.demo.story import tell

        it.exit_code = tell(out, lang)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8025,
    now: Now = None,
    speed: Annotated[float, typer.Option("--speed", help="How fast its clock runs.")] = 1.0,
) -> None:
    """Serve the emulated providers on this machine."""
    import subprocess

    from connectors.http import SystemClock

    start = now or SystemClock().utc().isoformat(timespec="seconds")
    command = [sys.executable, "-m", "connectors.sandbox", "--port", str(port), "--speed", str(speed), "--now", start]
    where = f"http://127.0.0.1:{port}/" if port else "the url that it prints"
    print(f"Look at {where} in a browser; Ctrl-C ends it.", file=sys.stderr)
    raise typer.Exit(subprocess.call(command))


@app.command()
def receive(
    config: Config = HERE,
    now: Now = None,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; a proxy with TLS stands before it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8026,
) -> None:
    """Take what providers send by themselves. These are their webhooks; Ctrl-C ends it."""
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
