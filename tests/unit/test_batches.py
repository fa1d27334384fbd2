"""Cutting changes into calls."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.spec import Limit, cut
from connectors.types import AddCode, AddContact, AddMember, Change, ClearTraits, Consent, Profile, SetTraits

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

PLACES = st.builds(Profile, st.sampled_from(["zoé@boutique.example", "a@b.fr"]))
PLAIN = st.one_of(
    st.builds(SetTraits, id=WORDS, profile=PLACES, traits=st.dictionaries(WORDS, WORDS, max_size=4)),
    st.builds(AddContact, id=WORDS, profile=PLACES, status=st.just(Consent.SUBSCRIBED)),
    st.builds(AddMember, id=WORDS, profile=PLACES),
    st.builds(AddCode, id=WORDS, code=WORDS),
    st.builds(ClearTraits, id=WORDS, profile=PLACES, fields=st.tuples(WORDS, WORDS)),
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


def weight(change: Change) -> int:
    """What a change adds to a body, weighed by itself."""
    told = [getattr(change, name, None) for name in ("fields", "code", "traits")]
    profile = getattr(change, "profile", None)
    return len(json.dumps([*told[:2], dict(told[2] or {}), profile and profile.email], ensure_ascii=False).encode())


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(PLAIN, min_size=1, max_size=4),
    times=st.integers(1, 700),
    items=st.integers(1, 2500),
    size=st.one_of(st.integers(1, 3000), st.integers(3000, 300_000)),
    is_mixed=st.booleans(),
)
def test_many_are_cut_where_each_weighed_by_itself_would_be(
    kinds: list[Change], times: int, items: int, size: int, *, is_mixed: bool
) -> None:
    changes = [change for change in kinds if is_mixed or type(change) is type(kinds[0])] * times
    parts, held = [0], 0
    for change in changes:
        held += weight(change) + 20
        if parts[-1] and (parts[-1] >= items or held > size):
            parts.append(0)
            held = weight(change) + 20
        parts[-1] += 1
    found = list(cut(changes, Limit(items=items, bytes=size, each=20)))
    assert [change for part in found for change in part] == changes
    assert [len(part) for part in found] == parts


def test_a_full_batch_is_full() -> None:
    changes = [AddMember(id=str(n), profile=Profile("a@b.fr")) for n in range(7)]
    assert [len(part) for part in cut(changes, Limit(items=3))] == [3, 3, 1]
    assert list(cut([], Limit(items=3))) == []


def test_changes_are_cut_as_they_come() -> None:
    def endless() -> object:
        while True:
            yield AddMember(id="1", profile=Profile("a@b.fr"))

    assert len(next(iter(cut(endless(), Limit(items=2))))) == 2  # type: ignore[arg-type] # a generator of changes
