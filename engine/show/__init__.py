"""What people see: each verb's result as tables that fit 80 columns, in their language; or as one JSON document."""

from engine.show.documents import document
from engine.show.screen import console, error
from engine.show.views import render

__all__ = ["console", "document", "error", "render"]
