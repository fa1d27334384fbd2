"""A person erased (R-GRD-05): here and at every destination, verified, with a receipt; a keyed hash keeps them out."""

from __future__ import annotations

from engine.erasure.erasing import Erasure, erase, resume
from engine.erasure.key import erased
from engine.erasure.person import Person, Trace, find, trace
from engine.erasure.site import Site

__all__ = ["Erasure", "Person", "Site", "Trace", "erase", "erased", "find", "resume", "trace"]
