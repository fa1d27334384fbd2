"""Success is proven: what reading back may say, and that a read that fails proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest
from plan_lab import Frail, Fuse, Lab, people

from connectors import errors
from connectors.types import Fitted, Profile, Ref, Target
from engine.push.result import Result
from engine.push.trip import Carrier
from engine.push.verifying import Verdict, verify


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


class Seen(Frail):
    """Tells counts and values as the test says; None: the read fails."""

    def __init__(self, lab: Lab, *, count: int | None, values: Mapping[str, Mapping[Ref, Fitted]] | None) -> None:
        super().__init__(lab.connector(), Fuse())
        self._count, self._values = count, values

    def count(self, target: Target, ref: Ref) -> int:
        if self._count is None:
            raise errors.Unavailable("no answer", ambiguous=False)
        return self._count

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        if self._values is None:
            raise errors.Unavailable("no answer", ambiguous=False)
        return self._values


def proofs(lab: Lab, result: Result, **seen: object) -> dict[str | None, tuple[int | None, Verdict]]:
    carrier = Carrier(lab.destination, Seen(lab, **seen))  # type: ignore[arg-type]  # tests say what is seen
    return {proof.segment: (proof.found, proof.verdict) for proof in verify(result, carrier, lab.ledger)}


VALUES = {f"c{number}@shop.example": {"first_name": "Anna", "orders": 1} for number in range(3)}


@pytest.mark.parametrize(
    ("count", "verdict"),
    [
        (5, Verdict.PROVEN),
        (4, Verdict.UNPROVEN),  # not all visible yet
        (2, Verdict.UNPROVEN),
        (1, Verdict.DIFFERENT),  # fewer than before we came
        (6, Verdict.DIFFERENT),
        (None, Verdict.UNPROVEN),
    ],
)
def test_a_count_between_before_and_expected_lags_and_beyond_them_something_else_happened(
    lab: Lab, count: int | None, verdict: Verdict
) -> None:
    result = lab.round(people(3))
    result.counts = {"loyal": 2}
    assert proofs(lab, result, count=count, values=VALUES)["loyal"] == (count, verdict)


def test_values_are_proven_only_when_every_one_reads_back_as_it_was_sent(lab: Lab) -> None:
    result = lab.round(people(3))
    wrong = VALUES | {"c1@shop.example": {"first_name": "Anna", "orders": 2}}
    assert proofs(lab, result, count=3, values=VALUES)[None] == (3, Verdict.PROVEN)
    assert proofs(lab, result, count=3, values=wrong)[None] == (2, Verdict.UNPROVEN)
    assert proofs(lab, result, count=3, values={})[None] == (0, Verdict.UNPROVEN)
    assert proofs(lab, result, count=3, values=None)[None] == (None, Verdict.UNPROVEN)


def test_what_a_connector_cannot_read_is_not_called_proven(lab: Lab) -> None:
    result = lab.round(people(3))
    carrier = Carrier(lab.destination, Frail(lab.connector(), Fuse()))  # reads members, and no values
    found = verify(result, carrier, lab.ledger)
    assert [(proof.segment, proof.verdict) for proof in found] == [
        ("fresh", Verdict.PROVEN),
        ("loyal", Verdict.PROVEN),
    ]


def test_nobody_with_values_of_ours_leaves_nothing_to_read_back(lab: Lab) -> None:
    lab.tags = ()
    result = lab.round(people(1))
    assert None not in proofs(lab, result, count=1, values=VALUES)
