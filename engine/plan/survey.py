"""What a destination says of itself before a plan: which account the key opens, which of our targets exist, and can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.base import Connector
from connectors.types import Account, Ref, Target, TargetKind
from engine.plan.destination import Destination, check_pools, flag_name, targets

if TYPE_CHECKING:
    from engine.ledger import Ledger

__all__ = ["Survey", "survey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """`lists`: ids found there, by segment; `known`: ids that the ledger expects, by segment (None: being created).

    Pools of codes are among both, as `offers.NAME`. `fields`: ids of fields that are there, by merge tag.
    """

    destination: str
    account: Account
    lists: Mapping[str, Ref]
    known: Mapping[str, Ref | None]
    fields: Mapping[str, Ref] = field(default_factory=dict)

    @property
    def gone(self) -> tuple[str, ...]:
        """Segments whose list is not there any more, or is another one of the same name."""
        return tuple(
            sorted(name for name, ref in self.known.items() if ref is not None and self.lists.get(name) != ref)
        )

    @property
    def foreign(self) -> tuple[str, ...]:
        """Segments whose list exists there and was not made by us."""
        return tuple(sorted(self.lists.keys() - self.known.keys()))


def survey(destination: Destination, connector: Connector, ledger: Ledger) -> Survey:
    """Ask; reads only. Raises the connector's errors: the destination is then left out of the plan."""
    known = ledger.targets.of(destination.name)
    check_pools(destination, known)
    wanted = targets(destination, known)
    ours = {key: at.target for key, at in known.items() if key[0] is TargetKind.SEGMENT or _is_pool(key, wanted)}
    lists = {key: target for key, target in wanted.items() if key[0] is TargetKind.SEGMENT or _is_pool(key, wanted)}
    lists = ours | lists
    fields = [target for key, target in wanted.items() if key[0] is TargetKind.FIELD]
    account = connector.check()
    found = connector.find([*lists.values(), *fields])  # a field that cannot be ours is told now, not in mid-push
    by_target = {target: flag_name(*key) for key, target in lists.items()}
    return Survey(
        destination=destination.name,
        account=account,
        lists={by_target[target]: ref for target, ref in found.items() if target in by_target},
        known={flag_name(*key): known[key].ref for key in ours},
        fields={target.name: ref for target, ref in found.items() if target.kind is TargetKind.FIELD},
    )


def _is_pool(key: tuple[TargetKind, str], wanted: Mapping[tuple[TargetKind, str], Target]) -> bool:
    """One that the config asks for: to look for another is a call for nothing."""
    return key[0] is TargetKind.POOL and key in wanted
