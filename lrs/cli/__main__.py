"""``python -m lrs.cli``."""

from lrs.cli.root import main

main()
