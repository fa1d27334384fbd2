"""A plan with everything in it as people read it, in both languages, kept beside this file; `GOLDEN=write` renews it for review."""

from __future__ import annotations

import io
import os
import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from engine.errors import ConfigError
from engine.plan.estimate import Estimate
from engine.plan.guard import Refusal
from engine.plan.plan import Plan, ShopFacts
from engine.plan.pools import PoolSummary
from engine.plan.population import SegmentCount
from engine.plan.samples import Sample
from engine.plan.spool import Rows
from engine.plan.summary import DestinationSummary, IssueSummary, Overwritten, TargetSummary
from engine.results import Planned
from engine.show import view
from engine.show.blocks import Command, Grid, Note, Page, Part, Tone
from engine.show.html import html
from engine.show.markdown import markdown
from engine.show.planning import page
from engine.show.writing import check_documents, write_documents

FOLDER = Path(__file__).parent / "plan"
PARIS = ZoneInfo("Europe/Paris")
HOSTILE = '<script>alert("x")</script> | *bold* @lin `code`'


def target(name: str, title: str, before: int, joins: int, leaves: int, *, is_new: bool = False) -> TargetSummary:
    sent = before + joins - leaves
    counts = SegmentCount(
        matched=sent + 40,
        reachable=sent + 12,
        held_out=9,
        blocked=3,
        sent=sent,
        by_basis={"consent": sent - 20, "existing_customer": 20},
    )
    return TargetSummary(
        name=name, title=title, is_new=is_new, before=before, joins=joins, leaves=leaves, counts=counts
    )


NEWSLETTER = DestinationSummary(
    name="newsletter", connector="mailchimp", account="5a0db0x1",
    targets=(target("loyal", "Lin Loyal customers", 1200, 57, 12), target("tea", HOSTILE, 0, 230, 0, is_new=True)),
    contacts_before=4210, contacts_new=61, most_new=1000, matched=1567,
    by_basis={"consent": 1455, "existing_customer": 20}, blocked={"not_reachable": 80, "suppressed_there": 2, "gone_there": 1}, held_out=9,
    values={"first_name": 3, "favourite": 1240, "code": 41, "code_until": 41}, cleared={"favourite": 4, "code": 7},
    samples={
        "first_name": (Sample("A…", "B…", 3),),
        "favourite": (Sample("soap", "tea", 820), Sample(None, "linen", 310), Sample("tea", None, 4)),
    },
    overwritten={
        "first_name": Overwritten(contacts=12, newcomers=61, looked=20, other=5),
        "favourite": Overwritten(contacts=0, newcomers=61, looked=20, other=0),
        "spent": Overwritten(contacts=12),
    },
    offers=("thanks",), code_tags=("code", "code_until"), codes_sent={"thanks": 41}, codes_cleared={"thanks": 7},
    leaving={"segment": 9, "consent": 2, "address": 1}, suppressed=2, withheld=4, unfit={"first_name": {"too_long": 2}},
    lists_created=(HOSTILE,), fields_created=("FAVOURITE", "CODE"), foreign=("tea",), on_its_way=3, changes=1660,
    estimate=Estimate(calls=12, polls=1, polls_most=30, seconds=2.0, seconds_most=360.0), resubscriptions=0,
)  # fmt: skip
FLOWS = DestinationSummary(
    name="flows", connector="klaviyo", account="SbxK1v", targets=(target("loyal", "Lin Loyal customers", 1189, 0, 0),),
    contacts_before=3100, contacts_new=0, matched=1189, by_basis={"consent": 1189}, values={}, cleared={}, suppressed=0, blocked={},
    held_out=0, withheld=0, unfit={}, lists_created=(), fields_created=(), offers=("welcome",), pools_created=("lin-welcome",),
    pools=(PoolSummary(name="welcome", title="lin-welcome", is_new=True, before=0, joins=200, waiting=300),),
    hears_departures=False, on_its_way=0, changes=200, estimate=Estimate(calls=1), resubscriptions=0,
)  # fmt: skip
ISSUES = (
    IssueSummary(
        offer="thanks", codes=52, highest_cost=Decimal("1240.50"), issued=1900, most_codes=2000, renewed=3,
        refused={"not_reachable": 14, "has_code": 310, "budget_money": 5},
    ),
    IssueSummary(offer="welcome", codes=200, highest_cost=None),
)  # fmt: skip
REFUSALS = (
    Refusal(
        destination="newsletter", kind="removals", target="loyal", flag="--force newsletter/loyal",
        facts={"leaves": 12, "before": 30, "title": "Lin Loyal customers", "share": 0.3},
    ),
    Refusal(
        destination="newsletter", kind="foreign", target="tea", facts={"name": "tea"},
        flag="ciblage adopt newsletter/tea | another prefix in destinations.newsletter",
    ),
    Refusal(destination="flows", kind="unapproved", flag="approve FILE --by NAME | push --yes"),
)  # fmt: skip


def planned(lang: str) -> Planned:
    made = Plan(
        client="maison-lin", now=datetime(2026, 11, 20, 9, 0, tzinfo=UTC), config_hash="c" * 64, ledger_version=17,
        accounts={"newsletter": "5a0db0x1", "flows": "SbxK1v"}, shop=ShopFacts(fingerprint="f", newest=datetime(2026, 11, 19, 22, 15, tzinfo=UTC), rows=90_210),
        destinations=(NEWSLETTER, FLOWS), issues=ISSUES, stored=Rows(), first_mails=58, currency="EUR",
    )  # fmt: skip
    warning = {"en": "mailing: not in this plan", "fr": "mailing : pas dans ce plan"}[lang]
    return Planned(
        plan=made,
        refusals=REFUSALS,
        unreachable={"mailing": "the key is refused (401)"},
        file=Path("plan.parquet"),
        warnings=[warning],
    )


def terminal(lang: str, width: int = 80) -> str:
    screen = Console(width=width, file=io.StringIO(), highlight=False)
    screen.print(view(planned(lang), lang))
    return "".join(f"{line.rstrip()}\n" for line in screen.file.getvalue().splitlines())  # type: ignore[attr-defined]  # a StringIO


FORMS = {
    "txt": terminal,
    "md": lambda lang: markdown(page(planned(lang), lang, PARIS)),
    "html": lambda lang: html(page(planned(lang), lang, PARIS)),
}


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("form", FORMS)
def test_a_plan_reads_as_it_did(form: str, lang: str) -> None:
    path, text = FOLDER / f"{lang}.{form}", FORMS[form](lang)
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_five_side_effects_are_told_in_the_same_words_everywhere(lang: str) -> None:
    [part] = [
        part
        for part in page(planned(lang), lang, PARIS).parts
        if isinstance(part.blocks[0], Grid) and len(part.blocks[0].columns) == 2
    ]
    grid = part.blocks[0]
    assert isinstance(grid, Grid)
    assert len(grid.rows) == 5
    read = {form: _words(make(lang)) for form, make in {**FORMS, "txt": lambda lang: terminal(lang, 300)}.items()}
    for name, told in grid.rows:
        for line in [name, *told.split("\n")]:
            assert [form for form, text in read.items() if _words(line) not in text] == [], line


def _words(text: str) -> str:
    """Letters and digits alone: layout, markup and line breaks aside."""
    bare = re.sub(r"<br>|</?(sub|small|th|td|tr)[^>]*>", " ", text)
    return re.sub(r"[^\w]", "", re.sub(r"&(lt|gt|amp|quot|#64);", "", bare))


class Reader(HTMLParser):
    """What a browser sees of a page: tags in order with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_page_is_one_file_that_runs_and_fetches_nothing(lang: str) -> None:
    text = FORMS["html"](lang)
    seen = Reader(text)
    names = {name for name, _ in seen.tags}
    assert names & {"script", "link", "img", "iframe", "object", "embed", "form", "a", "base"} == set()
    fetching = {"src", "href", "srcset", "action", "background", "data", "poster"}
    assert [one for one in seen.tags if fetching & one[1].keys() or any(key.startswith("on") for key in one[1])] == []
    assert re.findall(r"url\(|@import|https?:", text) == []
    [policy] = [one["content"] for one in seen.all("meta") if one.get("http-equiv")]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert HOSTILE in seen.said.replace("\u00a0", " "), "shown as it is, and no markup"


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_page_can_be_read_by_a_screen_reader(lang: str) -> None:
    seen = Reader(FORMS["html"](lang))
    assert seen.all("html") == [{"lang": lang}]
    levels = [int(name[1]) for name, _ in seen.tags if re.fullmatch(r"h\d", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), "no level is left out"
    assert all(one.get("scope") in {"col", "row"} for one in seen.all("th"))
    assert len(seen.all("th")) > len(seen.all("table"))
    regions = [one for one in seen.all("div") if one.get("class") == "wide"]
    assert all(one["role"] == "region" and one["aria-label"] and one["tabindex"] == "0" for one in regions)
    assert len(regions) == len(seen.all("table"))


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_page_holds_what_a_client_needs_to_agree(lang: str) -> None:
    told = planned(lang)
    said = Reader(FORMS["html"](lang)).said
    assert told.plan.checksum in said
    assert "ciblage approve plan.parquet --by" in said
    assert f"ciblage push --plan plan.parquet --checksum {told.plan.checksum}" in said
    assert all(one.way(lang) in said for one in told.refusals if one.kind != "unapproved")


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""

    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    brighter, darker = sorted([light(one), light(other)], reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_of_text_stands_out_from_what_it_stands_on(scheme: int) -> None:
    style = (Path(__file__).parents[2] / "engine/show/page.css").read_text("utf-8")
    found = re.findall(r":root {([^}]*)}", style)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", found))
    pairs = [(text, back) for text in ("text", "quiet", "good") for back in ("back", "raised")]
    pairs += [("warn", "warn-back"), ("bad", "bad-back")]
    assert [(text, back) for text, back in pairs if contrast(colours[text], colours[back]) < 4.5] == []


def test_markdown_keeps_others_words_from_becoming_markup() -> None:
    shown = Page(
        lang="en", title=HOSTILE,
        parts=[Part(HOSTILE, [Note(HOSTILE, Tone.BAD), Grid([("a", False), ("b", True)], [(HOSTILE, "1")]), Command("ciblage plan")])],
    )  # fmt: skip
    text = markdown(shown)
    assert re.findall(r"(?<!\\)<script", text) == []
    assert "@lin" not in text
    [row] = [line for line in text.splitlines() if line.startswith("| \\<script")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3, "two cells"


def test_a_name_that_says_no_form_is_refused_before_any_work_and_a_file_is_written_whole(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in \.md or \.html"):
        check_documents([tmp_path / "plan.pdf"])
    with pytest.raises(ConfigError, match="cannot write"):
        write_documents(planned("en"), [tmp_path / "nowhere" / "plan.md"], "en", PARIS)
    files = (tmp_path / "PLAN.MD", tmp_path / "plan.html")
    told = write_documents(planned("fr"), files, "fr", PARIS)
    assert told.documents == files
    assert sorted(path.name for path in tmp_path.iterdir()) == ["PLAN.MD", "plan.html"]
    assert files[0].read_text("utf-8") == FORMS["md"]("fr")
