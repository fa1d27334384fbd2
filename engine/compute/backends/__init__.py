"""Where a query runs: one module an engine, each a table of spellings."""
