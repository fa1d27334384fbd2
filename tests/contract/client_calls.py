"""What a vendor's client called, as the operations of the official description."""

from __future__ import annotations

from official import FILES, described

from connectors.sandbox import Sandbox


def called(sandbox: Sandbox, provider: str) -> frozenset[str]:
    """The operations that arrived."""
    prefix, known = FILES[provider][1], described(provider)
    paths = {(call.method, call.path.removeprefix(prefix) or "/") for call in sandbox.calls}
    return frozenset(f"{method} {known.operation(method, path)[0]}" for method, path in paths)
