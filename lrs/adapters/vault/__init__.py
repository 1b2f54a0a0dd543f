"""The vault: every key, and all sealing and opening.

    root (file, environment, transit engine) -> EK epoch key (file in LRS_KEY_DIR) -> TK tenant key -> DK data keys
                                                                                   -> IK pepper, SK signing key

``roots`` and ``transit`` hold the root, ``epochs`` the epoch keys; ``wrapping`` wraps keys with keys, ``envelope``
seals data. ``opening`` opens the vault at start, ``checking`` that its parts are of one epoch. ``fence``,
``tenants`` and ``vault`` keep the wrapped keys, in any database that speaks our SQL; ``reading`` works under one
reading of the fence. ``ledger``, ``escrow`` and ``mirrors`` keep destructions outside the database, ``destroying``
carries them out. ``closing`` ends an epoch: ``rewrapping`` wraps what lives anew, ``snapshot`` copies it,
``proving`` opens the copy.
"""
