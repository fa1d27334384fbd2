"""The laws on reading back: members, ids, values, suppressions; whole, and never a failure taken for an absence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors import errors
from connectors.base import ReadsMembers, ReadsSuppressions, ReadsTraits, Resolves
from connectors.testing.lab import Faulty, Lab, Shortens
from connectors.testing.stage import set_stage
from connectors.testing.staging import OUTAGES, Staging
from connectors.types import AddMember, Profile, Target, TargetKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connectors.base import Connector
    from connectors.testing.stage import Stage

__all__ = ["ReadingLaws"]

_LEAVING = frozenset({"unsubscribed", "pending", "cleaned", "archived", "suppressed", "complained"})
_CROWD = 1_010  # more people than any provider gives in one page
_GUESTS = 230  # more ids than a look-up takes in one call
_TRIES = 3  # of one read, by http
_FEW, _SHORT = 12, 5  # items, and how many a page holds when it is short


class ReadingLaws(Staging):
    """What is read is whole."""

    def test_members_are_read_to_the_last_page(self, lab: Lab) -> None:
        """Everybody in a list, each once, by normal address; count() is the provider's own figure."""
        connector = lab.connector
        if not isinstance(connector, ReadsMembers):
            pytest.skip(f"{connector.spec.name} does not read members")
        stage = set_stage(lab, AddMember)
        mine, outside = stage.refs["mine"], stage.seed(5_000)
        for number in range(_CROWD):
            spelled = stage.email(number).replace("kit", "Kit") if number == 1 else stage.email(number)
            lab.seed(spelled, lists={mine})
        people = [profile.email for page in connector.members(stage.targets["mine"], mine) for profile in page.items]
        assert len(people) == len(set(people)), "members() brings somebody twice: a page begins after the one before it"
        missing = {stage.email(number) for number in range(_CROWD)} - set(people)
        assert not missing, f"members() misses {len(missing)} of {_CROWD}: read every page, addresses in normal form"
        assert outside not in people, "members() brings somebody who is not in the list"
        assert connector.count(stage.targets["mine"], mine) == _CROWD, (
            "count() must be the provider's count of the list"
        )
        empty = [page for page in connector.members(stage.targets["other"], stage.refs["other"]) if page.items]
        assert sum(len(page.items) for page in empty) == 1, "the other list holds one person"

    def test_ids_are_found_for_more_than_a_page(self, lab: Lab) -> None:
        """resolve(): each address with its own id, however many are asked at once; strangers are absent."""
        connector = lab.connector
        if not isinstance(connector, Resolves):
            pytest.skip(f"{connector.spec.name} needs no ids")
        stage = set_stage(lab, AddMember)
        people = [stage.seed(number) for number in range(_GUESTS)]
        stranger = stage.email(9_999)
        found = connector.resolve([Profile(email) for email in [stranger, *reversed(people)]])
        truth = lab.truth()
        missing = [email for email in people if email not in found]
        assert not missing, f"resolve() finds {len(people) - len(missing)} of {len(people)}: ask page by page"
        assert {email: found[email] for email in people} == {email: truth[email].ref for email in people}, (
            "resolve() gives somebody another one's id: match by the address in the answer, never by place"
        )
        assert stranger not in found, "resolve() must leave out whom the provider does not know"

    def test_values_are_read_back(self, lab: Lab) -> None:
        """traits(): the values of those who are asked for, and of nobody else, also when they are many."""
        connector = lab.connector
        if not isinstance(connector, ReadsTraits):
            pytest.skip(f"{connector.spec.name} does not read values back")
        stage = set_stage(lab, AddMember)
        title = stage.targets["one"].title
        for number in range(_GUESTS):
            lab.seed(stage.email(number), fields={title: f"value {number}"}, lists={stage.refs["other"]})
        asked = [Profile(stage.email(number)) for number in range(1, _GUESTS)] + [Profile(stage.email(9_999))]
        found = connector.traits(asked)
        wanted = {stage.email(number): f"value {number}" for number in range(1, _GUESTS)}
        got = {email: held.get(stage.refs["one"]) for email, held in found.items()}
        assert got.keys() == wanted.keys(), (
            f"traits() brings {len(got)} people, {len(wanted)} of those asked for are there: read every page"
        )
        assert got == wanted, "traits() gives somebody another one's value"

    def test_every_suppression_is_found(self, lab: Lab) -> None:
        """More leavers than a page holds, in every state that a provider has; and nobody who may be mailed."""
        connector = lab.connector
        if not isinstance(connector, ReadsSuppressions):
            pytest.skip(f"{connector.spec.name} does not read suppressions")
        stage = set_stage(lab, AddMember)
        for number, status in enumerate(lab.statuses):
            for copy in range(_CROWD if status == "unsubscribed" else 3):
                stage.seed(number * 2_000 + copy, status)
        truth = lab.truth()
        gone = {email for email, contact in truth.items() if not contact.mailable and contact.status in _LEAVING}
        found = {item.email for page in connector.suppressions(None, lab.now()) for item in page.items}
        assert gone <= found, (
            f"{len(gone - found)} of {len(gone)} who left were not found: read every page, every state"
        )
        may = sorted({truth[email].status for email in found if email in truth and truth[email].mailable})
        assert not may, f"contacts that may be mailed are called suppressed: {may}"

    def test_short_pages_lose_nothing(self, lab: Lab) -> None:
        """A provider may give less than it was asked for: the end is where it says so, not at the first short page."""
        if not isinstance(lab, Shortens):
            pytest.skip("the lab cannot shorten pages")
        connector, stage = lab.connector, set_stage(lab, AddMember)
        extra = [Target(kind=TargetKind.SEGMENT, name=f"s{at}", title=f"kit {at}") for at in range(_FEW)]
        refs = connector.create(extra)
        mine, people = stage.refs["mine"], {stage.email(number) for number in range(_FEW)}
        for email in people:
            lab.seed(email, lists={mine})
        left = {stage.seed(100 + number, "unsubscribed") for number in range(_FEW)}
        lab.shorten(_SHORT)
        found = connector.find(extra)
        assert dict(found) == dict(refs), f"find() sees {len(found)} of {len(extra)} lists when pages are short"
        if isinstance(connector, ReadsMembers):
            read = {one.email for page in connector.members(stage.targets["mine"], mine) for one in page.items}
            assert read == people, f"members() sees {len(read)} of {len(people)} people when pages are short"
        if isinstance(connector, Resolves):
            ids = connector.resolve([Profile(email) for email in people])
            assert ids.keys() == people, f"resolve() sees {len(ids)} of {len(people)} people when pages are short"
        if isinstance(connector, ReadsSuppressions):
            gone = {one.email for page in connector.suppressions(None, lab.now()) for one in page.items}
            assert left <= gone, f"suppressions() sees {len(left & gone)} of {len(left)} who left when pages are short"

    @pytest.mark.parametrize("outage", OUTAGES)
    def test_a_failed_look_up_is_no_absence(self, lab: Lab, outage: str) -> None:
        """Every read fails: each method says so with an error, and none answers "not there"."""
        if not isinstance(lab, Faulty) or outage not in lab.faults:
            pytest.skip(f"the lab cannot fail with '{outage}'")
        stage = set_stage(lab, AddMember)
        stage.seed(1)
        lists = dict(lab.lists())
        first = len(lab.calls())
        lab.fault(outage, reads=True)
        for name, ask in _questions(lab.connector, lab, stage):
            before = len(lab.calls())
            with pytest.raises(errors.ConnectorError):
                pytest.fail(f"{name} met '{outage}' and answered {ask()!r:.60}: an unanswered question is an error")
            tries = len(lab.calls()) - before
            assert tries <= _TRIES, (
                f"{name} met '{outage}' and asked {tries} times: http repeats reads, nobody else does"
            )
        lab.fault(None)
        assert lab.lists() == lists, "create() could not look, and created all the same"
        assert all(call.is_read for call in lab.calls()[first:]), "something was written after a look-up that failed"


def _questions(connector: Connector, lab: Lab, stage: Stage) -> Iterable[tuple[str, Callable[[], object]]]:
    """Every method that looks something up, with what to ask it."""
    segments = [target for target in stage.targets.values() if target.kind is TargetKind.SEGMENT]
    mine, ref, people = stage.targets["mine"], stage.refs["mine"], [Profile(stage.email(1))]
    yield "check()", connector.check
    yield "find()", lambda: connector.find(segments)
    yield "create()", lambda: connector.create(segments)
    if isinstance(connector, Resolves):
        yield "resolve()", lambda: connector.resolve(people)
    if isinstance(connector, ReadsTraits):
        yield "traits()", lambda: connector.traits(people)
    if isinstance(connector, ReadsMembers):
        yield "members()", lambda: list(connector.members(mine, ref))
        yield "count()", lambda: connector.count(mine, ref)
    if isinstance(connector, ReadsSuppressions):
        yield "suppressions()", lambda: list(connector.suppressions(None, lab.now()))
