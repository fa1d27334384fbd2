"""Writes that are answered at once: new contacts, and segment members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

from connectors import errors
from connectors.http import Http, Response
from connectors.mailchimp import members, wire
from connectors.mailchimp.spec import SKEW, SLOW
from connectors.types import AddContact, AddMember, Batch, Change, ContactChange, Outcome, Reason, Ref, State


def add(http: Http, batch: Batch) -> Iterator[Outcome]:
    """Create contacts; those that exist are left as they are."""
    adds = [change for change in batch.changes if isinstance(change, AddContact)]
    sent = [change for change in adds if change.status in wire.STATUS]
    why = wire.Failure(Reason.OTHER, "a pending consent is not sent: it would mail a confirmation request")
    yield from (wire.rejected(change, why) for change in adds if change.status not in wire.STATUS)
    if not sent:
        return
    params = {"skip_merge_validation": "true", "skip_duplicate_check": "true"}
    body = {"members": [wire.member(change) for change in sent]}
    response = _write(http, f"/lists/{batch.ref}", body, sent, params)
    if response is None:
        yield from map(_no_target, sent)
        return
    outcomes, waiting = wire.added(sent, response.json())
    yield from outcomes
    yield from _unmentioned(http, batch.ref, waiting)


def _unmentioned(http: Http, audience: str, waiting: Mapping[str, Sequence[ContactChange]]) -> Iterator[Outcome]:
    """Batch add passes over some addresses in silence (pmpro-mailchimp#152, 2026-05): they are looked up."""
    wanted = {wire.subscriber(email): email for email in waiting}
    entries = members.some(http, audience, wanted, ("id", "status"))
    present = {wanted[entry["id"]] for entry in entries if entry["id"] in wanted}
    why = wire.Failure(Reason.OTHER, "the answer passes over this contact, and it is not in the audience")
    for email, changes in waiting.items():
        yield from (wire.exists(change) if email in present else wire.rejected(change, why) for change in changes)


def move(http: Http, batch: Batch) -> Iterator[Outcome]:
    """Put contacts into a segment, or take them out."""
    changes = wire.contacts(batch)
    is_add = isinstance(changes[0], AddMember)
    audience, _, segment = batch.ref.partition("/")
    addresses = [change.profile.email for change in changes]
    body = {"members_to_add" if is_add else "members_to_remove": list(dict.fromkeys(addresses))}
    response = _write(http, f"/lists/{audience}/segments/{segment}", body, changes)
    if response is None:
        yield from map(_no_target, changes)
        return
    key = "members_added" if is_add else "members_removed"
    outcomes, waiting, words = wire.moved(changes, response.json(), key)
    yield from outcomes
    if waiting:
        yield from _unmoved(http, batch.ref, waiting, words, is_add=is_add)


def _unmoved(
    http: Http, ref: Ref, waiting: Mapping[str, Sequence[ContactChange]], words: Mapping[str, str], *, is_add: bool
) -> Iterator[Outcome]:
    """What the answer does not say (present already, absent already, not a contact) is read, not guessed."""
    standing = members.standing(http, ref, waiting)
    for email, changes in waiting.items():
        is_in = standing.get(wire.subscriber(email))
        for change in changes:
            if is_in is is_add or (is_in is None and not is_add):
                yield Outcome(id=change.id, state=State.NOOP, words=words.get(email) or None)
            else:
                reason = Reason.GONE if is_in is None else Reason.OTHER
                yield wire.rejected(change, wire.Failure(reason, words.get(email, "")))


def _write(
    http: Http, path: str, body: object, changes: Sequence[ContactChange], params: Mapping[str, str] | None = None
) -> Response | None:
    """The answer; None when the target is gone. Raises InvalidRequest with the culprits that the answer names."""
    try:
        return http("POST", path, json=body, params=params, timeout=SLOW)
    except errors.InvalidRequest as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        error.culprits.update(wire.culprits(error.body, changes))
        raise


def recall_added(http: Http, audience: str, changes: Sequence[ContactChange], since: datetime) -> Iterator[Outcome]:
    """Those of the contacts that are there and changed since then."""
    changed = {"since_last_changed": wire.stamp(since - SKEW)}
    entries = members.everyone(http, audience, ("id", "status", "merge_fields"), **changed)
    found = {entry["id"]: entry for entry in entries if entry.get("status") not in wire.GONE}
    for change in changes:
        entry = found.get(wire.subscriber(change.profile.email))
        if entry is not None:
            yield wire.recalled(change, entry)


def recall_moved(http: Http, ref: Ref, changes: Sequence[ContactChange]) -> Iterator[Outcome]:
    """Those of the changes that the segment shows as done."""
    within = members.present(http, ref)
    for change in changes:
        if (wire.subscriber(change.profile.email) in within) == isinstance(change, AddMember):
            yield Outcome(id=change.id, state=State.APPLIED)


def _no_target(change: Change) -> Outcome:
    return Outcome(id=change.id, state=State.REJECTED, reason=Reason.UNKNOWN_TARGET)
