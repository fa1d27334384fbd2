"""A plan as people read it: the same parts and the same words on a terminal, in a pull request and on a client's page."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from engine.plan.effects import side_effects
from engine.show.blocks import Block, Command, Grid, Note, Page, Part, Tone
from engine.show.differences import difference
from engine.show.views import pairs, spoken
from engine.words import amount, moment, number, say

if TYPE_CHECKING:
    from datetime import tzinfo

    from engine.plan.effects import Created, SideEffects
    from engine.plan.guard import Refusal
    from engine.plan.plan import Plan
    from engine.plan.summary import IssueSummary
    from engine.results import Planned

__all__ = ["agreement", "effects", "issues", "objections", "page"]

_WAITING = "unapproved"


def page(result: Planned, lang: str, zone: tzinfo) -> Page:
    """The whole document: what to know before agreeing, where what changes, and how to agree."""
    plan = result.plan
    parts = [
        *objections(result, lang),
        *([effects(plan, lang)] if plan.destinations else [Part(say("plan.nowhere", lang), [])]),
        *issues(plan, lang),
        *(difference(one, lang) for one in plan.destinations),
        *([agreement(result, lang)] if plan.destinations else []),
    ]
    title = say("plan.title", lang, client=plan.client)
    return Page(lang=lang, title=title, facts=list(_facts(plan, lang, zone)), parts=parts)


def _facts(plan: Plan, lang: str, zone: tzinfo) -> Iterator[tuple[str, str]]:
    yield say("plan.made", lang), f"{moment(plan.now.astimezone(zone), lang)} ({zone})"
    if plan.shop.newest is not None:
        yield say("plan.shop", lang), moment(plan.shop.newest.astimezone(zone), lang)
    changes = sum(one.changes for one in plan.destinations)
    yield say("plan.changes", lang), number(changes, lang)
    for one in plan.destinations:
        if one.account is not None:
            yield say("plan.account", lang, name=one.name), one.account
    yield say("plan.checksum_name", lang), plan.checksum


def objections(result: Planned, lang: str, *, most: int | None = None) -> Iterator[Part]:
    """What speaks against carrying it: guards, destinations left out, warnings; `most` reasons of one destination."""
    notes: list[Block] = list(refused(result.refusals, lang, most=most, told={_WAITING}))
    notes += [
        Note(say("plan.unreachable", lang, name=name, why=spoken(str(why))), Tone.BAD)
        for name, why in result.unreachable.items()
    ]
    untold = [one for one in result.plan.destinations if not one.hears_departures]
    warnings = [*result.warnings, *(say("plan.untold", lang, name=one.name, connector=one.connector) for one in untold)]
    notes += [Note(warning, Tone.WARN) for warning in warnings]
    if notes:
        yield Part(say("plan.objections", lang), notes)


def refused(
    found: Sequence[Refusal], lang: str, *, most: int | None = None, told: Collection[str] = ()
) -> Iterator[Note]:
    """What the guard refuses at each destination, the first reasons in words, and the flags that override them.

    `told`: kinds whose way out is told elsewhere.
    """
    last = {one.way(lang): one.destination for one in found if one.kind not in told}  # what all wait for is said once
    for name in dict.fromkeys(one.destination for one in found):
        mine = [one for one in found if one.destination == name]
        for one in mine[:most]:
            yield Note(one.told(lang), Tone.WARN if one.kind == _WAITING else Tone.BAD)
        if most is not None and len(mine) > most:
            yield Note(say("guard.more", lang, count=len(mine) - most))
        ways = [way for way, where in last.items() if where == name]
        typed = " ".join(way for way in ways if way.startswith("--"))
        for way in [typed, *(way for way in ways if not way.startswith("--"))]:
            if way:
                yield Note(say("guard.flag", lang, flag=way), Tone.QUIET)


def effects(plan: Plan, lang: str) -> Part:
    """The five side effects, each told even where there is none; and that nobody's consent rises."""
    found = side_effects(plan)
    nothing = say("effects.none", lang)
    told = [
        ("effects.billable", _billable(found, lang)),
        ("effects.flows", [say("effects.flow", lang, count=one.people, title=one.title, name=one.destination) for one in found.flows]),
        ("effects.first_mails", [say("effects.people", lang, count=found.first_mails)] if found.first_mails else []),
        ("effects.money", list(_money(found, plan.currency, lang))),
        ("effects.created", [_created(name, made, lang) for name, made in found.created.items()]),
    ]  # fmt: skip
    rows = [(say(key, lang), "\n".join(lines or [nothing])) for key, lines in told]
    rises = sum(one.resubscriptions for one in plan.destinations)
    consent = Note(say("plan.resubscriptions", lang, count=rises), Tone.BAD if rises else Tone.GOOD)
    return Part(say("effects.title", lang), [Grid([("", False), ("", False)], rows), consent])


def _billable(found: SideEffects, lang: str) -> list[str]:
    return [say("effects.at", lang, count=count, name=name) for name, count in found.billable.items()]


def _money(found: SideEffects, currency: str, lang: str) -> Iterator[str]:
    if found.codes:
        yield say("effects.risk", lang, count=found.codes, cost=amount(found.at_risk, currency, lang))
    for offer, count in found.unpriced.items():
        yield say("effects.unpriced", lang, count=count, offer=offer)


def _created(name: str, made: Created, lang: str) -> str:
    kinds = (("effects.lists", made.lists), ("effects.fields", made.fields), ("effects.pools", made.pools))
    told = [say(key, lang, names=", ".join(titles)) for key, titles in kinds if titles]
    return say("effects.there", lang, name=name, what=" · ".join(told))


def issues(plan: Plan, lang: str) -> Iterator[Part]:
    """Codes to mint with the most that they can cost, and people of the offer's segment who get none."""
    if plan.issues:
        notes = [note for issue in plan.issues for note in _issue(plan, issue, lang)]
        yield Part(say("plan.issues", lang), notes)


def _issue(plan: Plan, issue: IssueSummary, lang: str) -> Iterator[Note]:
    pools = {pool.name for one in plan.destinations for pool in one.pools}
    key = (
        "plan.codes_unknown"
        if issue.highest_cost is None
        else "plan.codes_pool"
        if issue.offer in pools
        else "plan.codes"
    )
    cost = {} if issue.highest_cost is None else {"cost": amount(issue.highest_cost, plan.currency, lang)}
    if issue.codes:
        yield Note(say(key, lang, count=issue.codes, offer=issue.offer, **cost))
    if issue.renewed:
        yield Note(say("plan.codes_renewed", lang, count=issue.renewed, offer=issue.offer))
    if issue.refused:
        yield Note(say("plan.codes_refused", lang, offer=issue.offer, reasons=pairs(issue.refused, "refused", lang)))


def agreement(result: Planned, lang: str, *, is_typed: bool = False) -> Part:
    """What to type to agree, and to carry exactly this plan; `is_typed`: by whom it was just made, where it was made."""
    config = f" --config {shlex.quote(str(result.config))}" if is_typed and result.config else ""
    if result.file is None:
        hint = f"ciblage plan --out plan.parquet --document plan.html{config}"
        return Part(say("plan.agreement", lang), [Note(say("plan.unsaved", lang)), Command(hint)])
    file = shlex.quote(str(result.file) if is_typed else result.file.name)
    push = f"ciblage push --plan {file} --checksum {result.plan.checksum}{config}"
    return Part(
        say("plan.agreement", lang),
        [
            Note(say("plan.agree", lang)),
            Command(f"ciblage approve {file} --by {say('plan.by', lang)}{config}"),
            Note(say("plan.carry", lang)),
            Command(push),
        ],
    )
