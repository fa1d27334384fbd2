"""R-GRD-02 through the command line: a run remembers sizes, the next one compares, a person confirms."""

from __future__ import annotations

from round_lab import TITLES, Lab


def test_r_grd_02_a_segment_that_doubled_overnight_waits_until_somebody_confirms_it(begun: Lab) -> None:
    begun.edit("[segments.tea]\n", '[segments.tea]\njump = "50%"\n')
    begun.later(hours=1)
    begun.done("run")
    sizes = begun.done("run")["planned"]["plan"]["destinations"][0]["targets"]
    before = next(one["counts"]["matched"] for one in sizes if one["name"] == "tea")
    for number in range(101, 101 + before):
        begun.shop.change(number, orders=2, category="tea", newest=200)
    begun.stock()
    begun.later(hours=1)
    there = begun.members("brevo", TITLES["tea"])

    said = begun.ciblage("run", json=True)

    assert said.exit_code == 3
    jumps = [one for one in said.result["planned"]["refusals"] if one["kind"] == "jump"]
    assert [one["flag"] for one in jumps] == ["--force newsletter/tea", "--force mailing/tea"]
    assert f"{2 * before} customers, and the last run saw {before}" in jumps[0]["message"]
    assert begun.members("brevo", TITLES["tea"]) == there
    assert "--force mailing/tea" in begun.ciblage("run").out, "the refused size is not what the next run compares with"
    confirmed = begun.ciblage("run", "--force", "newsletter/tea", "--force", "mailing/tea")
    assert confirmed.exit_code == 0, confirmed.out
    assert len(begun.members("brevo", TITLES["tea"])) > len(there)
    begun.later(hours=1)
    assert begun.ciblage("run").exit_code == 0
