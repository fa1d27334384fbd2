"""What a plan says it costs is what it costs: write calls exactly, polls within the range, at each emulated provider."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_lab import Person
from plan_lab import replace as changed
from plan_lab import table as members
from provider_lab import SETTINGS, Account

from connectors.spec import Limit, Spec, cut
from connectors.types import Change, ClearTraits, Profile, SetTraits
from engine.plan.estimate import Estimate, estimate
from engine.plan.plan import plan
from engine.plan.rows import schema
from engine.plan.spool import Rows
from engine.push.push import push

BOTH = frozenset({"loyal", "fresh"})
COUNT = 1203  # more than two calls hold at Mailchimp


@pytest.fixture(params=sorted(SETTINGS))
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    made = Account(request.param)
    yield made
    made.ledger.close()


def carried(account: Account, people: list[Person]) -> tuple[Estimate, int, int, float]:
    """The estimate; the writes and the reads of jobs that were counted; and how long it took."""
    wide = members(people, ["loyal", "fresh"])
    now = account.clock.utc()
    accounts = {"news": account.connector.check().id}
    made = plan([account.destination], wide, account.ledger, now=now, config_hash="h", accounts=accounts)
    first, begun = len(account.sandbox.calls), account.clock.monotonic()
    [result] = push(made, [account.carrier], account.ledger, wide, clock=account.clock, now=now)
    assert (result.error, result.rejected) == (None, [])
    calls = account.sandbox.calls[first:]
    jobs = (
        "/batches",
        "/processes",
        "bulk-import-jobs",
        "bulk-create-jobs",
        "/archive",
        ".tar.gz",
        "/results",
        "/exports",
    )
    polls = [call for call in calls if call.is_read and any(part in call.path for part in jobs)]
    writes = [call for call in calls if not call.is_read]
    return made.destinations[0].estimate, len(writes), len(polls), account.clock.monotonic() - begun


def test_planned_calls_are_the_calls_that_are_counted(account: Account) -> None:
    everyone = [Person(f"c{number}", BOTH, orders=number) for number in range(COUNT)]
    fewer = [changed(one, segments=frozenset({"loyal"})) if place % 2 else one for place, one in enumerate(everyone)]
    rounds = {
        "create": everyone,
        "update": [changed(one, name=f"Zoé {one.id}") for one in everyone],
        "leave one": [changed(one, name=f"Zoé {one.id}") for one in fewer],
        "leave all": [changed(one, name=f"Zoé {one.id}", segments=frozenset()) for one in fewer[:700]] + fewer[700:],
        "nothing": [changed(one, name=f"Zoé {one.id}", segments=frozenset()) for one in fewer[:700]] + fewer[700:],
    }
    for what, people in rounds.items():
        told, writes, polls, took = carried(account, people)
        account.clock.sleep(timedelta(days=1).total_seconds())
        assert told.calls == writes, f"{what}: {told}"
        assert told.polls <= polls <= told.polls_most, f"{what}: {told}, {polls} polls"
        assert took <= told.seconds_most, f"{what}: {told}, {took} seconds"


def test_a_plan_for_nobody_makes_the_lists_and_no_more(account: Account) -> None:
    told, writes, polls, _ = carried(account, [])
    assert told.calls == writes > 0
    assert (told.polls_most, polls) == (0, 0)
    told, writes, polls, _ = carried(account, [])
    assert (told, writes, polls) == (Estimate(calls=0), 0, 0)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), max_size=30)


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from([SetTraits, ClearTraits]),
    people=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=40),
    items=st.integers(1, 15),
    size=st.integers(40, 600),
)
def test_calls_limited_in_bytes_are_counted_as_they_are_cut(
    kind: type[SetTraits | ClearTraits], people: list[tuple[str, str]], items: int, size: int
) -> None:
    import json

    import pyarrow as pa
    import pyarrow.compute as pc

    limit = Limit(items=items, bytes=size, each=20)
    spec = Spec(
        name="x", version="1", settings=lambda: None, carries={kind: limit}, fields={}, fit=lambda _, value: str(value), field_names=None  # type: ignore[arg-type,return-value]  # not asked for
    )  # fmt: skip
    changes, rows = list[Change](), []
    for number, (first, second) in enumerate(people):
        values = {"FIRST": first, "ÉTÉ": second}
        email = f"p{number}@é.example"
        profile = Profile(email)
        is_clear = kind is ClearTraits
        changes.append(
            ClearTraits(id=f"{number}", profile=profile, fields=tuple(values))
            if is_clear
            else SetTraits(id=f"{number}", profile=profile, traits=values)
        )
        for name, title in (("a", "FIRST"), ("b", "ÉTÉ")):
            text = json.dumps(values[title], ensure_ascii=False)
            rows.append(dict.fromkeys(schema().names) | {"change_id": f"{number:05}", "kind": kind.__name__, "target": "contacts", "field": name, ("before" if is_clear else "after"): text, "content_hash": f"{number:05}", "destination": "x", "phase": 1, "customer_id": email})  # fmt: skip
    stored = Rows.of([pa.Table.from_pylist(rows, schema=schema())])
    sizes = lambda part: pc.binary_length(part["customer_id"].cast(pa.string()))  # noqa: E731 - one word for one argument
    told = estimate(spec, stored, {"a": "FIRST", "b": "ÉTÉ"}, sizes=sizes)
    assert told.calls == len(list(cut(changes, limit)))
