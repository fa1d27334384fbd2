"""What came back: suppressions into the ledger, engagement events into Parquet parts, each with a saved cursor."""

from engine.engagement.pull import Patience, Pulled, is_swept, pull

__all__ = ["Patience", "Pulled", "is_swept", "pull"]
