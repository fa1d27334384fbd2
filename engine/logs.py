"""Logs for programs: JSON lines on stderr, on demand. One formatter writes them all, and masks whatever it is given.

Each line has `at`, `level`, `event`, and what is known: client, command, run, destination, and the event's own facts.
Without `--log json` or `CIBLAGE_LOG=json` nothing below a warning is said.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.masking import mask_all

__all__ = ["JsonLines", "hide", "inherited", "start", "stop", "tell"]

_log = logging.getLogger("ciblage")
VARIABLE = "CIBLAGE_LOG"
_SHORT = 4  # characters: a shorter secret would blank out words


class JsonLines(logging.Formatter):
    """One JSON object a record; what a record says of itself stands in its `about`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self.secrets = set(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line, without an address or a secret."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(self._masked(told), ensure_ascii=False, default=str)

    def _masked(self, value: Any) -> Any:  # noqa: ANN401 - whatever a record holds
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, Mapping):
            return {self._text(key): self._masked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._masked(item) for item in value]
        return self._text(value)

    def _text(self, value: object) -> str:
        return mask_all(str(value), sorted(self.secrets, key=len, reverse=True))


class _Stderr(logging.Handler):
    """Lines on whatever stderr is at the moment; it remembers what level there was before it."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.before = before
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        sys.stderr.write(f"{self.format(record)}\n")
        sys.stderr.flush()


def start() -> None:
    """From now on every event of ciblage is a line of JSON on stderr."""
    stop()
    _log.addHandler(_Stderr(_log.level))
    _log.setLevel(logging.INFO)


def stop() -> None:
    """Be quiet again."""
    for handler in _ours():
        _log.removeHandler(handler)
        _log.setLevel(handler.before)


def inherited() -> dict[str, str]:
    """The environment in which a process of ours logs as we do."""
    return {VARIABLE: "json"} if _ours() else {}


def hide(secrets: Iterable[str]) -> None:
    """These never stand in a line, whatever is logged."""
    found = {secret for secret in secrets if len(secret) >= _SHORT}
    for handler in _ours():
        if isinstance(handler.formatter, JsonLines):
            handler.formatter.secrets |= found


def _ours() -> list[_Stderr]:
    return [handler for handler in _log.handlers if isinstance(handler, _Stderr)]


def tell(event: str, about: Mapping[str, object], **facts: object) -> None:
    """Log one event: `about` says whose it is, `facts` what happened."""
    if _log.isEnabledFor(logging.INFO):
        _log.info(event, extra={"about": {**about, **facts}})
