"""The tables of ActiveCampaign's README say what the connector's spec says."""

from __future__ import annotations

import re
from pathlib import Path

from connectors.activecampaign import ActiveCampaign
from connectors.sandbox.activecampaign.account import OPTIONS

README = (Path(__file__).parents[2] / "connectors" / "activecampaign" / "README.md").read_text("utf-8")


def _rows(*head: str) -> list[list[str]]:
    """The rows of the table with this head."""
    after = README.split("| " + " | ".join(head) + " |\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in after.splitlines()[1:]]


def test_what_it_carries_is_what_the_spec_carries() -> None:
    told = [row[:3] for row in _rows("change", "in one call", "after", "how")]
    carried = [
        [kind.__name__, str(limit.items), ", ".join(sorted(one.__name__ for one in limit.after)) or "–"]
        for kind, limit in ActiveCampaign.spec.carries.items()
    ]
    assert told == carried


def test_the_field_types_are_the_specs() -> None:
    assert _rows("value", "field type") == [
        [kind.value, about.type] for kind, about in ActiveCampaign.spec.fields.items()
    ]


def test_the_events_are_those_that_are_reported() -> None:
    told = {name: precision for names, precision in _rows("event", "precision") for name in names.split(", ")}
    assert told == {kind.value: precision.value for kind, precision in ActiveCampaign.spec.reports.items()}


def test_every_unconfirmed_fact_is_written_down() -> None:
    named = set(re.findall(r"`(\w+)`", README))
    assert set(OPTIONS) <= named
