"""Backups that were made to be restored: what is stored, how it is made, checked and brought back.

Logical, not physical: rows of ciphertext, blobs as they lie, the vault's rows. One folder an installation in a
place of objects, named by ``layout``; ``segments`` are stretches of a log, ``manifests`` name what counts;
``running`` makes a run of both, ``scheduling`` once an hour; ``retaining`` removes what nothing needs any more;
``checking`` proves a backup, ``restoring`` brings it back. Nobody here knows a driver or a cipher, and nothing is
ever opened: a backup is made by whoever has no key to it.
"""
