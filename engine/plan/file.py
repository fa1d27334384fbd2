"""The plan as a file: Parquet, for its owner only; checked when it is read, refused when the world has moved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engine.errors import ConfigError, StalePlan
from engine.files import whole
from engine.plan import rows
from engine.plan.estimate import Estimate
from engine.plan.plan import Plan, ShopFacts
from engine.plan.pools import PoolSummary
from engine.plan.population import SegmentCount
from engine.plan.samples import Sample
from engine.plan.spool import Rows
from engine.plan.summary import DestinationSummary, IssueSummary, Overwritten, TargetSummary

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger

__all__ = ["check_fresh", "load", "save"]

_GROUP = 150_000  # rows of one row group, at least
_KEY = b"ciblage.plan"
_SUM = b"ciblage.checksum"
_MAKE_ONE = "make one with: ciblage plan --out FILE"


def save(plan: Plan, path: Path) -> str:
    """Write the plan, as `whole` does; returns its checksum. Raises ConfigError where it cannot be opened."""
    checksum = plan.checksum
    document = json.dumps(plan.document(), ensure_ascii=False).encode()
    about = rows.schema().with_metadata({_KEY: document, _SUM: checksum.encode()})
    with ExitStack() as stack:
        try:
            file = stack.enter_context(whole(path))
        except OSError as error:
            raise ConfigError(
                f"cannot write {path}: {error.strerror}", place="--out", hint="does its folder exist?"
            ) from None
        _write(plan.stored, about, file)
    return checksum


def load(path: Path, *, checksum: str | None = None) -> Plan:
    """Read a plan. Raises ConfigError for a file that is none, StalePlan when it is not the one that was reviewed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = file.schema_arrow.metadata or {}
            is_ours = _KEY in about and file.schema_arrow.remove_metadata() == rows.schema()
            tables = (pa.Table.from_batches([part]) for part in file.iter_batches(use_threads=False))
            stored = Rows.of(tables) if is_ours else Rows()
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}", place=str(path), hint=_MAKE_ONE) from None
    except (OSError, pa.ArrowInvalid):
        raise ConfigError(f"{path} is not a plan", place=str(path), hint=_MAKE_ONE) from None
    if not is_ours:
        raise ConfigError(f"{path} is not a plan of this version", place=str(path), hint=_MAKE_ONE)
    plan = _plan(json.loads(about[_KEY]), stored)
    found = plan.checksum
    if found != about[_SUM].decode() or (checksum is not None and checksum != found):
        raise StalePlan(f"{path} is not the plan that was reviewed", hint="compare the checksum that `plan` printed")
    return plan


def _write(stored: Rows, about: pa.Schema, file: IO[bytes]) -> None:
    """Row groups of the usual size, made one after another."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, about, compression="zstd") as writer:
        for group in _groups(stored):
            part = rows.unpacked(pa.concat_tables(group))
            writer.write_table(part.replace_schema_metadata(about.metadata), row_group_size=len(part))


def _groups(stored: Rows) -> Iterator[list[pa.Table]]:
    """The rows, as many at a time as a group holds, and up to one part more."""
    group: list[pa.Table] = []
    for table in stored.tables():
        group.append(table)
        if sum(map(len, group)) >= _GROUP:
            yield group
            group = []
    if group:
        yield group


def check_fresh(
    plan: Plan,
    ledger: Ledger,
    *,
    now: datetime,
    config_hash: str,
    accounts: Mapping[str, str],
    max_age: timedelta | None = None,
) -> None:
    """Raise StalePlan when config, account or ledger moved since the plan, or when it is older than allowed."""
    hint = "make a new plan and review it"
    if plan.config_hash != config_hash:
        raise StalePlan("the config has changed since this plan was made", hint=hint)
    for name, account in plan.accounts.items():
        if accounts.get(name, account) != account:
            raise StalePlan(f"{name} opens another account than when this plan was made", hint=hint)
    if max_age is not None and now - plan.now > max_age:
        raise StalePlan(f"this plan was made {plan.now:%Y-%m-%d %H:%M} UTC, longer ago than --max-age", hint=hint)
    if not ledger.is_current(plan.ledger_version, plan.checksum):
        raise StalePlan("the ledger has moved since this plan was made", hint=hint)


def _plan(about: Mapping[str, Any], stored: Rows) -> Plan:
    shop = about["shop"]
    return Plan(
        client=about["client"],
        now=datetime.fromisoformat(about["now"]),
        config_hash=about["config_hash"],
        ledger_version=about["ledger_version"],
        accounts=about["accounts"],
        shop=ShopFacts(**{**shop, "newest": datetime.fromisoformat(shop["newest"]) if shop["newest"] else None}),
        destinations=tuple(_destination(one) for one in about["destinations"]),
        issues=tuple(_issue(one) for one in about["issues"]),
        stored=stored,
        first_mails=about["first_mails"],
        currency=about["currency"],
        warnings=tuple(about["warnings"]),
    )


def _destination(about: Mapping[str, Any]) -> DestinationSummary:
    tuples = ("lists_created", "fields_created", "pools_created", "foreign", "gone", "offers", "code_tags")
    return DestinationSummary(
        **{
            **about,
            **{name: tuple(about[name]) for name in tuples},
            "targets": tuple(_target(one) for one in about["targets"]),
            "samples": {tag: tuple(Sample(**one) for one in found) for tag, found in about["samples"].items()},
            "overwritten": {tag: Overwritten(**one) for tag, one in about["overwritten"].items()},
            "pools": tuple(PoolSummary(**one) for one in about["pools"]),
            "estimate": Estimate(**about["estimate"]),
        }
    )


def _target(about: Mapping[str, Any]) -> TargetSummary:
    counts = SegmentCount(**about["counts"]) if about["counts"] else None
    return TargetSummary(**{key: item for key, item in about.items() if key != "after"} | {"counts": counts})


def _issue(about: Mapping[str, Any]) -> IssueSummary:
    money = {name: _money(about[name]) for name in ("highest_cost", "spent", "most_money")}
    return IssueSummary(**{**about, **money})


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
