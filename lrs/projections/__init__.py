"""Report views, folded from the log.

1. ``runner`` reads the log in order after where a view stands, a batch at a time.
2. ``folding`` opens the batch and folds it into rows of its own; a voiding statement means that its target's row
   is folded again without the target.
3. One transaction checks the tombstones, merges the batch's rows with those that are there, writes them and moves
   the view's tracking.
4. ``rebuilding`` does the same from position 0 into a new generation beside the live one, compares, and swaps.

``completion`` and ``progress`` are the views. Views hold random subject ids, activities, registrations, numbers
and times; they are disposable.
"""
