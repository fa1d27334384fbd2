"""A saved plan read again: what is approved is what was read. Nobody is called, and the shop is not opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError, StalePlan
from engine.results import Planned
from engine.words import say

if TYPE_CHECKING:
    from engine.client import Client

__all__ = ["reread"]


def reread(client: Client, file: Path) -> Planned:
    """The plan of a file, with what the ledger says of it now. Raises ConfigError for another client's."""
    from engine.engagement import is_swept
    from engine.plan.file import check_fresh, load
    from engine.plan.guard import Permits, guard

    made = load(file)
    if made.client != client.settings.client:
        raise ConfigError(f"the plan is of the client {made.client}", place=str(file))
    unread = [one.name for one in made.destinations if not is_swept(client.ledger, one.name)]
    left_out = client.settings.destinations.keys() - {one.name for one in made.destinations}
    warnings = [say("plan.unswept", client.lang, name=name) for name in unread]
    warnings += [say("plan.left_out", client.lang, name=name) for name in sorted(left_out)]
    try:
        check_fresh(made, client.ledger, now=client.now, config_hash=client.config.hash, accounts=made.accounts)
    except StalePlan as moved:
        warnings.append(say("plan.stale", client.lang, why=str(moved)))
    refusals = guard(made, client.ledger, {}, Permits())
    return Planned(plan=made, refusals=refusals, file=file, warnings=warnings, config=client.config.named)
