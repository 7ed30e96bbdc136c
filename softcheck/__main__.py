"""`python -m softcheck`."""

from softcheck.cli import main

main()
