"""Definitions that stand on each other: an order in which to build them, or the circle that prevents it (rule 20)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


def find_cycle(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The first circle, as a path that ends where it starts; empty when there is none."""
    done: set[str] = set()
    for start in needs:
        found = _search(start, needs, done)
        if found:
            return found
    return ()


def in_order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Every name after those that it needs; there must be no circle."""
    placed: dict[str, None] = {}
    for start in needs:
        path: list[tuple[str, Iterator[str]]] = [(start, _known(start, needs))]
        while path:
            name, rest = path[-1]
            following = next((one for one in rest if one not in placed), None)
            if following is None:
                placed.setdefault(name)
                path.pop()
            else:
                path.append((following, _known(following, needs)))
    return list(placed)


def _search(start: str, needs: Mapping[str, Iterable[str]], done: set[str]) -> tuple[str, ...]:
    path, rest = [start], [_known(start, needs)]
    while path:
        name = next((one for one in rest[-1] if one not in done), None)
        if name is None:
            done.add(path.pop())
            rest.pop()
        elif name in path:
            return (*path[path.index(name) :], name)
        else:
            path.append(name)
            rest.append(_known(name, needs))
    return ()


def _known(name: str, needs: Mapping[str, Iterable[str]]) -> Iterator[str]:
    return iter(sorted(one for one in needs.get(name, ()) if one in needs))
