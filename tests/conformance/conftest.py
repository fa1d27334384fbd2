"""The backend suite: each test that asks for a `database` runs on every engine.

A gap is named in the test: `notimpl` (we could), `notyet` (they must), `never` (with its reason); strict, so that a mark
goes when the gap does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engines import STARTS, Engines

from engine.compute.backends.protocol import Engine

GAPS = ("notimpl", "notyet", "never")


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    found = Engines()
    yield found
    found.close()


@pytest.fixture(params=STARTS)
def database(request: pytest.FixtureRequest, engines: Engines) -> Engine:
    return engines[request.param]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for gap in GAPS:
            for mark in item.iter_markers(gap):
                _expect(item, gap, mark)


def _expect(item: pytest.Item, gap: str, mark: pytest.Mark) -> None:
    """A gap is a failure that must happen, on the engines that it names."""
    unknown = set(mark.args) - set(STARTS)
    if unknown or not mark.args or "reason" not in mark.kwargs or "raises" not in mark.kwargs:
        raise pytest.UsageError(f"{item.nodeid}: {gap} names engines of {sorted(STARTS)}, raises= and reason=")
    callspec = getattr(item, "callspec", None)
    if callspec is not None and callspec.params.get("database") in mark.args:
        item.add_marker(
            pytest.mark.xfail(reason=f"{gap}: {mark.kwargs['reason']}", raises=mark.kwargs["raises"], strict=True)
        )
