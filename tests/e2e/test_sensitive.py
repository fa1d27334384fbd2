"""R-GRD-04 through the command line: a sensitive trait leaves the machine on a named legal basis only."""

from __future__ import annotations

from round_lab import Lab, writes


def test_rgrd04_a_sensitive_trait_cannot_be_a_merge_tag_without_a_legal_basis(begun: Lab) -> None:
    begun.edit('favourite = "most_frequent(order_lines.category)"\n', "")
    begun.edit("[segments.loyal]", '[traits.favourite]\nvalue = "most_frequent(order_lines.category)"\nsensitive = "health"\n\n[segments.loyal]')  # fmt: skip
    begun.edit("where = \"favourite = 'tea'\"", 'where = "count(orders) > 1"')
    with begun.calls() as calls:
        for command in ("check", "segments", "plan", "run"):
            said = begun.ciblage(command, json=True)
            assert said.exit_code == 2
            assert "merge_tags.favourite: 'favourite' is sensitive (health) and cannot leave this machine" in said.out
    assert writes(calls) == []
    begun.edit('sensitive = "health"', 'sensitive = "health"\nlegal_basis = "explicit consent"')
    checked = begun.ciblage("segments", json=True)
    assert checked.exit_code == 0
    assert "used by merge_tags.favourite; legal basis: explicit consent" in checked.out
