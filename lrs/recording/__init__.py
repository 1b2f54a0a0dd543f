"""Recording statements and exchanges: from checked JSON to durable, sealed events.

The way of one statement:

1. ``drafts``: its people are taken out, its filter terms and the statement that it voids are noted.
2. ``groups``: it waits in its tenant's queue; a worker takes all that wait there as one group.
3. ``planning``: the fence is read, people become subjects, new agent objects and the body are sealed.
4. ``recorder``: the group is one transaction of the store. Only when that refuses an id that is there already,
   ``settling`` decides for each request: the same content is fine, other content is a conflict, the rest is
   inserted again. The answer goes out after the commit.
"""
