"""Reindexing: filling all that stands beside a tenant's log, and the control store's rows, from events alone.

``tenants`` walks a tenant's log, ``records`` makes statements and exchanges into the rows that recording made of
them, ``beside`` does the same with agent objects, documents and requests; ``control`` restores who the tenants and
credentials are. Nothing is minted, nothing is appended: what is erased or expired stays so.
"""
