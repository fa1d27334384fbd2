"""Laws of `explain`: what is marked as having decided did, whatever the conditions."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from engine.look.conditions import Condition, _marked

HOW = st.sampled_from(["all", "any", "none", "not_all"])
LEAVES = st.builds(Condition, words=st.just("x"), text=st.just("x"), holds=st.booleans(), decides=st.just(False))


def group(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    return st.builds(lambda how, parts: evaluated(replace(LEAF, how=how, parts=tuple(parts))), HOW, st.lists(parts, min_size=1, max_size=3))  # fmt: skip


LEAF = Condition(words="g", text="g", holds=False, decides=False)
TREES = st.recursive(LEAVES, group, max_leaves=8)


def evaluated(one: Condition) -> Condition:
    holding = [part.holds for part in one.parts]
    holds = {"all": all(holding), "any": any(holding), "none": not any(holding), "not_all": not all(holding)}
    return replace(one, holds=holds[one.how or "all"])


def turned(one: Condition, *, deciding: bool) -> Condition:
    """The tree with the leaves that decided, or those that did not, turned round."""
    if not one.parts:
        return replace(one, holds=one.holds is not (one.decides is deciding))
    return evaluated(replace(one, parts=tuple(turned(part, deciding=deciding) for part in one.parts)))


@given(TREES)
def test_what_did_not_decide_may_turn_without_changing_the_answer(one: Condition) -> None:
    assert turned(_marked(one, decides=True), deciding=False).holds is one.holds


@given(TREES)
def test_when_all_that_decided_turns_so_does_the_answer(one: Condition) -> None:
    assert turned(_marked(one, decides=True), deciding=True).holds is not one.holds
