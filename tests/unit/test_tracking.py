"""R-GRD-11: where the config says so, an open counts only for a person who accepts tracking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shop_folder import Folder, folder_in, rows

from engine.shop import Overlays


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    yield from folder_in(tmp_path)


@pytest.mark.parametrize(("only_tracked", "opened"), [(False, ["a", "b", "c"]), (True, ["a"])])
def test_rgrd11_opens_count_for_people_who_accept_tracking(
    folder: Folder, *, only_tracked: bool, opened: list[str]
) -> None:
    folder.customers(
        "a,a@shop.example,yes", "b,b@shop.example,no", "c,c@shop.example,", header="customer_id,email,consent_tracking"
    )
    head = "event_id,customer_id,kind,happened_at"
    lines = [f"{key}{kind},{key},{kind},2017-12-01T10:00Z" for key in "abc" for kind in ("open", "click")]
    folder.write("email_events.csv", "\n".join([head, *lines]))
    shop = folder.open(overlays=Overlays(only_tracked=only_tracked))
    for source in ("in_email_opens", "in_email_opens_all"):
        found = rows(shop, f"SELECT customer_id FROM email_events WHERE {source} ORDER BY 1")
        assert [row[0] for row in found] == opened
    clicked = rows(shop, "SELECT customer_id FROM email_events WHERE in_email_clicks ORDER BY 1")
    assert [row[0] for row in clicked] == ["a", "b", "c"], "a click is the person's own act"
