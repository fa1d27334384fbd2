"""Texts that try to get out of where they stand, for the tests."""

from __future__ import annotations

MARK = "zqx"  # no SQL of ours holds it, so wherever it stands, a user's text stands
NASTY = [
    "'", "''", '"', '""', "`", ";", "--", "/*", "*/", "#", "$$", "$tag$", "\\", "\\'", "\\\\'", "{months}", "{{", "%s", "%(x)s", ":x", "?", "\n", "\r\n",
    "\t", "\u2028", "\u00a0", "é", "ß", "İ", "\U0001f600", "' OR 1=1 --", "'; DROP TABLE customers; --", "' UNION SELECT email FROM customers --",
    "\\'; DELETE FROM orders; --", "'||(SELECT 1)||'", '") FROM customers; --', "CHR(39)", "E'\\''", "$$; DROP TABLE x; $$", "0x27", "&#39;", "\u02bc", "\uff07",
    "x" * 300,
]  # fmt: skip
STORED = [text for text in NASTY if text.strip() and text not in {"\r\n", "\n", "\t"}]  # what a cell of a file may hold


def quoted(text: str) -> str:
    """A text as the language spells it."""
    return "'" + text.replace("'", "''") + "'"
