"""The whole flow, top to bottom: pull → compute → plan → guard → push → verify; and its stages as verbs of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError, check_name
from engine.history import recorded
from engine.results import Approved, Exported, Options, Planned, PulledAll, Pushed, Retried, Review, Round
from engine.stages import carry_plan, compare_totals, load_review, make_plan, pull_all, reviewed_plan, write_codes
from engine.words import say

if TYPE_CHECKING:
    from engine.client import Client
    from engine.engagement.receiving import Received, Receiver
    from engine.erasure import Erasure, Trace
    from engine.offers import Confirmed

__all__ = [
    "Approved", "Exported", "Options", "Planned", "PulledAll", "Pushed", "Retried", "Review", "Round", "approve", "confirm_codes",
    "erase", "export_codes", "plan", "pull", "push", "receive", "retry", "run",
]  # fmt: skip


def run(client: Client, options: Options) -> Round:
    """What a schedule calls."""
    with recorded(client, "run") as record:
        pulled = pull_all(client)
        planned = make_plan(client, options, skip=pulled.failed)
        record.carries(planned)
        pushed = carry_plan(client, planned, options)
        record.ended(planned, pushed)
        return Round(pulled=pulled, planned=planned, pushed=pushed)


def pull(client: Client, *, totals: bool = False) -> PulledAll:
    """Bring back suppressions, engagement and redemptions; with `totals` compare campaigns with the providers' reports."""
    with recorded(client, "pull") as record:
        pulled = pull_all(client)
        if totals:
            pulled = replace(pulled, totals=compare_totals(client, skip=pulled.failed))
        record.summary = {"destinations": len(pulled.destinations), "redeemed": pulled.redeemed}
        record.exit_code = pulled.exit_code
        return pulled


def plan(client: Client, *, out: Path | None, force: Sequence[str] = (), recreate: Sequence[str] = ()) -> Planned:
    """What would change where. Reads only: nothing is written at a destination or in the ledger."""
    from engine.engagement import is_swept
    from engine.plan.file import save

    planned = make_plan(client, Options(force=force, recreate=recreate), skip={}, is_shown=True)
    unread = [one.name for one in planned.plan.destinations if not is_swept(client.ledger, one.name)]
    warnings = [say("plan.unswept", client.lang, name=name) for name in unread]
    if out is not None:
        save(planned.plan, out)
    return replace(planned, file=out, warnings=[*planned.warnings, *warnings], config=client.config.named)


def approve(client: Client, file: Path, by: str) -> Approved:
    """A person has read the plan in this file and agrees."""
    from engine.plan.file import load

    approved = load(file)
    if approved.client != client.settings.client:
        raise ConfigError(f"the plan is of the client {approved.client}", place=str(file))
    names = [one.name for one in approved.destinations]
    with recorded(client, "approve") as record:
        client.ledger.approvals.record(approved.checksum, names, by=by, at=client.now)
        record.summary = {"plan": approved.checksum, "by": by}
        return Approved(approved.checksum, by, names)


def push(client: Client, options: Options, review: Review | None = None) -> Pushed:
    """Carry a plan: the reviewed one as it is, or one made now. Who left is read first, everywhere."""
    reviewed = load_review(review) if review else None
    with recorded(client, "push") as record:
        failed = pull_all(client, engagement=False).failed
        if review and reviewed:
            planned = reviewed_plan(client, options, review, reviewed, failed)
        else:
            planned = make_plan(client, options, skip=failed)
        record.carries(planned)
        pushed = carry_plan(client, planned, options)
        record.ended(planned, pushed)
        return pushed


def receive(client: Client, tell: Callable[[Received], None]) -> Receiver:
    """What takes the deliveries of this client's providers, one path a destination. It runs beside other commands.

    Raises ConfigError where no destination's provider sends any.
    """
    from connectors.base import ReceivesEvents
    from engine.engagement.receiving import Receiver

    client.write()
    built = {name: client.connector(name) for name in client.settings.destinations}
    able = {name: one for name, one in built.items() if isinstance(one, ReceivesEvents)}
    if not able:
        raise ConfigError(
            "no destination's provider sends events by itself",
            place=client.config.place("destinations"),
            hint="`ciblage connectors` says which do; `ciblage pull` brings them from the others",
        )
    return Receiver(able, client.ledger, client.parts, client.clock, tell)


def erase(client: Client, email: str, *, yes: bool) -> Erasure | Trace:
    """Erase a person here and at every destination; without `yes` only say what would be. Raises ConfigError.

    What other erasures have left to do is tried again.
    """
    from engine import erasure
    from engine.client.erasing import erasure_site, find_person, resume_erasures

    if not yes:
        return erasure.trace(erasure_site(client), find_person(client, email))
    with recorded(client, "erase") as record:
        from engine.client.erasing import erase as begin

        done = begin(client, email)
        others = [one.exit_code for one in resume_erasures(client) if one.erasure != done.erasure]
        record.summary = {"erasure": done.erasure, "destinations": dict(done.destinations)}
        record.exit_code = done.exit_code or max(others, default=0)
        return done


def export_codes(client: Client, out: Path | None) -> Exported:
    """Write the codes that the shop does not know yet."""
    with recorded(client, "codes export"):
        return write_codes(client, out)


def confirm_codes(client: Client, file: Path) -> Confirmed:
    """The shop redeems the codes of this file."""
    from engine.offers import confirm

    with recorded(client, "codes confirm") as record:
        confirmed = confirm(client.ledger, file, now=client.now)
        record.summary = {"confirmed": confirmed.moved, "unknown": confirmed.unknown}
        record.exit_code = confirmed.exit_code
        return confirmed


def retry(client: Client, *, destination: str | None = None, reason: str | None = None) -> Retried:
    """Let refused changes be sent once more, all or those of a destination or for a reason. Raises ConfigError."""
    from connectors.types import Reason

    check_name(destination, client.settings.destinations, flag="--destination")
    check_name(reason, [one.value for one in Reason], flag="--reason")
    with recorded(client, "rejected") as record:
        forgiven = client.ledger.rejections.forgive(destination, tuple(Reason) if reason is None else [Reason(reason)])
        record.summary = {"destination": destination, "reason": reason, "changes": forgiven}
        return Retried(forgiven)
