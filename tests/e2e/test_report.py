"""The client's report: the same figures on the screen, in Markdown, in one HTML file and as JSON, in both languages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from round_lab import TITLES, Lab, told

from connectors.types import EventKind

HEADS = {
    "en": ["Audiences", "What was sent to the platforms", "Who left", "Mails, in people", "Discount codes", "What the mails changed", "What was refused"],
    "fr": ["Audiences", "Ce qui est parti vers les plateformes", "Qui est parti", "E-mails, en personnes", "Codes de réduction", "L’effet des e-mails", "Ce qui a été refusé"],
}  # fmt: skip


def read(lab: Lab) -> None:
    """A mail at Brevo that a few open, and one who leaves."""
    provider = lab.sandbox.providers["brevo"]
    [ref] = [ref for ref, title in provider.lists().items() if title.endswith("Lc active")]
    campaign = provider.mail(ref, "Rentrée")
    moment = lab.sandbox.world.now()
    people = sorted(email for email, one in lab.there("brevo").items() if ref in one.lists)
    for email in people[:4]:
        provider.react(campaign, email, EventKind.OPEN, moment)
    provider.react(campaign, people[0], EventKind.CLICK, moment)
    lab.unsubscribe("brevo", people[5])
    lab.shop.change(12, orders=4)
    lab.stock()
    lab.later(hours=30)
    lab.done("run")


def test_what_happened_is_counted(begun: Lab) -> None:
    read(begun)
    result = begun.done("report")
    loyal = next(one for one in result["audiences"] if one["name"] == "loyal")
    assert loyal["now"] == sum(one.is_in("loyal") for one in begun.shop.customers.values())
    assert loyal["now"] - loyal["before"] == 1
    assert loyal["reachable"] - loyal["held_out"] <= len(begun.shop.expected("loyal"))
    assert {one["destination"]: one["left"].get("unsubscribed", 0) for one in result["departed"]} == {"newsletter": 0, "flows": 0, "mailing": 1}  # fmt: skip
    [mail] = result["campaigns"]
    assert (mail["destination"], mail["opened"], mail["clicked"], mail["precision"]) == ("mailing", 4, 1, "campaign")
    assert mail["open_rate"] == 4 / mail["sent"]
    [codes] = result["codes"]
    assert (codes["offer"], codes["redeemed"], float(codes["revenue"])) == ("thanks", 0, 0.0)
    assert codes["sent"] > 0
    [lift] = result["lifts"]
    assert (lift["segment"], lift["verdict"]) == ("loyal", "not_enough_data")
    newsletter = next(one for one in result["carried"] if one["destination"] == "newsletter")
    assert newsletter["changes"]["AddContact"] == begun.done("status")["destinations"][0]["contacts"]
    assert (result["runs"], result["held_back"]) == (3, 0)


def test_a_day_chooses_the_time(begun: Lab) -> None:
    read(begun)
    result = begun.done("report", "--since", "2026-11-21")
    assert result["since"].startswith("2026-11-21T00:00:00+01:00")
    assert result["runs"] == 1
    told(begun, "report", "--since", "soon", exit_code=2, says=["soon"], place="--since")
    told(begun, "report", "--since", "2030-01-01", exit_code=2, says=["2030-01-01"], place="--since")
    told(begun, "report", "--lang", "de", exit_code=2, says=["de", "en or fr"], place="--lang")
    told(begun, "report", "--out", "report.pdf", exit_code=2, says=[".md or .html"], place="--out")


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_screen_has_every_part_within_80_columns(begun: Lab, lang: str) -> None:
    read(begun)
    said = begun.ciblage("report", "--lang", lang)
    assert said.exit_code == 0
    assert [head for head in HEADS[lang] if head not in said.out] == []
    assert [line for line in said.out.splitlines() if len(line) > 80] == []


def test_whom_the_mails_drove_away_is_still_compared_with_the_held_out(begun: Lab) -> None:
    begun.later(hours=30)
    before = begun.done("report", "--since", "2026-11-21")["lifts"]
    begun.unsubscribe("mailchimp", min(begun.members("mailchimp", TITLES["loyal"])))
    begun.later(hours=1)
    begun.done("pull")
    result = begun.done("report", "--since", "2026-11-21")
    assert {one["destination"]: one["left"] for one in result["departed"]}["newsletter"] == {"unsubscribed": 1}
    assert result["lifts"] == before
    assert before[0]["treated"] > 0
    assert "in the segment on Nov 21, 2026" in " ".join(begun.ciblage("report", "--since", "2026-11-21").out.split())


def test_what_was_bought_before_anything_was_sent_is_no_effect_of_mails(begun: Lab) -> None:
    begun.later(hours=30)
    result = begun.done("report")
    assert result["since"].startswith("2026-10-22")
    assert result["lift_since"].startswith("2026-11-20")
    assert begun.done("report", "--since", "2026-11-21")["lift_since"].startswith("2026-11-21T00:00")


def test_what_was_taken_back_and_put_right_was_sent_too(begun: Lab) -> None:
    begun.shop.change(12, orders=4, category="tea")
    begun.stock()
    begun.later(hours=30)
    begun.done("push")
    run = begun.done("history")["runs"][0]["id"]
    before = {one["destination"]: one["changes"] for one in begun.done("report")["carried"]}
    begun.later(hours=1)
    begun.done("undo", run, "--yes", "--force", "newsletter", "--force", "flows", "--force", "mailing")
    begun.done("drift")
    after = {one["destination"]: one["changes"] for one in begun.done("report")["carried"]}
    assert after["newsletter"]["RemoveMember"] > before["newsletter"].get("RemoveMember", 0)
    assert begun.done("report")["runs"] == 3


class Page(HTMLParser):
    """What a browser would load or run, and the titles."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.titles: list[str] = []
        self.lang: str | None = None
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self._within = tag
        self.lang = names.get("lang", self.lang)
        self.loaded += [tag for name in ("src", "href", "srcset", "action", "onclick", "onload") if name in names]
        if tag in {"script", "iframe", "link", "object", "img"}:
            self.loaded.append(tag)

    def handle_data(self, data: str) -> None:
        if self._within == "h2" and data.strip():
            self.titles.append(data.strip())


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_html_is_one_file_that_loads_nothing(begun: Lab, lang: str) -> None:
    read(begun)
    file = begun.folder / "report.html"
    assert begun.done("report", "--lang", lang, "--out", file)["file"] == str(file)
    page = Page()
    text = file.read_text("utf-8")
    page.feed(text)
    assert (page.lang, page.loaded, page.titles) == (lang, [], HEADS[lang])
    assert "url(" not in text
    assert "@import" not in text


def test_markdown_has_the_same_figures_as_the_screen(begun: Lab) -> None:
    read(begun)
    file = begun.folder / "report.md"
    begun.done("report", "--out", file)
    text = file.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADS["en"]
    screen = begun.ciblage("report").out
    for name in ("Loyal customers", "Tea", "Prospect"):
        [row] = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
        [seen] = [line for line in screen.splitlines() if line.strip().startswith(f"{name} ")]
        assert row.replace("|", " ").split() == seen.split()


def test_a_title_of_the_config_cannot_become_markup(begun: Lab) -> None:
    begun.edit('en = "Loyal customers"', 'en = "<script>alert(1)</script> *loyal* | all"')
    file = begun.folder / "report.html"
    begun.done("report", "--out", file)
    page = Page()
    page.feed(file.read_text("utf-8"))
    assert "script" not in page.loaded
    markdown = Path(begun.folder / "report.md")
    begun.done("report", "--out", markdown)
    assert "<script>" not in markdown.read_text("utf-8")


def test_a_client_that_never_ran_gets_a_report_too(fresh: Lab) -> None:
    result: dict[str, Any] = fresh.done("report")
    assert (result["runs"], result["codes"], result["campaigns"]) == (0, [], [])
    assert all(one["before"] is None for one in result["audiences"])
    assert "Nobody left." in fresh.ciblage("report").out
