"""The progress view: progress, attempts and time of each learner at each activity."""

from lrs.domain import progress
from lrs.projections.views import View

PROGRESS = View("progress", progress.fold)
