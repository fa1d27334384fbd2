"""The story that `ciblage demo` tells: one shop, three platforms, two rounds."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from connectors.http import SystemClock, Wire
from engine import look, run
from engine.client import open_client
from engine.demo.shop import ROUND_ONE, ROUND_TWO, build, build_round_two, truncate
from engine.demo.world import World, emulated
from engine.errors import ConfigError, EngineError
from engine.show import command, console, progress, view
from engine.show.rounds import plan_lines, push_lines, refusals
from engine.show.screen import table
from engine.show.views import base, findings
from engine.words import moment, number, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from engine.client import Client
    from engine.plan.plan import Plan

__all__ = ["begin_anew", "tell"]

SPEED = 600.0  # sandbox seconds a second: ten minutes of a provider's queue pass in one
_KEYS = {"MAILCHIMP_API_KEY": "sandbox-us1", "KLAVIYO_API_KEY": "pk_sandbox", "BREVO_API_KEY": "xkeysib-sandbox"}
_APPROVER = "Lin"
_SHOWN = "champions"
_NAMED = 4


@dataclass
class Stage:
    """What the chapters share."""

    out: Path
    lang: str
    world: World
    handler: Wire
    screen: Console
    chapter: int = 0
    hero: str = ""
    hero_email: str = ""
    clients: list[Client] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The demo's config, written for this sandbox."""
        return self.out / "ciblage.toml"

    def title(self, key: str) -> None:
        """Begin a chapter."""
        self.chapter += 1
        self.screen.print()
        self.screen.print(
            Rule(Text(f"{self.chapter}. {say(f'demo.{key}', self.lang)}", style="bold"), align="left", characters="─")
        )

    def say(self, key: str, **values: object) -> None:
        """A sentence between the tables."""
        for line in say(f"demo.{key}", self.lang, **values).split("\n"):
            self.screen.print(command(line.strip()) if line.startswith("  ") else Text(line), crop=False)

    @contextmanager
    def client(self, now: datetime) -> Iterator[Client]:
        """The client at a moment, over the real sockets of the sandbox."""
        client = open_client(self.config, now.isoformat(), handler=self.handler)
        try:
            yield client
        finally:
            client.close()


def tell(out: Path, lang: str) -> int:
    """Play all chapters; 0 when every promise of the story held."""
    if lang not in {"en", "fr"}:
        raise ConfigError(f"there is no language '{lang}'", place="--lang", hint="en or fr")
    begin_anew(out)
    real, screen, handler = SystemClock(), console(), Wire()
    began = real.monotonic()
    screen.print(Text(say("demo.opening", lang)))
    with console(stderr=True).status(say("demo.building", lang)):
        built = build(out / "data")
    screen.print(Text(say("demo.built", lang, orders=number(built.orders, lang), lines=number(built.lines, lang))))
    with emulated(ROUND_ONE, SPEED, handler) as world:
        stage = Stage(out, lang, world, handler, screen)
        _write_config(stage)
        _base(stage)
        _segments(stage)
        _first_round(stage)
        _side_by_side(stage)
        _readers(stage)
        _second_round(stage)
        _truncated(stage)
        _nothing(stage)
        _where_next(stage)
    stage.say("took", seconds=number(round(real.monotonic() - began), lang))
    return 0


def begin_anew(out: Path) -> None:
    """A folder of the demo's own to play in: what an earlier demo left there goes, anything else is refused."""
    config = out / "ciblage.toml"
    is_ours = config.is_file() and config.read_text("utf-8").startswith(_template().splitlines()[0])
    if out.exists() and any(out.iterdir()) and not is_ours:
        raise ConfigError(f"{out} holds something else", place="--out", hint="name a folder that is new or empty")
    for name in ("state", "data", "secrets"):
        shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    config.write_text(_template(), "utf-8")


def _template() -> str:
    return (files("engine.demo") / "config.toml").read_text("utf-8")


def _write_config(stage: Stage) -> None:
    stage.config.write_text(
        _template().replace("@URL@", stage.world.url).replace("@LANG@", stage.lang).replace("@SPEED@", str(SPEED)),
        "utf-8",
    )
    folder = stage.out / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, key in _KEYS.items():
        (folder / name).write_text(key, "utf-8")


def _base(stage: Stage) -> None:
    stage.title("base")
    with stage.client(ROUND_ONE) as client:
        for part in base(look.check(client, call=False), stage.lang):
            stage.screen.print(part)


def _segments(stage: Stage) -> None:
    stage.title("segments")
    with stage.client(ROUND_ONE) as client:
        for one in look.segments(client).rows:
            counts = say(
                "demo.sizes",
                stage.lang,
                matched=number(one.matched, stage.lang),
                reachable=number(one.reachable, stage.lang),
            )
            stage.screen.print(Text.assemble((one.title, "bold"), "  ", (counts, "cyan")))
            stage.screen.print(Padding(Text(one.words), (0, 0, 0, 2)))
        stage.hero, stage.hero_email, name = _hero(client)
        stage.screen.print()
        stage.say("why", name=name, segment=client.catalogue.segments[_SHOWN].title)
        explained = look.explain(client, _SHOWN, stage.hero)
        for line in findings(explained, stage.lang):
            stage.screen.print(line)


def _hero(client: Client) -> tuple[str, str, str]:
    """A champion who is in lists of all three platforms, by id the first: id, address, name."""
    import pyarrow.compute as pc

    people = client.membership.table
    wanted = people["reachable_email"]
    for destination in client.settings.destinations.values():
        wanted = pc.and_(wanted, people[f"segment:{_SHOWN}"]) if _SHOWN in destination.segments else wanted
    wanted = pc.and_(wanted, pc.invert(people["holdout:loyal"]))
    row = people.filter(wanted).slice(0, 1).to_pylist()[0]
    return row["customer_id"], row["email"], row["trait:first_name"]


def _first_round(stage: Stage) -> None:
    stage.title("plan")
    plan_file = stage.out / "plan.parquet"
    with stage.client(ROUND_ONE) as client:
        run.pull(client)
    with stage.client(ROUND_ONE) as client:
        stage.world.forget_calls()
        planned = run.plan(client, out=plan_file)
        _print(stage, plan_lines(planned, stage.lang))
        stage.say("plan_writes", count=sum(stage.world.writes().values()))
    stage.title("push")
    with stage.client(ROUND_ONE) as client:
        stage.screen.print(view(run.approve(client, plan_file, _APPROVER), stage.lang))
    with stage.client(ROUND_ONE) as client, progress() as shown:
        review = run.Review(file=plan_file, checksum=planned.plan.checksum)
        pushed = run.push(client, run.Options(progress=shown), review)
    _print(stage, push_lines(pushed, stage.lang))
    _codes(stage, pushed)


def _codes(stage: Stage, pushed: run.Pushed) -> None:
    """The till takes the exported codes; only then a second, small push carries them."""
    if pushed.exported is None:
        raise EngineError("the demo's offer minted no code")
    stage.screen.print()
    confirmed = stage.out / "confirmed.csv"
    confirmed.write_bytes(stage.world.till(pushed.exported.read_bytes()))
    with stage.client(ROUND_ONE) as client:
        stage.say("till", count=run.confirm_codes(client, confirmed).moved)
    with stage.client(ROUND_ONE) as client, progress() as shown:
        second = run.push(client, run.Options(progress=shown))
    _print(stage, push_lines(second, stage.lang))


def _side_by_side(stage: Stage) -> None:
    stage.title("side_by_side")
    seen = stage.world.ask(f"/sandbox/contact?email={stage.hero_email}")
    stage.say("hero", email=stage.hero_email)
    fields = sorted({name.lower() for at in seen.values() if at for name in at["fields"]})
    providers = [name for name in seen if seen[name]]
    rows = [(field_, *(_value(seen[name], field_) for name in providers)) for field_ in fields]
    rows.append(
        (say("status.lists", stage.lang), *("\n".join(sorted(seen[name]["lists"].values())) for name in providers))
    )
    stage.screen.print(table([("", False), *((name, False) for name in providers)], rows))


def _value(contact: dict[str, dict[str, object]], name: str) -> str:
    found = {key.lower(): value for key, value in contact["fields"].items()}
    return str(found.get(name, "–"))


def _readers(stage: Stage) -> None:
    stage.title("readers")
    told = stage.world.tell("/sandbox/readers", until=(ROUND_TWO - timedelta(hours=1)).isoformat())
    keys = ("mailable", "open", "click", "unsubscribe", "bounce", "complaint")
    columns = [
        ("", False),
        *((say(f"demo.{key}" if key == "mailable" else f"events.{key}", stage.lang), True) for key in keys),
    ]
    rows = [
        (name, *(number(int(counts.get(key, 0)), stage.lang) for key in keys))
        for name, counts in told["providers"].items()
        if counts.get("mailable")  # there are more of them than the story is about
    ]
    stage.screen.print(table(columns, rows))
    stage.world.tell("/sandbox/unsubscribe", provider="brevo", email=stage.hero_email)
    stage.world.tell("/sandbox/clock", now=ROUND_TWO.isoformat())
    stage.say("unsubscribed", email=stage.hero_email, when=moment(ROUND_TWO, stage.lang))
    build_round_two(stage.out / "data")


def _second_round(stage: Stage) -> None:
    stage.title("second_round")
    with stage.client(ROUND_TWO) as client, progress() as shown:
        stage.world.forget_calls()
        told = run.run(client, run.Options(progress=shown))
    stage.screen.print(view(told, stage.lang))
    with stage.client(ROUND_TWO) as client:
        _moved(stage, client, told.planned.plan)
    stage.say("waiting", count=told.pushed.minted)
    _confirm_departure(stage)


def _moved(stage: Stage, client: Client, made: Plan) -> None:
    """The first few who came in and went out, by name."""
    import pyarrow.compute as pc

    people, rows = client.membership.table, made.rows
    rows = rows.filter(pc.equal(rows["destination"], "flows"))
    for kind, key in (("AddMember", "came"), ("RemoveMember", "went")):
        mine = rows.filter(pc.and_(pc.equal(rows["kind"], kind), pc.equal(rows["target"], _SHOWN)))
        who = people.filter(pc.is_in(people["customer_id"], value_set=mine["customer_id"].combine_chunks()))
        names = [name for name in who["trait:first_name"].to_pylist() if name][:_NAMED]
        title = client.catalogue.segments[_SHOWN].title
        stage.say(key, segment=title, names=", ".join(names), count=len(mine["change_id"].unique()) - len(names))


def _confirm_departure(stage: Stage) -> None:
    """The person who left one platform has left all of them, before anything else was written there."""
    seen = stage.world.ask(f"/sandbox/contact?email={stage.hero_email}")
    still = [name for name, at in seen.items() if at and at["mailable"]]
    if still:
        raise EngineError(f"someone who left is still mailed by {', '.join(still)}")
    stage.say("gone_everywhere", email=stage.hero_email)


def _truncated(stage: Stage) -> None:
    stage.title("truncated")
    truncate(stage.out / "data")
    with stage.client(ROUND_TWO) as client:
        stage.world.forget_calls()
        told = run.run(client, run.Options())
    _print(stage, refusals(told.planned.refusals, stage.lang))
    if not told.planned.refusals or any(stage.world.writes().values()):
        raise EngineError("the guard let a broken export through")
    stage.say("stopped", exit=told.exit_code)
    build_round_two(stage.out / "data")


def _nothing(stage: Stage) -> None:
    stage.title("nothing")
    with stage.client(ROUND_TWO) as client:
        stage.world.forget_calls()
        run.run(client, run.Options())
    writes = sum(stage.world.writes().values())
    stage.screen.print(
        Text(say("demo.writes", stage.lang, count=writes), style="bold green" if not writes else "bold red")
    )
    if writes:
        raise EngineError("a run with nothing changed wrote something")


def _where_next(stage: Stage) -> None:
    stage.title("where_next")
    folder = stage.out
    now = ROUND_TWO.strftime("%Y-%m-%dT%H:%MZ")
    for key in ("next_look", "next_page", "next_own"):
        stage.say(key, config=stage.config, folder=folder, now=now, ciblage=_command())


def _command() -> str:
    """How this command is called from here: its path, where it is not on PATH."""
    return "ciblage" if shutil.which("ciblage") else str(Path(sys.argv[0]))


def _print(stage: Stage, lines: Iterator[object]) -> None:
    for line in lines:
        stage.screen.print(line)
