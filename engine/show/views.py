"""One view a result. What marketers read comes from the catalogue of words; errors and logs are English."""

from __future__ import annotations

import csv
import json
import re
import sys
from contextlib import contextmanager
from functools import singledispatch
from typing import TYPE_CHECKING, Any, BinaryIO

from rich.console import Group, RenderableType
from rich.text import Text

from engine import look
from engine.errors import ConfigError
from engine.scaffold import ABOUT, Scaffold
from engine.show.documents import plain
from engine.show.explaining import explained, findings
from engine.show.screen import bars, command, console, heading, table
from engine.starter import Begun
from engine.words import knows, number, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

__all__ = ["findings", "render", "view"]

_TELLING = re.compile(r'"(?:detail|message|title)": ?"([^"]+)"')
_LONGEST = 240  # characters of a provider's words; --json has all
_NAMED = 8  # files that stand for nothing; --json names all


def render(result: object, lang: str) -> None:
    """Show a result on stdout."""
    if isinstance(result, look.Listed):
        _list(result, lang)
        return
    if isinstance(result, look.Statement):
        sys.stdout.writelines(f"-- {warning}\n" for warning in result.warnings)
    else:
        console().print(view(result, lang), crop=False)
    if isinstance(result, look.Statement | look.Explained) and result.sql is not None:
        sys.stdout.write(f"{result.sql}\n")  # as it is: a wrapped line would break its texts


@singledispatch
def view(result: object, lang: str) -> RenderableType:
    """The result as rich shows it."""
    raise TypeError(f"no view of {type(result).__name__} ({lang})")


def stacked(parts: Iterator[RenderableType]) -> Group:
    """Parts one above the other."""
    return Group(*parts)


@view.register
def _(result: look.Checked, lang: str) -> RenderableType:
    return stacked(_checked(result, lang))


def _checked(result: look.Checked, lang: str) -> Iterator[RenderableType]:
    yield from base(result, lang)
    if result.destinations:
        yield Text()
        yield heading(say("check.destinations", lang))
        rows = [
            (
                one.name,
                one.connector,
                f"✓ {one.account_name} ({one.account})" if one.error is None else f"✗ {spoken(one.error)}",
            )
            for one in result.destinations
        ]
        yield table([("", False), ("", False), ("", False)], rows)
    for warning in result.warnings:
        yield Text(f"! {warning}", style="yellow")


def base(result: look.Checked, lang: str) -> Iterator[RenderableType]:
    """The base on one page: people, reachable by basis, why others are not, rows read and set aside."""
    reachable = sum(result.reachable.values())
    yield heading(say("check.customers", lang, count=result.customers))
    rows = [(say(f"basis.{name}", lang), count, number(count, lang)) for name, count in result.reachable.items()]
    rows += [(say(f"blocked.{name}", lang), count, number(count, lang)) for name, count in result.blocked.items()]
    yield Text(
        say(
            "check.reachable",
            lang,
            reachable=number(reachable, lang),
            others=number(result.customers - reachable, lang),
        )
    )
    yield bars(rows)
    yield Text()
    told = ", ".join(
        f"{number(count, lang)} {say(f'tables.{name}', lang, count=count)}"
        for name, count in result.counts.items()
        if name != "customers" and _is_named(name)
    )
    if told:
        yield Text(say("check.read", lang, tables=told))
    if result.merged:
        yield Text(say("check.merged", lang, count=result.merged))
    if not result.set_aside:
        yield Text(say("check.none_aside", lang))
        return
    count = sum(row[3] for row in result.set_aside)
    yield Text(say("check.aside", lang, count=count))
    yield table(
        [("", False), ("", True)],
        [
            (f"  {_place(file, line)}  {reason(why, lang)}", number(many, lang))
            for file, line, why, many in result.set_aside
        ],
    )


def _place(file: str, line: int) -> str:
    """Where the first of some rows is: a line of a file, or a table of a database (line 0)."""
    return f"{file}:{line}" if line else file


def reason(why: str, lang: str) -> str:
    """Why a row was set aside: `birth_date is not a date` begins with the column that is to blame."""
    column, _, rest = why.partition(" ")
    for key, words in ((why, {}), (rest, {"column": column})):
        entry = "aside." + re.sub(r"[^a-z]+", "_", key.lower()).strip("_")
        if knows(entry):
            return say(entry, lang, **words)
    return why


def _is_named(name: str) -> bool:
    return name in {
        "orders",
        "order_lines",
        "products",
        "cart_adds",
        "views",
        "searches",
        "sessions",
        "email_events",
        "codes",
    }


@view.register
def _(result: look.Segments, lang: str) -> RenderableType:
    return stacked(_segments(result, lang))


def _segments(result: look.Segments, lang: str) -> Iterator[RenderableType]:
    columns = [
        ("segments.segment", False),
        ("segments.matched", True),
        ("segments.reachable", True),
        ("segments.held_out", True),
        ("segments.blocked", True),
    ]
    rows = [
        (
            f"{one.title}{' !' if one.warning else ''}",
            number(one.matched, lang),
            number(one.reachable, lang),
            number(one.held_out, lang) if one.held_out else "–",
            number(one.blocked, lang) if one.blocked else "–",
        )
        for one in result.rows
    ]
    yield table([(say(key, lang), is_number) for key, is_number in columns], rows)
    for one in result.rows:
        if one.why:
            yield Text(f"! {one.why}", style="yellow")
    for warning in result.warnings:
        yield Text(f"! {warning}", style="yellow")


@view.register
def _(result: look.Explained, lang: str) -> RenderableType:
    return stacked(explained(result, lang))


@view.register
def _(result: look.Capabilities, lang: str) -> RenderableType:
    return stacked(_capabilities(result, lang))


def _capabilities(result: look.Capabilities, lang: str) -> Iterator[RenderableType]:
    """The same words as in the config and the contract: English for developers."""
    for row in result.rows:
        yield heading(row["name"])
        if "broken" in row:
            yield Text(f"✗ {row['broken']}", style="red")
            continue
        fields = ", ".join(row["fields"]) + (f" (at most {row['max_fields']})" if row["max_fields"] else "")
        rows = [
            ("carries", ", ".join(f"{kind} {number(items, lang)}" for kind, items in row["carries"].items())),
            ("fields", fields),
            ("brings back", ", ".join(f"{kind} ({how})" for kind, how in _brought(row).items()) or "–"),
            ("abilities", ", ".join(row["abilities"])),
        ]
        yield table([("", False), ("", False)], rows)
        yield Text()


def _brought(row: Mapping[str, Any]) -> Mapping[str, str]:
    """How exactly each kind of event is told; what cannot be asked for comes through `receive` alone."""
    reports: Mapping[str, str] = row["reports"]
    return reports if "PullsEngagement" in row["abilities"] else dict.fromkeys(reports, "receive")


@view.register
def _(result: Begun, lang: str) -> RenderableType:
    del lang  # English: the client's config says theirs
    return stacked(_config_begun(result))


def _config_begun(result: Begun) -> Iterator[RenderableType]:
    yield heading(f"Written: {', '.join(str(file) for file in result.files)}")
    for one in result.tables:
        renamed = [f"{ours} = {theirs}" for ours, theirs in one.columns.items() if ours != theirs.strip().casefold()]
        yield Text(f"  {one.file} → {one.table}" + (f" ({', '.join(renamed)})" if renamed else ""))
    if result.ignored:
        more = f" and {len(result.ignored) - _NAMED} more" if len(result.ignored) > _NAMED else ""
        yield Text(f"  not used: {', '.join(result.ignored[:_NAMED])}{more}", style="dim")
    for note in result.notes:
        yield Text(f"! {note}", style="yellow")
    yield Text()
    yield heading("Next")
    for step in result.next:
        yield command(step)


@view.register
def _(result: Scaffold, lang: str) -> RenderableType:
    del lang  # English for developers
    return stacked(_begun(result))


def _begun(result: Scaffold) -> Iterator[RenderableType]:
    yield heading(f"{result.folder}: a connector that nobody has written yet")
    shown = [(path.relative_to(result.folder), ABOUT.get(path.name, "")) for path in result.files]
    yield table([("", False), ("", False)], [(f"  {path}", about) for path, about in shown if about])
    yield Text()
    yield heading("Next")
    steps = [
        (f"  cd {result.folder}", ""),
        ("  pip install -e .", "so that ciblage connectors knows it"),
        ("  pytest", "the first law that fails says what to write"),
    ]
    yield table([("", False), ("", False)], steps)


def _list(result: look.Listed, lang: str) -> None:
    """Rows to a file, or to stdout as CSV or JSON lines."""
    if result.file is not None:
        with opened(result.file) as sink:
            if result.file_format == "parquet":
                import pyarrow.parquet as pq

                pq.write_table(result.table, sink)
            else:
                sink.write(_text(result.table, result.file_format).encode())
        console(stderr=True).print(say("members.written", lang, count=result.table.num_rows, file=result.file))
        return
    sys.stdout.write(_text(result.table, result.file_format))


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to write to. Raises ConfigError when it cannot be."""
    try:
        sink = path.open("wb")
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", place="--out", hint="does its folder exist?"
        ) from None
    with sink:
        yield sink


def _text(rows: pa.Table, file_format: str) -> str:
    import io

    if file_format == "jsonl":
        return "".join(json.dumps(plain(row), ensure_ascii=False) + "\n" for row in rows.to_pylist())
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(rows.column_names)
    writer.writerows([_cell(cell) for cell in row.values()] for row in rows.to_pylist())
    return sink.getvalue()


def _cell(value: Any) -> Any:  # noqa: ANN401 - any cell of a table
    found = plain(value)
    return "; ".join(map(str, found)) if isinstance(found, list) else found


def spoken(words: str) -> str:
    """What a provider says to people, where its words, or the end of them, are a piece of JSON; at most so many characters."""
    found = list(dict.fromkeys(_TELLING.findall(words)))
    text = f"{words.partition('{')[0]}{'; '.join(found)}" if found else words
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def pairs(counts: Mapping[str, int], section: str, lang: str) -> str:
    """`12 unsubscribed, 3 pending` from counts, each named in the catalogue's section."""
    return ", ".join(
        f"{number(count, lang)} {say(f'{section}.{name}', lang)}" for name, count in counts.items() if count
    )
