"""Where a name is looked up: among the customer's traits, or among the columns of one source inside a `where`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.language.mistakes import Wrong, suggest
from engine.language.tree import Aggregate, Anniversary, Column, Rows, Trait, Type, Value
from engine.language.vocabulary import Fact, Source, Vocabulary

_OF_BIRTH = {"birthday": "birth_date", "age": "birth_date"}
_SAME_VALUES = frozenset({"first", "last", "min", "max", "most_frequent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One vocabulary, and the columns that hide its traits while a row is tested."""

    vocabulary: Vocabulary
    columns: Mapping[str, Fact] | None = None
    source: str = ""

    def inside(self, source: str) -> Scope:
        """The scope of a `where` on rows of this source."""
        return replace(self, columns=self.vocabulary.sources[source].columns, source=source)

    def name(self, name: str, at: int) -> Value:
        """The column or trait of this name; `birthday` and `age` come from birth_date."""
        if self.columns is not None:
            return self._column(name, self.columns, at)
        facts = self.vocabulary.facts
        if name in facts:
            return Trait(name, facts[name].type, at=at)
        if name in _OF_BIRTH and _OF_BIRTH[name] in facts:
            born = Trait("birth_date", facts["birth_date"].type, at=at)
            return Anniversary(born, at=at) if name == "birthday" else Trait(name, Type.NUMBER, at=at)
        raise Wrong("unknown-name", at, self._hint(name), name=name)

    def fact(self, value: Value) -> Fact | None:
        """What is known of the values that this one can take."""
        if isinstance(value, Trait):
            return self.vocabulary.facts.get(value.name)
        if isinstance(value, Column):
            return (self.columns or {}).get(value.name)
        if isinstance(value, Aggregate) and value.fn in _SAME_VALUES and value.column:
            return self.vocabulary.sources[value.rows.source].columns.get(value.column)
        return None

    def find_source(self, name: str, at: int) -> Source:
        """The source of this name."""
        found = self.vocabulary.sources.get(name)
        if found is None:
            raise Wrong("unknown-source", at, suggest(name, self.vocabulary.sources, "sources"), name=name)
        return found

    def find_column(self, rows: Rows, column: str, at: int) -> Fact:
        """The column of a source that an aggregate or a sequence names."""
        columns = self.find_source(rows.source, at).columns
        if column not in columns:
            hint = suggest(column, columns, "columns")
            raise Wrong("unknown-column", at, hint, name=column, source=rows.source)
        return columns[column]

    def _column(self, name: str, columns: Mapping[str, Fact], at: int) -> Value:
        if name in columns:
            return Column(name, columns[name].type, at=at)
        owner, _, bare = name.partition(".")
        if owner == self.source and bare in columns:
            hint: str | None = f"inside a where write '{bare}'"
        elif name in self.vocabulary.facts:
            hint = f"'{name}' is a trait of the customer: test it outside, after an 'and'"
        else:
            hint = suggest(name, columns, "columns")
        raise Wrong("unknown-column", at, hint, name=name, source=self.source or "the row")

    def _hint(self, name: str) -> str | None:
        sources = self.vocabulary.sources
        owner, _, column = name.partition(".")
        if name in sources:
            return f"'{name}' are rows: count(…) or did(…) them, for example count({name}) > 0"
        if owner in sources and column in sources[owner].columns:
            return f"'{column}' has a value a row: write sum({name}), last({name})…"
        if name in self.vocabulary.segments:
            return f"'{name}' is a segment: write in segment {name}"
        if name.lower() in {"null", "none", "nil"}:
            return "write 'is known' or 'is unknown'"
        if name.lower() in _OF_BIRTH:
            return "it comes from birth_date, which the customers do not have"
        return suggest(name, [*self.vocabulary.facts, *_born(self.vocabulary)], "traits") or (
            f"a text stands between quotes: '{name}'"
        )


def _born(vocabulary: Vocabulary) -> tuple[str, ...]:
    return tuple(_OF_BIRTH) if "birth_date" in vocabulary.facts else ()
