"""The laws on the account and on targets: what the spec says, what is found, what is created."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from connectors import errors
from connectors.base import PullsEngagement, ReceivesEvents
from connectors.testing.carrier import carry
from connectors.testing.lab import Faulty, Lab
from connectors.testing.stage import set_stage
from connectors.testing.staging import Staging
from connectors.types import (
    AddCode,
    AddMember,
    ClearTraits,
    Profile,
    Reason,
    RemoveMember,
    SetTraits,
    Target,
    TargetKind,
    ValueKind,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.base import Connector
    from connectors.spec import Spec

__all__ = ["SAMPLES", "TargetLaws"]

SAMPLES: Mapping[ValueKind, object] = MappingProxyType(
    {
        ValueKind.TEXT: "Été",
        ValueKind.NUMBER: Decimal("12.5"),
        ValueKind.BOOLEAN: True,
        ValueKind.DATE: date(2018, 2, 28),
        ValueKind.INSTANT: datetime(2018, 2, 28, 9, 30, tzinfo=UTC),
        ValueKind.URL: "https://shop.example/a?b=c&d=é",
    }
)
_MANY = 61  # lists, fields: more than any provider gives in one page without being asked
_LONGEST = 1_000  # characters that a name is tried with
_TITLES = ("L'été d'Anaïs", "木綿 🎁", 'a "b" <c> & d', "100 % / 50 €", "null", "O''Brien \\ sons")
_LOSSES = ("reset_before", "reset_after", "truncated", "slow")
_PAIRS = ((AddMember, RemoveMember), (SetTraits, ClearTraits))


class TargetLaws(Staging):
    """What the connector says of itself, and the places that it writes to."""

    def test_the_spec_holds_together(self, lab: Lab) -> None:
        """What the plan relies on: pairs of changes, prerequisites, a fit for each kind of value."""
        spec = lab.connector.spec
        assert re.fullmatch("[a-z][a-z0-9_]*", spec.name), f"Spec.name is a word of a-z 0-9 _, not '{spec.name}'"
        assert spec.version, "Spec.version is empty: rejected changes are tried again under a new one"
        assert spec.carries, "Spec.carries is empty: name the kinds of change that the provider takes, with their Limit"
        for does, undoes in _PAIRS:
            assert undoes in spec.carries or does not in spec.carries, (
                f"it carries {does.__name__} and not {undoes.__name__}: what was written could never be taken back"
            )
        for kind, limit in spec.carries.items():
            assert limit.items > 0, f"Limit.items of {kind.__name__} is {limit.items}: at least one fits"
            assert limit.after <= spec.carries.keys(), (
                f"Limit.after of {kind.__name__} names kinds that are not carried"
            )
        told = isinstance(lab.connector, (PullsEngagement, ReceivesEvents))
        assert told or not spec.reports, "Spec.reports promises events: add pull() or parse(), or leave it empty"
        for value, shape in spec.fields.items():
            fitted = spec.fit(value, SAMPLES[value])
            assert not isinstance(fitted, Reason), (
                f"fit() refuses a plain {value} ({fitted}), which Spec.fields declares"
            )
            assert not shape.pattern or re.fullmatch(shape.pattern, str(fitted)), f"fit({value}) breaks Field.pattern"
            for odd in (object(), float("nan"), "", "\0"):
                spec.fit(value, odd)  # a Reason or a value: never an exception

    def test_the_account_is_told(self, lab: Lab) -> None:
        """check() proves the settings, reads only, and names the same account each time."""
        first = len(lab.calls())
        account = lab.connector.check()
        assert account.id, "check() must say which account the key opens: the plan refuses another one"
        assert lab.connector.check().id == account.id, "Account.id must not change between two calls"
        assert lab.calls()[first:], "check() asked nobody: prove the settings with a call"
        assert all(call.is_read for call in lab.calls()[first:]), "check() must only read"

    def test_creating_twice_creates_once(self, lab: Lab) -> None:
        """create() finds first; a second connector, which remembers nothing, gets the same refs."""
        stage = set_stage(lab, AddCode if AddCode in lab.connector.spec.carries else AddMember)
        lists = dict(lab.lists())
        again = lab.connector.create(stage.targets.values())
        refs = {name: again.get(target) for name, target in stage.targets.items()}
        assert refs == dict(stage.refs), "creating what exists must return the ref that it has"
        assert dict(lab.lists()) == lists, "creating twice made another list"

    @pytest.mark.parametrize("fault", _LOSSES)
    def test_a_lost_answer_creates_once(self, lab: Lab, fault: str) -> None:
        """The first creation was carried out or not, and its answer lost: the second finds what is there."""
        if not isinstance(lab, Faulty) or fault not in lab.faults:
            pytest.skip("the lab cannot lose an answer")
        for target in _lost(lab.connector.spec):
            first = len(lab.calls())
            lab.fault(fault)
            try:
                made: object = lab.connector.create([target])
            except errors.ConnectorError:
                made = None
            lab.fault(None)
            if all(call.is_read for call in lab.calls()[first:]):
                continue  # it needs no creation
            there = dict(lab.connector.find([target]))
            assert made is None or made == there, f"create() met '{fault}' and made a ref up: let http's error pass"
            refs = lab.connector.create([target])
            times = [*lab.lists().values()].count(target.title)
            assert times < 2, "create() must find first: a lost answer made a second list"
            assert refs == lab.connector.find([target]), "create() gave a ref that is not the one that find() sees"
            assert times or target.kind is not TargetKind.SEGMENT, "create() gave a ref, and made no list"

    def test_finding_only_reads(self, lab: Lab) -> None:
        """find() sends no write, and leaves out what is missing."""
        stage = set_stage(lab, AddMember)
        wanted = [*stage.targets.values()]
        ghost = type(wanted[0])(kind=TargetKind.SEGMENT, name="ghost", title="kit ghost")
        first = len(lab.calls())
        found = lab.connector.find([*wanted, ghost])
        writes = [call.path for call in lab.calls()[first:] if not call.is_read]
        assert not writes, f"find() must only read, and wrote to {writes}"
        assert ghost not in found, "find() must leave out what does not exist"
        assert {name: found.get(target) for name, target in stage.targets.items()} == dict(stage.refs), (
            "find() must give the refs that create() gave, for all that exist"
        )

    def test_finding_reads_every_page(self, lab: Lab) -> None:
        """More lists and fields than a page holds are all found, and not created again."""
        spec = lab.connector.spec
        room = min(_MANY, (spec.max_fields or 2 * _MANY) // 2)  # some are the provider's own
        names = [f"KIT_{at}" if spec.field_names.upper else f"kit_{at}" for at in range(room)]
        targets = [
            *(Target(kind=TargetKind.SEGMENT, name=f"s{at}", title=f"kit {at}") for at in range(_MANY)),
            *(Target(kind=TargetKind.FIELD, name=name, title=name, value=ValueKind.TEXT) for name in names),
        ]
        refs = lab.connector.create(targets)
        found = lab.connector.find(targets)
        missing = [target.title for target in targets if target not in found]
        assert not missing, f"find() misses {len(missing)} of {len(targets)} that exist: read every page"
        assert dict(found) == dict(refs), "find() and create() disagree on a ref"
        lists = dict(lab.lists())
        lab.connector.create(targets)
        assert lab.lists() == lists, "what find() did not see was created a second time"

    def test_names_arrive_as_they_were_given(self, lab: Lab) -> None:
        """Titles in any script and at the longest that `Limit.names` allows; fields at `Names.length`, one letter apart."""
        stage = self.stage(lab, SetTraits)
        connector, spec = lab.connector, lab.connector.spec
        listed = [Target(kind=TargetKind.SEGMENT, name=f"t{at}", title=title) for at, title in enumerate(_titles(spec))]
        fields = [Target(kind=TargetKind.FIELD, name=name, title=name, value=ValueKind.TEXT) for name in _twins(spec)]
        refs = _created(connector, [*listed, *fields])
        shown = lab.lists()
        for target in listed:
            assert shown.get(refs[target]) == target.title, (
                f"a list named '{target.title}' is called '{shown.get(refs[target])}' there: narrow Limit.names"
            )
        assert refs[fields[0]] != refs[fields[1]], "two fields whose names differ in the last letter became one"
        email = stage.seed(1)
        traits = {refs[field]: field.title.lower() for field in fields}
        carry(lab, [SetTraits(id="long", profile=Profile(email), traits=traits)], *stage.where)
        held = lab.truth()[email].fields
        got = {field.title: held.get(field.title) for field in fields}
        assert got == {field.title: field.title.lower() for field in fields}, (
            "a field with the longest name lost its value"
        )


def _created(connector: Connector, targets: list[Target]) -> Mapping[Target, str]:
    refs = connector.create(targets)
    assert dict(connector.find(targets)) == dict(refs), "find() does not find what create() created, under the same ref"
    return refs


def _lost(spec: Spec) -> Iterator[Target]:
    """One target of each kind that is created."""
    name = "KIT_LOST" if spec.field_names.upper else "kit_lost"
    yield Target(kind=TargetKind.SEGMENT, name="lost", title="kit lost")
    yield Target(kind=TargetKind.FIELD, name="lost", title=name, value=ValueKind.TEXT)
    if AddCode in spec.carries:
        yield Target(kind=TargetKind.POOL, name="lost", title="kitlost")


def _titles(spec: Spec) -> Iterator[str]:
    """Names of every sort that `Limit.names` allows, and the longest ones."""
    limit = spec.carries.get(AddMember)
    allowed = re.compile(limit.names if limit else ".{1,100}")
    yield from (title for title in _TITLES if allowed.fullmatch(title))
    for letter in ("x", "é", "🎁"):
        lengths = (length for length in range(_LONGEST, 0, -1) if allowed.fullmatch(letter * length))
        yield from (letter * length for length in [next(lengths, 0)] if length)


def _twins(spec: Spec) -> tuple[str, str]:
    """Two names of fields, as long as may be, that differ in the last letter."""
    stem = "k" * (spec.field_names.length - 1)
    return (f"{stem}1".upper(), f"{stem}2".upper()) if spec.field_names.upper else (f"{stem}1", f"{stem}2")
