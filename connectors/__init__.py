"""The contract with email platforms, and the platforms. What an author needs is in `base`, `types` and `errors`."""
