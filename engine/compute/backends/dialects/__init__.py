"""Dialects that cannot run here: words from the vendors' documentation, each oddity with its source and date.

Their SQL is generated, read back by sqlglot and kept as golden files; no suite has run it.
"""
