"""The composition root: adapters are chosen and everything is put together here, and nowhere else.

``opening`` finds stores, vault and keys where the settings say, ``building`` puts the parts together, ``system``
is what they are then, ``examining`` is a look at all of it.
"""

from lrs.adapters.postgres.migrating import Migrated
from lrs.adapters.signatures import verify
from lrs.bootstrap.building import build, compactor
from lrs.bootstrap.examining import examine
from lrs.bootstrap.opening import migrate, roots_of
from lrs.bootstrap.system import System

__all__ = ["Migrated", "System", "build", "compactor", "examine", "migrate", "roots_of", "verify"]
