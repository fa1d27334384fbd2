"""Text to typed tree: `parse_test` for segments and filters, `parse_value` for traits."""

from __future__ import annotations

from collections.abc import Mapping

from engine.language.conditions import as_value
from engine.language.dispatch import build_test, build_value, is_test
from engine.language.mistakes import LanguageError, Wrong
from engine.language.scope import Scope
from engine.language.syntax import parse_syntax
from engine.language.tree import Test, Value
from engine.language.vocabulary import Fact, Vocabulary

Columns = Mapping[str, Fact]


def parse_test(text: str, vocabulary: Vocabulary, columns: Columns | None = None) -> Test:
    """The test that a text spells; with `columns`, a test of one row. Raises LanguageError with one Mistake."""
    try:
        return build_test(parse_syntax(text), Scope(vocabulary=vocabulary, columns=columns))
    except Wrong as wrong:
        raise LanguageError(wrong.in_text(text)) from None


def parse_value(text: str, vocabulary: Vocabulary, columns: Columns | None = None) -> Value:
    """The value that a text spells; a test becomes a yes-or-no value. Raises LanguageError with one Mistake."""
    scope = Scope(vocabulary=vocabulary, columns=columns)
    try:
        branch = parse_syntax(text)
        return as_value(build_test(branch, scope)) if is_test(branch) else build_value(branch, scope)
    except Wrong as wrong:
        raise LanguageError(wrong.in_text(text)) from None
