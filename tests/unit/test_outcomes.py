"""What a change writes, what shows that it took effect, and whom a refusal means."""

from __future__ import annotations

import pytest

from connectors.outcomes import by_code, culprits, parted, said_yes, shows, values
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    ContactChange,
    Fitted,
    Profile,
    Reason,
    RemoveMember,
    SetTraits,
    Suppress,
    Target,
    TargetKind,
)

ANN = Profile("ann@example.com")
ADD = AddContact(id="add", profile=ANN, status=Consent.SUBSCRIBED, traits={"CITY": "Lyon", "N": 2})
SET = SetTraits(id="set", profile=ANN, traits={"CITY": "Lyon"})
CLEAR = ClearTraits(id="clear", profile=ANN, fields=("CITY", "N"))
JOIN, LEAVE = AddMember(id="join", profile=ANN), RemoveMember(id="leave", profile=ANN)
SUPPRESS = Suppress(id="suppress", profile=ANN)


def test_a_change_writes_its_values_and_empties_what_it_clears() -> None:
    assert values(ADD) == {"CITY": "Lyon", "N": 2}
    assert values(SET) == {"CITY": "Lyon"}
    assert values(CLEAR) == {"CITY": "", "N": ""}
    for change in (JOIN, LEAVE, SUPPRESS, AddCode(id="code", code="A")):
        assert values(change) == {}


@pytest.mark.parametrize(
    ("change", "held", "left", "is_shown"),
    [
        (ADD, {"CITY": "Lyon", "N": 2, "OTHER": "x"}, False, True),
        (ADD, {"CITY": "Lyon"}, False, False),
        (ADD, {"CITY": "Lyon", "N": "2"}, False, False),
        (ADD, None, False, False),
        (SET, {"CITY": "Paris"}, False, False),
        (CLEAR, {}, False, True),
        (CLEAR, {"CITY": ""}, False, True),
        (CLEAR, {"N": 0}, False, False),
        (CLEAR, None, False, False),
        (JOIN, {}, False, True),
        (JOIN, None, False, False),
        (LEAVE, {}, False, False),
        (LEAVE, None, False, True),
        (SUPPRESS, {}, True, True),
        (SUPPRESS, {}, False, False),
        (SUPPRESS, None, True, False),
    ],
)
def test_an_effect_is_seen_only_where_the_account_shows_it(
    change: ContactChange,
    held: dict[str, Fitted] | None,
    left: bool,  # noqa: FBT001 - a column of the table
    is_shown: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert shows(change, held, left=left) is is_shown


def test_a_place_in_the_body_names_every_change_that_stood_there_and_no_other() -> None:
    sent = [[SET], [ADD, CLEAR]]
    assert culprits([(1, Reason.INVALID_VALUE)], sent) == {"add": Reason.INVALID_VALUE, "clear": Reason.INVALID_VALUE}
    assert culprits([(2, Reason.OTHER), (-1, Reason.OTHER)], sent) == {}


def test_an_import_that_can_only_subscribe_takes_of_those_who_are_new_only_who_said_yes() -> None:
    new = [AddContact(id=status, profile=ANN, status=status) for status in Consent]
    willing, others = parted([*new, SET, CLEAR, JOIN, SUPPRESS], said_yes)
    assert willing == [new[0], SET, CLEAR, JOIN, SUPPRESS]
    assert others == new[1:]


def test_what_is_parted_keeps_its_order() -> None:
    assert parted(range(6), lambda number: number % 3 != 1) == ([0, 2, 3, 5], [1, 4])
    assert parted([], bool) == ([], [])


def test_a_code_that_comes_twice_is_one_code_with_two_changes() -> None:
    codes = [AddCode(id=str(number), code=code) for number, code in enumerate("ABA")]
    pool = Target(kind=TargetKind.POOL, name="thanks", title="thanks")
    assert by_code(Batch(pool, "1", codes)) == {"A": [codes[0], codes[2]], "B": [codes[1]]}
