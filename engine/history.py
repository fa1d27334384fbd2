"""Every command that changes something is written down, and none runs beside another one of the same client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError, unwritable

if TYPE_CHECKING:
    from engine.client import Client
    from engine.ownership.keeping import Kept
    from engine.results import Planned, Pushed

__all__ = ["Record", "kept_plans", "recorded"]


def _nowhere(planned: Planned) -> None:
    """Keep nothing."""


@dataclass(slots=True)
class Record:
    """What the history keeps of a command."""

    summary: Mapping[str, Any] = field(default_factory=dict)
    shop: Mapping[str, Any] | None = None
    exit_code: int = 0
    keep: Callable[[Planned], None] = _nowhere

    def carries(self, planned: Planned) -> None:
        """Keep the plan before its first change leaves: what a run wrote is known even where it dies."""
        if not planned.plan.is_empty:
            self.keep(planned)

    def ended(self, planned: Planned, pushed: Pushed) -> None:
        """A shop that the guard did not refuse is what the next run is compared with."""
        from engine.ledger.runs import ENDS

        self.exit_code = pushed.exit_code
        self.summary = {
            "plan": planned.plan.checksum,
            "destinations": [one.document() for one in pushed.results],
            "minted": pushed.minted,
            ENDS: _ends(pushed),
            **pushed.trouble(),
        }
        facts = planned.plan.shop
        if facts.rows is not None and not planned.refusals:  # no rows: it was not made from the shop, as an undo is not
            self.summary = {**self.summary, "sizes": _sizes(planned)}
            self.shop = {"fingerprint": facts.fingerprint, "newest": facts.newest, "rows": facts.rows}


def _ends(pushed: Pushed) -> dict[str, str]:
    """Destinations to which everything went that the plan had for them."""
    from engine.ledger.runs import ENDED

    refused = {one.destination for one in pushed.refusals}
    whole = [one for one in pushed.results if one.error is None and one.stopped is None and one.name not in refused]
    return {one.name: ENDED for one in whole}


def _sizes(planned: Planned) -> dict[str, int]:
    """Segments by their members before any consent, what R-GRD-02 compares the next run with."""
    targets = [target for one in planned.plan.destinations for target in one.targets]
    return {target.name: target.counts.matched for target in targets if target.counts is not None}


@contextmanager
def recorded(client: Client, command: str) -> Iterator[Record]:
    """Hold the client's lock and write the command into its history, however it ends."""
    from engine.ledger.runs import Run

    client.write()
    ledger, started = client.ledger, client.clock.utc()
    with ledger.lock(who=command, since=started):
        ledger.targets.rename()
        run_id = ledger.runs.begin(
            Run(command=command, started_at=started, now=client.now, config_hash=client.config.hash, summary={})
        )
        client.run_id["run"] = run_id
        client.tell("run.begin", command=command, now=client.now)
        record = Record(exit_code=70, keep=lambda planned: _keep(client, run_id, planned))
        try:
            yield record
            record.exit_code = 0 if record.exit_code == 70 else record.exit_code  # noqa: PLR2004 - the code of a defect
        except EngineError as error:
            record.exit_code = error.exit_code
            raise
        except OSError as error:
            record.exit_code = getattr(unwritable(error), "exit_code", record.exit_code)
            raise
        except KeyboardInterrupt:
            record.exit_code = 130
            raise
        except SystemExit as error:  # a signal asked for it
            record.exit_code = error.code if isinstance(error.code, int) else record.exit_code
            raise
        finally:
            ledger.runs.end(
                run_id, summary=record.summary, exit_code=record.exit_code, shop=record.shop, at=client.clock.utc()
            )
            client.tell("run.end", exit=record.exit_code)
            client.run_id.clear()


def kept_plans(client: Client) -> Kept:
    """The plans that this client's runs carried."""
    from engine.ownership.keeping import Kept

    return Kept(client.config.state / "plans")


def _keep(client: Client, run_id: int, planned: Planned) -> None:
    """One file a plan: a plan that goes on after an interruption is there already; the oldest give way."""
    plan = planned.plan
    kept, ledger, settings = kept_plans(client), client.ledger, client.settings.history
    checksum, there = plan.checksum, set(kept.runs())
    before = ledger.runs.carrying()
    if not any(run.plan == checksum and run.id in there for run in before):
        kept.keep(run_id, plan)
    ledger.runs.carries(run_id, checksum)
    since = None if settings.days is None else client.now - timedelta(days=settings.days)
    kept.prune(settings.plans, {run.id for run in before if since is not None and run.now < since})
    _hold(client, run_id, planned)


def _hold(client: Client, run_id: int, planned: Planned) -> None:
    """Where a run is taken back, what comes next wants a person's approval; what was let pass has it."""
    from engine.ownership.planning import takes_back

    refused = {one.destination for one in planned.refusals} | planned.unreachable.keys()
    carried = [one.name for one in planned.plan.destinations if one.changes and one.name not in refused]
    back = [name for name in carried if takes_back(planned.plan, name)]
    client.ledger.holds.put(back, run=run_id, at=client.now)
    client.ledger.holds.lift([name for name in carried if name not in back])
