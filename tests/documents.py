"""The generated pages of docs/, as text; `GOLDEN=write pytest tests/test_docs.py` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import backend_matrix

from engine.look import connectors
from engine.shop.schema import BASES, EMAIL_SOURCES, PURCHASES, TABLES, Column, Table, facts, sources

__all__ = ["PAGES", "RENEW"]

RENEW = "GOLDEN=write .venv/bin/pytest tests/test_docs.py"
_NOTE = f"<!-- Generated. After a change: {RENEW} -->"

_CHANGES = {
    "AddContact": "create a contact with the status of an explicit consent",
    "SetTraits": "write merge tags of an existing contact",
    "ClearTraits": "empty merge tags",
    "AddMember": "put a contact into a segment's list",
    "RemoveMember": "take a contact out of it",
    "Suppress": "tell the provider that the contact has left",
    "AddCode": "put a discount code into the provider's own pool",
}
_ABILITIES = {
    "ReadsMembers": "read and count who is in a list",
    "ReadsTraits": "read merge tags back",
    "ReadsSuppressions": "read who has left",
    "PullsEngagement": "read opens, clicks and the like",
    "ReadsTotals": "read what the provider reports of a campaign",
    "ReceivesEvents": "take webhooks, verified",
    "RunsJobs": "follow jobs to their own result",
    "Recalls": "find out what a write did whose answer was lost",
    "Resolves": "look up the provider's ids by address",
    "Erases": "delete a person for good",
}


def support_matrix() -> str:
    """What each installed connector can do, from its `spec`."""
    rows = connectors().rows
    names = [str(row["name"]) for row in rows]
    return "\n".join(
        [
            "# What each connector and each engine can do",
            _NOTE,
            "",
            "The connectors first, then the [engines](#engines) that compute segments.",
            "",
            "The plan reads the same `spec` that these tables are made of: what is missing here is found before anything is sent.",
            "`memory` is the reference connector, a provider that is a dictionary. `ciblage connectors` prints the tables for what is installed.",
            "",
            "## Changes, and how many in one call",
            "",
            *_matrix("change", _CHANGES, names, [row["carries"] for row in rows]),
            "",
            "## Merge tags",
            "",
            *_matrix("value", _kinds(rows), names, [dict.fromkeys(row["fields"], "yes") for row in rows]),
            _line(["fields at most", *(str(row["max_fields"] or "no limit") for row in rows)]),
            "",
            "## What comes back",
            "",
            "`exact`: with its own time. `campaign`: the campaign's send time stands in; what `receive` takes is exact. `receive`: only",
            "as the provider's own message (webhook), for it cannot be asked for it. –: the provider does not tell it.",
            "",
            *_matrix("event", _events(rows), names, [_told(row) for row in rows]),
            "",
            "## Abilities",
            "",
            *_matrix("ability", _ABILITIES, names, [dict.fromkeys(row["abilities"], "yes") for row in rows]),
            "",
            *backend_matrix.lines(),
        ]
    )


def _told(row: Mapping[str, Any]) -> Mapping[str, str]:
    reports: Mapping[str, str] = row["reports"]
    return reports if "PullsEngagement" in row["abilities"] else dict.fromkeys(reports, "receive")


def _kinds(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return dict.fromkeys(sorted({kind for row in rows for kind in row["fields"]}), "")


def _events(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return dict.fromkeys([kind for row in rows for kind in row["reports"]], "")


def _matrix(head: str, lines: Mapping[str, str], names: list[str], cells: list[Mapping[str, object]]) -> list[str]:
    unknown = {key for cell in cells for key in cell} - lines.keys()
    assert not unknown, f"no words for {sorted(unknown)}"
    about = [[f"`{key}`: {words}" if words else f"`{key}`"] for key, words in lines.items()]
    told = [_line([*first, *(_cell(cell.get(key)) for cell in cells)]) for first, key in zip(about, lines, strict=True)]
    return [_line([head, *names]), _line(["---"] * (len(names) + 1)), *told]


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


_ABOUT = {
    "customers": "The only table that must be there. Two rows with one address are one person: the smallest `customer_id` stands, the newest known value of each column, the most restrictive consent.",
    "orders": "A purchase is an order that is not cancelled, not a test and not refunded in full (`status`, `refunded`).",
    "order_lines": "Customer, time and status come from the order, brand, category and colour from the product.",
    "products": "What lines, carts, views and mails refer to.",
    "cart_adds": "Brand, category and colour come from the product.",
    "views": "Brand and colour, and a category that is not given, come from the product.",
    "searches": "What was looked for in the shop.",
    "sessions": "Visits.",
    "email_events": "What the shop itself knows of mails; what `ciblage pull` brings back is added to it. `email` may stand in for `customer_id`.",
    "referrals": "Who brought whom.",
    "customer_lists": "Several values a customer: each `list` is a trait of its own (`interests has 'yoga'`).",
    "codes": "Not from the shop: the ledger's own discount codes.",
}
_HEAD = f"""# The neutral shop
{_NOTE}

One file a table, named as below, in the folder of `[shop] path`: `.csv`, `.tsv`, `.parquet`, `.jsonl` or `.ndjson`. Only `customers` must be there; without a
table its counts are zero. Where your names differ, `[shop.mapping]` says so; further columns are kept and can be used by name.

- **Several files**: a folder of that name (`orders/2026-01-01.csv`, …) is one table, its files read in the order of their names; a shop may drop one a day.
- **Read once**: a run keeps the typed rows of what it read in `state/<client>.shop/` and reads only what is new or changed; the folder holds personal data and may be
  removed at any time ([why and how](decisions/0020-typed-rows-kept.md)).
- **Rows**: one that cannot be read is set aside and reported with file, line and reason; the rest goes on. A missing required column is an error.
- **instant**: UTC or with an offset; without one it is local to the client's `timezone`. **date**: a day. Both in ISO 8601 unless the mapping gives `dates`.
- **money**: `price` is per unit before discount; `discount`, `refunded`, `tax`, `shipping` are amounts; `total` is what was paid, gross. A row in another
  currency than the client's is set aside.
- **text** ignores case when compared; ids and closed lists are exact. Blank is unknown.
- **consent**: `consent_email` missing is `never`; `subscribed` without a `consent_email_basis` ({", ".join(BASES)}) is `consent`.
"""


def data() -> str:
    """The neutral tables and the language's sources, from the schema."""
    parts = [_HEAD]
    for name, table in TABLES.items():
        parts += [f"## {name}", "", _ABOUT[name], "", *_columns(name, table), ""]
    return "\n".join([*parts, *_facts(), "", *_sources(), ""])


def _columns(name: str, table: Table) -> list[str]:
    rows = [_line([f"`{column}`", kind.type, _about(name, column, kind)]) for column, kind in table.columns.items()]
    joined = [_line([f"`{column}`", kind.type, "joined at load"]) for column, kind in _spoken(table.joined).items()]
    return [_line(["column", "type", ""]), _line(["---"] * 3), *rows, *joined]


def _spoken(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Joined columns that a definition can name."""
    hidden = {PURCHASES, "email_invalid", "consent_email_left"}
    return {name: kind for name, kind in columns.items() if name not in hidden and not name.startswith("in_email_")}


def _about(name: str, column: str, kind: Column) -> str:
    words = ["**required**"] if kind.required else []
    if name == "email_events" and column == "customer_id":
        words = ["**required**, or `email`"]
    if kind.blank:
        words.append("may be blank")
    if kind.values:
        words.append("one of " + ", ".join(f"`{value}`" for value in kind.values))
    if kind.otherwise:
        words.append(f"anything else is `{kind.otherwise}`")
    return "; ".join(words)


def _facts() -> list[str]:
    renamed = sorted(set(facts(TABLES["customers"], ())) - TABLES["customers"].columns.keys())
    return [
        "## What a definition can name",
        "",
        "Each column of `customers` is a fact of the customer, under its own name. Named otherwise, or derived (`age` and `birthday` come from `birth_date`): "
        + ", ".join(f"`{name}`" for name in renamed)
        + ".",
    ]


def _sources() -> list[str]:
    rows = [
        _line([f"`{name}`", f"`{source.table}`", f"`{source.time}`", _kept(name)])
        for name, source in sources(TABLES).items()
    ]
    return ["What can be counted:", "", _line(["source", "rows of", "time", "which"]), _line(["---"] * 4), *rows]


def _kept(name: str) -> str:
    if name in {"orders", "order_lines"}:
        return "purchases"
    condition = EMAIL_SOURCES.get(name)
    if condition is None:
        return "all"
    kind = condition.split("'")[1]
    return f"`{kind}`, machines left out" if "is_machine" in condition else f"`{kind}`"


PAGES = {"support-matrix.md": support_matrix, "data.md": data}
"""Each generated page and what makes it."""
