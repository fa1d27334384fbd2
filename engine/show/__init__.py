"""What people see: each verb's result as tables that fit 80 columns, in their language; or as one JSON document."""

from engine.show import codes as _codes  # noqa: F401 - registers its views
from engine.show import erasing as _erasing  # noqa: F401 - registers its views
from engine.show import giving as _giving  # noqa: F401 - registers its views
from engine.show import ownership as _ownership  # noqa: F401 - registers its views
from engine.show import reporting as _reporting  # noqa: F401 - registers its views
from engine.show import rounds as _rounds  # noqa: F401 - registers its views
from engine.show import standing as _standing  # noqa: F401 - the same
from engine.show.documents import document
from engine.show.fleet import ended
from engine.show.receiving import listening, received
from engine.show.screen import command, console, error, progress, warn, working
from engine.show.views import render, view
from engine.show.writing import check_documents, write_documents

__all__ = [
    "check_documents", "command", "console", "document", "ended", "error", "listening", "progress", "received", "render", "view", "warn", "working",
    "write_documents",
]  # fmt: skip
