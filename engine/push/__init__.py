"""A plan carried: batches, retries, splits, resumption; one outcome per change, in the ledger."""
