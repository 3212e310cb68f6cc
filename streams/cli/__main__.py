"""`python -m streams.cli` is `pulse`."""

from streams.cli.main import main

main()
