"""Cutting changes into calls."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.spec import Limit, cut
from connectors.types import AddCode, AddMember, Change, ClearTraits, Profile, SetTraits

WORDS = st.text(max_size=60)
CHANGES = st.lists(
    st.one_of(
        st.builds(
            SetTraits, id=WORDS, profile=st.builds(Profile, WORDS), traits=st.dictionaries(WORDS, WORDS, max_size=4)
        ),
        st.builds(AddMember, id=WORDS, profile=st.builds(Profile, WORDS)),
        st.builds(AddCode, id=WORDS, code=WORDS),
        st.builds(ClearTraits, id=WORDS, profile=st.builds(Profile, WORDS), fields=st.tuples(WORDS, WORDS)),
    ),
    max_size=40,
)


def values(change: Change) -> int:
    """The bytes that a change's values need in any JSON body."""
    told = [getattr(change, "code", ""), dict(getattr(change, "traits", {})), list(getattr(change, "fields", ()))]
    profile = getattr(change, "profile", None)
    return len(json.dumps([profile.email if profile else "", *told], ensure_ascii=False).encode()) - 16


@settings(max_examples=200, deadline=None)
@given(changes=CHANGES, items=st.integers(1, 10), size=st.one_of(st.none(), st.integers(1, 4000)))
def test_every_change_travels_once_in_order_within_the_limit(
    changes: list[Change], items: int, size: int | None
) -> None:
    parts = list(cut(changes, Limit(items=items, bytes=size, each=20)))
    assert [change for part in parts for change in part] == changes
    for part in parts:
        assert 1 <= len(part) <= items
        if size and len(part) > 1:
            assert sum(values(change) + 20 for change in part) <= size


def test_a_full_batch_is_full() -> None:
    changes = [AddMember(id=str(n), profile=Profile("a@b.fr")) for n in range(7)]
    assert [len(part) for part in cut(changes, Limit(items=3))] == [3, 3, 1]
    assert list(cut([], Limit(items=3))) == []


def test_changes_are_cut_as_they_come() -> None:
    def endless() -> object:
        while True:
            yield AddMember(id="1", profile=Profile("a@b.fr"))

    assert len(next(iter(cut(endless(), Limit(items=2))))) == 2  # type: ignore[arg-type] # a generator of changes
