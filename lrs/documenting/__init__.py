"""Keeping documents: State, Agent Profile and Activity Profile (xAPI 1.0.3 Communication 2.2, 2.3, 2.6 and 2.7).

The way of a change:

1. ``owners``: the fence is read once; the agent becomes a subject, an activity's profile is the tenant's own.
2. The document's place is a digest of its names under a key of its owner. Its row, if there is one, says which
   version is there; the sealed head says its ETag.
3. ``changes``: the domain decides by the request's preconditions whether the change may be, and what it leaves.
   Head and content are sealed as the next event of the document's stream.
4. ``writing``: what waits for one tenant is written as one group. Events and rows go in with one transaction,
   which moves each row on from exactly the version that was looked at.
5. Somebody was faster, or the fence moved: all of it again from step 1, preconditions included.

``clearing`` deletes many. ``reading`` goes the same way to step 2 and opens what it finds, always from the newest
row.
"""
