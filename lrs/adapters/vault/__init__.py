"""The vault: every key, and all sealing and opening.

    root key (file or environment) -> EK epoch key (file in LRS_KEY_DIR) -> TK tenant key -> DK data keys
                                                                         -> IK pepper, SK signing key

``roots`` finds the root key, ``wrapping`` wraps keys with keys, ``envelope`` seals data, ``ledger`` mirrors
destructions outside the database, ``destroying`` carries them out and catches up with the mirror, ``vault`` keeps
the wrapped keys and the fence, in any database that speaks our SQL.
"""
