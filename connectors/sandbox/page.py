"""A page for people: what arrived at each emulated provider. Plain HTML; addresses are shown, as all of it is local."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from connectors.sandbox.faults import FAULTS
from connectors.sandbox.world import Shows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from connectors.sandbox.router import Sandbox
    from connectors.sandbox.world import Call, Contact, Job, Provider

__all__ = ["render"]

SHOWN = 50  # contacts, codes, jobs and calls on the page
CODES = 12  # codes of a pool
STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2430, #e6e9ee); --soft: light-dark(#5b6675, #9aa5b5);
  --line: light-dark(#dfe4ea, #333c48); --back: light-dark(#f6f7f9, #14181e); --card: light-dark(#fff, #1b2129);
  --link: light-dark(#0b5cad, #7db7f5); --good: light-dark(#116b3c, #6fd39f); --bad: light-dark(#a4262c, #ff9a94);
  --wait: light-dark(#835c00, #eec35e); }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--back); margin: 0 auto;
  max-width: 80rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.45rem; margin: 0; } h2 { font-size: 1.2rem; margin: 0; }
h3 { font-size: .95rem; margin: 1.4rem 0 .4rem; }
p { margin: .3rem 0; } time { font-weight: 600; white-space: nowrap; } .soft { color: var(--soft); } a { color: var(--link); }
nav { display: flex; flex-wrap: wrap; gap: .4rem 1.1rem; margin: .8rem 0 1.2rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.2rem 1.2rem;
  margin-bottom: 1.2rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; margin: .9rem 0 0; }
dl div { border: 1px solid var(--line); border-radius: .4rem; padding: .35rem .7rem; }
dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
.wide { overflow: auto; max-height: 28rem; width: fit-content; max-width: 100%; border: 1px solid var(--line);
  border-radius: .4rem; }
table { border-collapse: collapse; font-size: .86rem; min-width: min(34rem, 100%); }
th, td { text-align: left; padding: .28rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top;
  white-space: nowrap; }
tr:last-child td { border-bottom: 0; } thead th { position: sticky; top: 0; background: var(--card); font-weight: 600; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } td.long { white-space: normal; min-width: 14rem; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); }
details { margin-top: 1rem; } summary { cursor: pointer; font-weight: 600; font-size: .95rem; margin-bottom: .4rem; }
.alarm { border-color: var(--bad); }
"""
_TONES = {
    **dict.fromkeys(("subscribed", "finished", "complete", "completed"), "good"),
    **dict.fromkeys(("unsubscribed", "cleaned", "complained", "suppressed", "failed", "cancelled"), "bad"),
    **dict.fromkeys(
        ("pending", "queued", "processing", "started", "preprocessing", "finalizing", "in_process"), "wait"
    ),
}
_WORDS = {"str": "text", "int": "number", "float": "number", "bool": "yes or no"}  # where types are those of values
_HTTP_ERROR = 400


def render(sandbox: Sandbox, codes: Mapping[str, datetime]) -> str:
    """The whole page."""
    links = " ".join(f'<a href="#{escape(name)}">{_name(name)}</a>' for name in sandbox.providers)
    sections = "".join(_provider(sandbox, provider) for provider in sandbox.providers.values())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>ciblage sandbox</title><style>{STYLE}</style></head><body>"
        "<h1>ciblage sandbox</h1>"
        '<p class="soft">Emulated providers on this machine: what arrived, and what they made of it.'
        f" Their time is <time>{sandbox.world.now():%Y-%m-%d %H:%M} UTC</time>. Reload to see what is new.</p>"
        f'<nav>{links} <a href="#till">Till</a> <a href="#faults">Faults</a></nav>'
        f"{_faults(sandbox, is_alarm=True)}{sections}{_till(codes)}{_faults(sandbox, is_alarm=False)}</body></html>\n"
    )


def _name(name: str) -> str:
    return escape({"activecampaign": "ActiveCampaign"}.get(name, name.capitalize()))


def _provider(sandbox: Sandbox, provider: Provider) -> str:
    contacts, titles = provider.contacts(), provider.lists()
    calls = [call for call in sandbox.calls if call.provider == provider.name]
    reads = sum(call.is_read for call in calls)
    figures = {
        "Contacts": len(contacts),
        "May be mailed": sum(contact.mailable for contact in contacts.values()),
        "Lists": len(titles),
        "Writes": len(calls) - reads,
        "Reads": reads,
    }
    head = f'<section id="{escape(provider.name)}"><h2>{_name(provider.name)}</h2>'
    address = escape(sandbox.world.base_url + provider.prefix)
    if not calls and not contacts and not titles:
        hint = f'<p>Nothing has arrived yet. Point a destination here: <code>base_url = "{address}"</code></p>'
        return f"{head}{hint}</section>"
    inside = _inside(provider) if isinstance(provider, Shows) else ""
    return (
        f'{head}<p class="soft">answers at <code>{address}</code></p>'
        f"{_figures(figures)}<h3>Lists and segments</h3>{_lists(contacts, titles)}"
        f"<h3>Contacts and their merge tags</h3>{_contacts(contacts, titles)}{inside}{_calls(calls)}</section>"
    )


def _figures(figures: Mapping[str, int]) -> str:
    return (
        "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in figures.items()) + "</dl>"
    )


def _inside(provider: Shows) -> str:
    """Merge tags, pools and jobs."""
    fields, pools, jobs = provider.fields(), provider.codes(), provider.jobs()
    pooled = (
        (ref, len(codes), ", ".join(codes[:CODES]) + (" …" if len(codes) > CODES else ""))
        for ref, codes in pools.items()
    )
    return (
        _folded(
            f"Merge tags: {len(fields):,}",
            _table(("Name", "Type"), ((name, _WORDS.get(kind, kind)) for name, kind in sorted(fields.items()))),
        )
        + _folded(
            f"Pools of codes: {len(pools):,}", _table(("Pool", "Codes#", "The first"), pooled), is_open=bool(pools)
        )
        + _folded(f"Jobs: {len(jobs):,}", _jobs(jobs), is_open=any(_is_going(job) for job in jobs))
    )


def _is_going(job: Job) -> bool:
    return _TONES.get(job.status) == "wait"


def _jobs(jobs: Sequence[Job]) -> str:
    rows = (
        (f"{job.at:%m-%d %H:%M:%S}" if job.at else "", job.kind, job.ref, job.status, job.total, job.done, job.failed)
        for job in reversed(jobs[-SHOWN:])
    )
    return _table(("Begun", "Kind", "Id", "Status", "Records#", "Done#", "Failed#"), rows)


def _folded(title: str, inner: str, *, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{escape(title)}</summary>{inner}</details>"


def _lists(contacts: Mapping[str, Contact], titles: Mapping[str, str]) -> str:
    sizes, mailable = dict.fromkeys(titles, 0), dict.fromkeys(titles, 0)
    for contact in contacts.values():
        for ref in contact.lists & sizes.keys():
            sizes[ref] += 1
            mailable[ref] += contact.mailable
    rows = ((titles[ref], sizes[ref], mailable[ref], ref) for ref in titles)
    return _table(("List", "Members#", "May be mailed#", "Id"), rows)


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
    return _table(("Address", "Status", "Lists", *tags), rows) + (
        f'<p class="soft">… and {more:,} more.</p>' if more else ""
    )


def _calls(calls: list[Call]) -> str:
    rows = (
        (
            f"{call.at:%m-%d %H:%M:%S}",
            call.method,
            str(call.status) if call.status else "no answer",
            call.fault,
            call.path,
            unquote_plus(call.query),
            call.size,
        )
        for call in reversed(calls[-SHOWN:])
    )
    table = _table(("At", "Method", "Status", "Fault", "Path", "Query", "Bytes#"), rows)
    wrong = sum(not call.status or call.status >= _HTTP_ERROR for call in calls)
    told = f", {wrong:,} of them refused or unanswered" if wrong else ""
    return _folded(f"Call log: the last {min(SHOWN, len(calls))} of {len(calls):,}{told}", table)


def _till(codes: Mapping[str, datetime]) -> str:
    rows = ((code, f"{at:%Y-%m-%d %H:%M}") for code, at in list(codes.items())[-SHOWN:])
    return (
        f'<section id="till"><h2>Till</h2><p class="soft">The shop\'s own: {len(codes):,} codes that it takes.</p>'
        f"{_table(('Code', 'Since'), rows)}</section>"
    )


def _faults(sandbox: Sandbox, *, is_alarm: bool) -> str:
    """What goes wrong now, on top; how to ask for it, at the end."""
    told = sandbox.faults.told()
    if is_alarm:
        if not told:
            return ""
        rows = ([_said(one, name) for name in ("fault", "provider", "when", "times", "struck")] for one in told)
        table = _table(("Fault", "At", "Meets", "Times", "Struck#"), rows)
        return f'<section class="alarm"><h2>Faults in force</h2>{table}</section>'
    known = _table(("Fault", "What happens"), ((name, fault.words) for name, fault in FAULTS.items()))
    call = '{"fault": "throttled", "provider": "brevo", "times": 2}'
    return (
        f'<section id="faults"><h2>Faults</h2><p class="soft">{"In force: see above." if told else "None in force."}'
        f" Ask for one with <code>POST /sandbox/faults {escape(call)}</code>, for some of all with"
        f" <code>{escape('{' + chr(34) + 'mix' + chr(34) + ': 0.1}')}</code>;"
        f" <code>DELETE /sandbox/faults</code> takes them back.</p>{_folded('All that can happen', known)}</section>"
    )


def _said(one: Mapping[str, Any], name: str) -> object:
    if "mix" in one:
        return {"fault": f"any of {len(one['faults'])}", "times": f"{one['mix']:.0%} of all calls"}.get(name, "")
    empty = {"provider": "all", "times": "until taken back"}
    said = one[name] if one[name] not in {"", None} else empty.get(name, "")
    return said if name == "struck" else str(said)


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """`#` at the end of a heading: a column of numbers."""
    names = list(heads)
    head = "".join(
        f'<th class="n">{escape(name[:-1])}</th>' if name.endswith("#") else f"<th>{escape(name)}</th>"
        for name in names
    )
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    if not body:
        return '<p class="soft">None yet.</p>'
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'<td class="n">{value:,}</td>'
    text = str(value)
    tone = _TONES.get(text) or ("bad" if text == "no answer" or _is_error(text) else "")
    kind = " ".join(filter(None, (tone, "long" if len(text) > 60 else "")))  # noqa: PLR2004 - letters of a line
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _is_error(text: str) -> bool:
    return len(text) == 3 and text.isdecimal() and int(text) >= _HTTP_ERROR  # noqa: PLR2004 - digits of a status
