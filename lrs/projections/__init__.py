"""Report views, folded from the log.

1. ``runner`` reads the log in order after where a view stands, a batch at a time.
2. ``folding`` opens the batch and says what each statement means for which row; a voiding statement means that
   its target's row is folded again without the target.
3. One transaction checks the tombstones, writes the rows and moves the view's tracking.
4. ``rebuilding`` does the same from position 0 into a new generation beside the live one, and swaps.

``completion`` and ``progress`` are the views. Views hold random subject ids, activities, registrations, numbers
and times; they are disposable.
"""
