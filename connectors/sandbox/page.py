"""A page for people: what arrived at each emulated provider. Plain HTML; addresses are shown, as all of it is local."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from connectors.sandbox.router import Sandbox
    from connectors.sandbox.world import Call, Contact, Provider

__all__ = ["render"]

SHOWN = 50  # contacts, codes and calls on the page
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 2px solid var(--line); }
h3 { margin: 1.5rem 0 .3rem; font-size: 1rem; } p.soft { opacity: .7; margin-top: 0; }
div.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .87rem; }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } code { background: var(--soft); padding: 0 .25em; }
nav a { margin-right: 1em; } summary { cursor: pointer; font-weight: 600; margin-top: 1.2rem; }
"""


def render(sandbox: Sandbox, codes: Mapping[str, datetime]) -> str:
    """The whole page."""
    links = " ".join(f'<a href="#{name}">{_name(name)}</a>' for name in sandbox.providers)
    sections = "".join(_provider(sandbox, provider) for provider in sandbox.providers.values())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>ciblage sandbox</title><style>{STYLE}</style></head><body>"
        "<h1>ciblage sandbox</h1>"
        f'<p class="soft">Emulated providers on this machine. Their time: {sandbox.world.now():%Y-%m-%d %H:%M} UTC.</p>'
        f'<nav>{links} <a href="#till">Till</a></nav>{sections}{_till(codes)}</body></html>\n'
    )


def _name(name: str) -> str:
    return escape(name.capitalize())


def _provider(sandbox: Sandbox, provider: Provider) -> str:
    contacts, titles = provider.contacts(), provider.lists()
    calls = [call for call in sandbox.calls if call.provider == provider.name]
    reads = sum(call.is_read for call in calls)
    mailable = sum(contact.mailable for contact in contacts.values())
    about = f"{len(contacts):,} contacts, {mailable:,} of them mailable; {len(calls) - reads:,} writes, {reads:,} reads"
    return (
        f'<section><h2 id="{escape(provider.name)}">{_name(provider.name)}</h2><p class="soft">{about}'
        f" at <code>{escape(sandbox.world.base_url + provider.prefix)}</code></p>"
        f"<h3>Lists</h3>{_lists(contacts, titles)}"
        f"<h3>Contacts and merge tags</h3>{_contacts(contacts, titles)}{_calls(calls)}</section>"
    )


def _lists(contacts: Mapping[str, Contact], titles: Mapping[str, str]) -> str:
    sizes = dict.fromkeys(titles, 0)
    for contact in contacts.values():
        for ref in contact.lists & sizes.keys():
            sizes[ref] += 1
    return _table(("List", "Members", "Id"), ((titles[ref], sizes[ref], ref) for ref in titles))


def _contacts(contacts: Mapping[str, Contact], titles: Mapping[str, str]) -> str:
    shown = sorted(contacts.items())[:SHOWN]
    tags = sorted({name for _, contact in shown for name in contact.fields})
    rows = (
        (
            email,
            contact.status,
            ", ".join(sorted(titles.get(ref, ref) for ref in contact.lists)),
            *(contact.fields.get(tag, "") for tag in tags),
        )
        for email, contact in shown
    )
    more = len(contacts) - len(shown)
    return _table(("Address", "Status", "Lists", *tags), rows) + (f"<p>… and {more:,} more.</p>" if more else "")


def _calls(calls: list[Call]) -> str:
    rows = (
        (f"{call.at:%m-%d %H:%M:%S}", call.method, call.path, call.query, call.size, call.status)
        for call in reversed(calls[-SHOWN:])
    )
    table = _table(("At", "Method", "Path", "Query", "Bytes", "Status"), rows)
    return f"<details><summary>Call log: the last {min(SHOWN, len(calls))} of {len(calls):,}</summary>{table}</details>"


def _till(codes: Mapping[str, datetime]) -> str:
    rows = ((code, f"{at:%Y-%m-%d %H:%M}") for code, at in list(codes.items())[-SHOWN:])
    return f'<h2 id="till">Till</h2><p class="soft">{len(codes):,} codes known</p>{_table(("Code", "Since"), rows)}'


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    if not body:
        return '<p class="soft">None yet.</p>'
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f'<td class="n">{value:,}</td>' if is_number else f"<td>{escape(str(value))}</td>"
