"""`python -m engine` is `ciblage`."""

from engine.cli import main

main()
