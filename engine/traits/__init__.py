"""Traits: a named fact per customer, defined once and used by segments, merge tags and other traits."""

from engine.traits.trait import Trait, TraitDefinition, build_traits

__all__ = ["Trait", "TraitDefinition", "build_traits"]
