"""Where a name is looked up: among the customer's traits, or among the columns of one source inside a `where`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.errors import nearest
from engine.language.habits import NAMES
from engine.language.mistakes import Wrong, list_names, suggest
from engine.language.tree import Aggregate, Anniversary, CalendarPart, Column, Rows, Trait, Type, Value
from engine.language.vocabulary import Fact, Source, Vocabulary

_OF_BIRTH = {"birthday": "birth_date", "age": "birth_date"}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FEW = 3
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
        hint = next(hint for spell in _HINTS if (hint := spell(name, self.vocabulary)))
        raise Wrong("unknown-name", at, hint, name=name)

    def fact(self, value: Value) -> Fact | None:
        """What is known of the values that this one can take."""
        if isinstance(value, Trait):
            return self.vocabulary.facts.get(value.name)
        if isinstance(value, Column):
            return (self.columns or {}).get(value.name)
        if isinstance(value, CalendarPart) and value.part == "weekday":
            return Fact(type=Type.TEXT, values=WEEKDAYS, exact=True)
        if isinstance(value, Aggregate) and value.fn in _SAME_VALUES and value.column:
            return self.vocabulary.sources[value.rows.source].columns.get(value.column)
        return None

    def find_source(self, name: str, at: int) -> Source:
        """The source of this name."""
        found = self.vocabulary.sources.get(name)
        if found is None:
            raise Wrong("unknown-source", at, self._meant(name), name=name)
        return found

    def _meant(self, name: str) -> str | None:
        """The source that a name stands for: one of its columns, another word, or the nearest."""
        sources = self.vocabulary.sources
        owners = [one for one in sorted(sources, key=_likeliest) if name in sources[one].columns]
        near = suggest(name, sources, "sources")
        if owners:
            return f"'{name}' is a column of {list_names(owners[:_FEW])}: write {owners[0]}.{name}"
        meant = NAMES.get(name.lower())
        return f"did you mean '{meant}'?" if meant in sources else near

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


def _likeliest(source: str) -> tuple[bool, int, str]:
    """Purchases first, then by the shortest name."""
    return source not in {"orders", "order_lines"}, len(source), source


def _born(vocabulary: Vocabulary) -> tuple[str, ...]:
    return tuple(_OF_BIRTH) if "birth_date" in vocabulary.facts else ()


def _as_source(name: str, vocabulary: Vocabulary) -> str | None:
    found = name in vocabulary.sources
    return f"'{name}' are rows: count(…) or did(…) them, for example count({name}) > 0" if found else None


def _as_qualified(name: str, vocabulary: Vocabulary) -> str | None:
    owner, _, column = name.partition(".")
    found = owner in vocabulary.sources and column in vocabulary.sources[owner].columns
    return f"'{column}' has a value a row: write sum({name}), last({name})…" if found else None


def _as_segment(name: str, vocabulary: Vocabulary) -> str | None:
    return f"'{name}' is a segment: write in segment {name}" if name in vocabulary.segments else None


def _as_keyword(name: str, vocabulary: Vocabulary) -> str | None:
    """A word of the language that wants more around it."""
    word = name.lower()
    if word in {"yes", "no", "oui", "non", "vrai", "faux"}:
        return f"write {'true' if word in {'yes', 'oui', 'vrai'} else 'false'}"
    if word == "reachable":
        return f"write reachable({min(vocabulary.channels, default='email')})"
    return "write in segment, and its name: in segment loyal" if word in {"segment", "segments"} else None


def _as_customers(name: str, vocabulary: Vocabulary) -> str | None:
    owner, _, column = name.partition(".")
    found = owner in {"customer", "customers", "client", "clients"} and column in vocabulary.facts
    return f"'{column}' is a trait of the customer: write it alone" if found else None


def _as_value(name: str, vocabulary: Vocabulary) -> str | None:
    known = any(name.lower() in fact.values for fact in vocabulary.facts.values())
    return f"a text stands between quotes: '{name.lower()}'" if known else None


def _as_called(name: str, vocabulary: Vocabulary) -> str | None:
    """Another word for a trait or a source."""
    meant = NAMES.get(name.lower())
    if meant in vocabulary.sources:
        return f"write '{meant}', counted or summed: count({meant}) > 0"
    return f"did you mean '{meant}'?" if meant and (meant in vocabulary.facts or meant in _born(vocabulary)) else None


def _as_null(name: str, _vocabulary: Vocabulary) -> str | None:
    return "write 'is known' or 'is unknown'" if name.lower() in {"null", "none", "nil"} else None


def _as_column(name: str, vocabulary: Vocabulary) -> str | None:
    owners = [
        source for source in sorted(vocabulary.sources, key=_likeliest) if name in vocabulary.sources[source].columns
    ]
    if not owners or nearest(name, vocabulary.facts):
        return None
    return f"'{name}' is a column of {', '.join(owners)}: write for example last({owners[0]}.{name})"


def _as_birth(name: str, _vocabulary: Vocabulary) -> str | None:
    return "it comes from birth_date, which the customers do not have" if name.lower() in _OF_BIRTH else None


def _as_near(name: str, vocabulary: Vocabulary) -> str:
    near = suggest(name, [*vocabulary.facts, *_born(vocabulary)], "traits")
    return near or f"a text stands between quotes: '{name}'"


_HINTS = (
    _as_source, _as_qualified, _as_segment, _as_keyword, _as_customers, _as_value, _as_called, _as_null, _as_column, _as_birth, _as_near,
)  # fmt: skip
