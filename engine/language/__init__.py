"""The segment language: text to tree and back; it knows no SQL."""
