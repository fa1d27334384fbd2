"""Results as JSON: `{command, client, now, result, warnings}`, one document, plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.client import Client

__all__ = ["document", "plain"]


def document(command: str, client: Client | None, result: object) -> dict[str, Any]:
    """The document of one command's result. Warnings stand beside it; an address stands only where it was asked for."""
    body = plain(result)
    warnings = body.pop("warnings", []) if isinstance(body, dict) else []
    unset = client.config.warnings if client else []
    return {
        "command": command,
        "client": client.settings.client if client else None,
        "now": client.now.isoformat() if client else None,
        "result": body,
        "warnings": [*warnings, *unset],
    }


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - any value becomes any JSON, one line a kind
    """A value as JSON takes it."""
    if hasattr(value, "document"):
        return plain(value.document())
    if hasattr(value, "to_pylist"):
        return plain(value.to_pylist())
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value) if one.metadata.get("shown", True)}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (Path, BaseException)):
        return str(value)
    return value
