"""The command line: ``lrs``. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused.

Every command but serve and demo takes ``--json`` and then prints exactly one JSON document. All of them work
while the service runs on the same data directory.

``root`` puts the commands together; ``service``, ``migrate``, ``tenants`` and ``subjects`` hold them; ``output``
is what they share; ``serving`` runs the service, ``demonstration`` fills the demo.
"""

from lrs.cli.root import main

__all__ = ["main"]
