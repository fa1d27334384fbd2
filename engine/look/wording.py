"""What the looking verbs share: a definition in the client's words, its SQL, and a segment that must be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConfigError, nearest

if TYPE_CHECKING:
    from engine.client import Client
    from engine.language.tree import Node
    from engine.segments import Catalogue
    from engine.segments.segment import Segment

__all__ = ["in_words", "known_segment", "sql_of", "typeset"]


def in_words(client: Client, node: Node) -> str:
    """A definition as the client's marketers read it, its dates resolved."""
    from engine.language import words

    settings = client.settings
    said = words.in_words(
        node, client.lang, client.now, settings.zone, titles=_titles(client), week_starts=settings.week_starts
    )
    return typeset(said, client.lang)


def typeset(text: str, lang: str) -> str:
    """French typography: the curved apostrophe, and marks that do not part from their word at a line's end."""
    if lang != "fr":
        return text
    joined = text.replace("'", "’").replace("« ", "«\u00a0").replace(" »", "\u00a0»")
    return joined.replace(" :", "\u00a0:").replace(" ;", "\u00a0;")


def _titles(client: Client) -> dict[str, str]:
    """Titles of segments and traits, as the language's words look them up."""
    segments = {f"segment {name}": one.title for name, one in client.catalogue.segments.items()}
    named = {name: one.title.get(client.lang) for name, one in client.catalogue.traits.items()}
    return segments | {name: title for name, title in named.items() if title}


def sql_of(client: Client, catalogue: Catalogue, backend: str | None = None) -> str:
    """The SQL of all traits and segments of a catalogue together, in the shop's backend's words unless another is named."""
    from engine.compute import sql

    settings = client.settings
    return sql(
        catalogue,
        client.now,
        settings.zone,
        sources=client.shop.sources(),
        backend=backend or client.shop.database.name,
        week_starts=settings.week_starts,
        leap_day=settings.leap_day,
    )


def known_segment(client: Client, name: str) -> Segment:
    """The segment of this name. Raises ConfigError with the nearest."""
    known = client.catalogue.segments
    if name in known:
        return known[name]
    near = nearest(name, known)
    hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(known)}"
    raise ConfigError(f"there is no segment '{name}'", place="SEGMENT", hint=hint)
