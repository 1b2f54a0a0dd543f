"""The learning view: what each learner did at each activity, which the completion and progress reports read.

Both reports are read from one row: two views with rows of their own would cost the log's reading, the folding
and the space twice, and would have to be joined again for every answer.
"""

from lrs.domain import facts
from lrs.projections.views import View

LEARNING = View("learning", facts.fold, facts.merge)
