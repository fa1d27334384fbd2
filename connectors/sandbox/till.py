"""A shop's till: it takes the exported codes in, and confirms each of them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Till"]


class Till:
    """Codes that the shop knows, with the time at which it took them in; a code that it knew keeps its time."""

    def __init__(self) -> None:
        self.codes: dict[str, datetime] = {}

    def register(self, exported: str, now: datetime) -> str:
        """Take a CSV with a column `code` in; returns the confirmation, a CSV of `code,confirmed_at`.

        Raises ValueError when there is no such column.
        """
        rows = csv.DictReader(io.StringIO(exported.removeprefix("\ufeff")))
        if "code" not in (rows.fieldnames or ()):
            message = f"the file has no column 'code', but {rows.fieldnames or 'no header at all'}"
            raise ValueError(message)
        codes = [code for row in rows if (code := (row["code"] or "").strip())]
        for code in codes:
            self.codes.setdefault(code, now)
        return confirmation({code: self.codes[code] for code in codes})


def confirmation(codes: Mapping[str, datetime]) -> str:
    """The codes as a CSV of `code,confirmed_at`."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(("code", "confirmed_at"))
    out.writerows((code, at.isoformat()) for code, at in codes.items())
    return text.getvalue()
