"""The completion view: completion, success, score and satisfaction of each learner at each activity."""

from lrs.domain import completion
from lrs.projections.views import View

COMPLETION = View("completion", completion.fold)
