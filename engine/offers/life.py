"""The life of a code outside our hands: to the shop and back, used, or over."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import DataError
from engine.ledger.codes import CodeState

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from engine.ledger import Ledger

__all__ = ["COLUMNS", "Confirmed", "confirm", "export", "settle"]

COLUMNS = ("code", "offer", "value", "minimum", "expires_at", "single_use")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a confirmation brought: codes that moved on, that were confirmed before, and that we never issued."""

    moved: int
    known: int
    unknown: int


def export(ledger: Ledger, path: Path, *, now: datetime) -> int:
    """Write all codes that no shop has confirmed to a CSV (0600), and only then call them exported; returns how many."""
    waiting = ledger.codes.table(states=[CodeState.RESERVED, CodeState.EXPORTED])
    if not waiting.num_rows:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.half")
    with os.fdopen(
        os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
    ) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_row(code) for code in waiting.to_pylist())
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    codes = waiting["code"].to_pylist()
    ledger.codes.advance(codes, CodeState.EXPORTED, at=now)
    return len(codes)


def _row(code: dict[str, object]) -> list[object]:
    expires = code["expires_at"]
    return [code["code"], code["offer"], code["value"], code["minimum"], expires.isoformat() if expires else "", "yes"]  # type: ignore[attr-defined]  # an instant


def confirm(ledger: Ledger, path: Path, *, now: datetime) -> Confirmed:
    """The shop redeems the codes of this CSV (a column `code`). Raises DataError when it is not such a file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            mark = ";" if ";" in file.readline() else ","
            file.seek(0)
            rows = csv.DictReader(file, delimiter=mark)
            if "code" not in (rows.fieldnames or ()):
                raise DataError(
                    "the file has no column 'code'", place=f"{path}:1", hint="give the file that the shop returned"
                )
            codes = {(row["code"] or "").strip().upper() for row in rows} - {""}
    except FileNotFoundError:
        raise DataError(f"there is no file {path}", place=str(path)) from None
    except UnicodeDecodeError:
        raise DataError("the file is not UTF-8", place=str(path), hint="save it as UTF-8") from None
    issued = {code.upper() for code in ledger.codes.table()["code"].to_pylist()}
    ours = sorted(codes & issued)
    moved = ledger.codes.advance(ours, CodeState.CONFIRMED, at=now)
    return Confirmed(moved=moved, known=len(ours) - moved, unknown=len(codes) - len(ours))


def settle(ledger: Ledger, used: pa.Table, *, now: datetime) -> tuple[int, int]:
    """Codes found in orders are redeemed, those whose time is over expired; returns how many of each.

    `used`: coupon (any case), order_id, ordered_at; the first order of a coupon counts.
    """
    first: dict[str, tuple[str, datetime]] = {}
    for row in used.sort_by([("ordered_at", "ascending"), ("order_id", "ascending")]).to_pylist():
        first.setdefault(row["coupon"].upper(), (row["order_id"], row["ordered_at"]))
    live = {code.upper() for code in ledger.codes.table()["code"].to_pylist()} if first else set()
    redeemed = ledger.codes.redeem({code: order for code, order in first.items() if code in live})
    return redeemed, ledger.codes.expire(now)
