"""The words of the field, for samples: verbs, types and extensions that specifications and products name.

Data only. It must not hold a name, an address or a real host of anybody's learning records.
"""

from typing import Any, Final

_ADL: Final = "http://adlnet.gov/expapi/"
_W3ID: Final = "https://w3id.org/xapi/"
_TINCAN: Final = "http://id.tincanapi.com/"
_STREAMS: Final = "http://activitystrea.ms/schema/1.0/"

HOSTS: Final = (
    "lms",
    "learning",
    "www",
    "moodle",
    "courses",
    "content",
    "academy",
    "training",
    "elearning",
    "xapi",
)

# The orders in which libraries write a statement; ids are left out, for the body does not hold them.
ORDERS: Final = (
    ("actor", "verb", "object", "context", "result", "timestamp"),
    ("actor", "verb", "object", "result", "context", "timestamp"),
    ("actor", "verb", "object", "context", "timestamp", "result"),
    ("actor", "verb", "timestamp", "object", "result", "context"),
    ("timestamp", "actor", "verb", "result", "context", "object"),
    ("actor", "timestamp", "verb", "context", "object", "result"),
)

CMI5_VERBS: Final = (
    *(_ADL + "verbs/" + one for one in ("launched", "initialized", "completed", "passed", "failed", "terminated")),
    *(_ADL + "verbs/" + one for one in ("progressed", "initialized", "launched", "terminated")),
    *(_W3ID + "adl/verbs/" + one for one in ("satisfied", "abandoned", "waived")),
)
MOVE_ON: Final = ("Passed", "Completed", "CompletedAndPassed", "CompletedOrPassed", "NotApplicable")
REASONS: Final = ("Tested Out", "Equivalent AU", "Equivalent Outside Activity", "Administrative")

VIDEO_VERBS: Final = (
    *(_W3ID + "video/verbs/" + one for one in ("played", "paused", "seeked", "played", "paused")),
    *(_ADL + "verbs/" + one for one in ("initialized", "completed", "terminated", "interacted")),
)
VIDEO_SETTINGS: Final[dict[str, Any]] = {
    "full-screen": False,
    "screen-size": "1920x1080",
    "video-playback-size": "640x360",
    "cc-enabled": False,
    "cc-subtitle-lang": "en",
    "speed": "1x",
    "frame-rate": "25",
    "quality": "auto",
    "volume": 1,
    "track": "audio",
    "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
}

H5P: Final = (
    "MultiChoice",
    "TrueFalse",
    "Blanks",
    "DragText",
    "DragQuestion",
    "QuestionSet",
    "SingleChoiceSet",
    "MarkTheWords",
    "InteractiveVideo",
    "CoursePresentation",
    "Summary",
    "Essay",
    "Column",
    "InteractiveBook",
    "BranchingScenario",
    "Accordion",
)

INTERACTIONS: Final = (
    *("choice", "choice", "choice", "true-false", "fill-in", "long-fill-in"),
    *("likert", "matching", "sequencing", "numeric", "performance", "other"),
)
ATTACHMENT: Final[dict[str, Any]] = {
    "usageType": "http://adlnet.gov/expapi/attachments/signature",
    "display": {"en-US": "Signature"},
    "contentType": "application/octet-stream",
    "length": 0,
    "sha2": "",
    "fileUrl": "https://",
}

_VIEWED: Final = _TINCAN + "verb/viewed"
MOODLE_EVENTS: Final = (
    ("\\core\\event\\course_viewed", _VIEWED, "course"),
    ("\\core\\event\\course_module_completion_updated", _ADL + "verbs/completed", "page"),
    ("\\core\\event\\user_loggedin", "https://brindlewaye.com/xAPITerms/verbs/loggedin/", "site"),
    ("\\core\\event\\user_loggedout", "https://brindlewaye.com/xAPITerms/verbs/loggedout/", "site"),
    ("\\core\\event\\user_enrolment_created", _TINCAN + "verb/enrolled", "course"),
    ("\\core\\event\\course_completed", _ADL + "verbs/completed", "course"),
    ("\\core\\event\\user_graded", _ADL + "verbs/scored", "quiz"),
    ("\\mod_page\\event\\course_module_viewed", _VIEWED, "page"),
    ("\\mod_resource\\event\\course_module_viewed", _VIEWED, "resource"),
    ("\\mod_url\\event\\course_module_viewed", _VIEWED, "url"),
    ("\\mod_book\\event\\course_module_viewed", _VIEWED, "book"),
    ("\\mod_book\\event\\chapter_viewed", _VIEWED, "book"),
    ("\\mod_folder\\event\\course_module_viewed", _VIEWED, "folder"),
    ("\\mod_quiz\\event\\course_module_viewed", _VIEWED, "quiz"),
    ("\\mod_quiz\\event\\attempt_started", _STREAMS + "start", "quiz"),
    ("\\mod_quiz\\event\\attempt_submitted", _ADL + "verbs/completed", "quiz"),
    ("\\mod_quiz\\event\\attempt_reviewed", _TINCAN + "verb/reviewed", "quiz"),
    ("\\mod_assign\\event\\assessable_submitted", _STREAMS + "submit", "assign"),
    ("\\mod_assign\\event\\submission_graded", _ADL + "verbs/scored", "assign"),
    ("\\mod_forum\\event\\course_module_viewed", _VIEWED, "forum"),
    ("\\mod_forum\\event\\discussion_viewed", _VIEWED, "discussion"),
    ("\\mod_forum\\event\\discussion_created", _W3ID + "acrossx/verbs/posted", "discussion"),
    ("\\mod_forum\\event\\post_created", _ADL + "verbs/responded", "discussion"),
    ("\\mod_scorm\\event\\sco_launched", _ADL + "verbs/launched", "scorm"),
    ("\\mod_scorm\\event\\scoreraw_submitted", _ADL + "verbs/scored", "scorm"),
    ("\\mod_feedback\\event\\response_submitted", _W3ID + "acrossx/verbs/evaluated", "feedback"),
    ("\\mod_lti\\event\\course_module_viewed", _VIEWED, "lti"),
    ("\\mod_bigbluebuttonbn\\event\\meeting_joined", _ADL + "verbs/attended", "lti"),
    ("\\core\\event\\badge_awarded", _W3ID + "tla/verbs/achieved", "badge"),
)
MOODLE_MODULES: Final = {
    "site": ("login/index.php", _TINCAN + "activitytype/lms"),
    "course": ("course/view.php", _W3ID + "cmi5/activitytype/course"),
    "page": ("mod/page/view.php", "http://activitystrea.ms/schema/1.0/page"),
    "resource": ("mod/resource/view.php", _TINCAN + "activitytype/resource"),
    "url": ("mod/url/view.php", _ADL + "activities/link"),
    "book": ("mod/book/view.php", _TINCAN + "activitytype/book"),
    "folder": ("mod/folder/view.php", _TINCAN + "activitytype/collection-simple"),
    "quiz": ("mod/quiz/view.php", _ADL + "activities/assessment"),
    "assign": ("mod/assign/view.php", _TINCAN + "activitytype/school-assignment"),
    "forum": ("mod/forum/view.php", _W3ID + "acrossx/activities/discussion-forum"),
    "discussion": ("mod/forum/discuss.php", _TINCAN + "activitytype/discussion"),
    "scorm": ("mod/scorm/view.php", _TINCAN + "activitytype/legacy-learning-standard"),
    "feedback": ("mod/feedback/view.php", _TINCAN + "activitytype/survey"),
    "lti": ("mod/lti/view.php", _ADL + "activities/lesson"),
    "badge": ("badges/overview.php", "https://xapi.edlm/profiles/edlm-lms/concepts/activity-types/badge"),
}

SCORM_VERBS: Final = tuple(
    _ADL + "verbs/" + one
    for one in (
        "initialized",
        "terminated",
        "completed",
        "passed",
        "failed",
        "scored",
        "suspended",
        "resumed",
        "attempted",
        "progressed",
        "satisfied",
    )
)
PLAIN_VERBS: Final = (
    *(_ADL + "verbs/" + one for one in ("experienced", "experienced", "experienced", "attempted", "completed")),
    *(_ADL + "verbs/" + one for one in ("interacted", "launched", "exited", "registered", "attended", "asked")),
    *(_ADL + "verbs/" + one for one in ("commented", "imported", "mastered", "preferred", "shared", "responded")),
    *(_TINCAN + "verb/" + one for one in ("viewed", "downloaded", "bookmarked", "rated", "replied", "skipped")),
    *(_STREAMS + one for one in ("open", "read", "start", "submit", "watch", "like", "share", "create", "search")),
    *(_W3ID + "acrossx/verbs/" + one for one in ("evaluated", "edited", "liked", "posted", "watched", "searched")),
    _W3ID + "dod-isd/verbs/accessed",
    _W3ID + "medbiq/verbs/opened",
    "https://w3id.org/xapi/tla/verbs/registered",
)
ACTIVITY_TYPES: Final = (
    *(_ADL + "activities/" + one for one in ("course", "module", "lesson", "assessment", "question", "media")),
    *(_ADL + "activities/" + one for one in ("meeting", "performance", "simulation", "interaction", "objective")),
    *(_ADL + "activities/" + one for one in ("file", "link", "profile", "attempt")),
    *(_TINCAN + "activitytype/" + one for one in ("document", "chapter", "slide", "slide-deck", "step", "unit")),
    *(_TINCAN + "activitytype/" + one for one in ("resource", "solution", "webinar", "section", "category")),
    *(_STREAMS + one for one in ("page", "article", "video", "audio", "event", "game", "image", "note", "group")),
    *(_W3ID + "acrossx/activities/" + one for one in ("webpage", "video", "online-discussion", "message")),
    "https://w3id.org/xapi/computer-managed-instruction/activities/session",
)
EXTENSIONS: Final = (
    _TINCAN + "extension/browser-info",
    _TINCAN + "extension/attempt-id",
    _TINCAN + "extension/tags",
    _TINCAN + "extension/topic",
    _TINCAN + "extension/ip-address",
    _TINCAN + "extension/duration",
    _TINCAN + "extension/target",
    _TINCAN + "extension/quality-rating",
    _W3ID + "acrossx/extensions/search-terms",
    _W3ID + "acrossx/extensions/total-items",
    _W3ID + "acrossx/extensions/by-whom",
    _W3ID + "cmi5/context/extensions/sessionid",
    "http://lrs.learninglocker.net/define/extensions/info",
    "https://docs.learninglocker.net/statement_metadata/extensions/info",
)

MODELS: Final = (
    "claude-opus-4-20250514",
    "claude-sonnet-4-20250514",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "claude-3-5-haiku-latest",
    "claude-opus-4-1",
)
SYSTEMS: Final = (
    "You are a helpful tutor.",
    "You are a tutor for the course",
    "You are an assistant that helps learners understand",
    "You are a coach. Give feedback on the answer of the learner.",
    "Do not give away the answer. Ask questions that help the learner to find it.",
)

OPENINGS: Final = (
    "The",
    "In this",
    "This",
    "You can",
    "Can you explain",
    "What is the",
    "How do I",
    "Let's look at",
    "For example, the",
    "I think that",
    "Which of the following",
    "When you",
    "That's a good question.",
    "Yes, you",
    "There are",
    "It is",
    "First,",
    "Please",
    "If you",
    "Here is the",
    "I don't understand",
    "Learn how to",
    "An introduction to",
)
_SMALL = """
the of and to a in is that for it as with be on not are this by from at or an have which you your can will if
when what how do we all one more other about so than but they there their also use used should would may must
"""
_WORDS = """
access account accident action activity advanced agile analysis answer area asset assessment audit awareness
basic behaviour benefit brand budget build business care career case cell change chapter chemistry child class
clean client climate cloud code communication community company compliance computer concept condition conduct
conflict contract control cost country course creative crisis culture customer cyber data decision delivery
design develop device digital discussion diversity document driving economy education effective electric
emergency employee energy engine english environment equation equipment ethics evaluation evidence exam example
exercise experience feedback field file finance first food foundation framework function future game general
geography global goal grammar growth guide hand health history home hospital human hygiene idea impact improve
incident induction industry information innovation inspection instruction insurance interview introduction
inventory issue job journey key knowledge labour language law leadership lean learning legal lesson level
library life list literacy local machine maintenance manage manager manual market material mathematics measure
media medical meeting member mental method metric mobile model module money music nature network number nursing
nutrition objective office onboarding online operation order organisation outcome overview part patient pattern
payment people performance phase physics planet planning plant policy power practice presentation pressure
principle privacy problem process product professional profile program progress project protection protocol
public quality question quiz reading record recovery reference reflection regulation relation remote report
request research resource response result review risk role safety sales scenario science section security self
sequence server service session shift skill social society software solution source space staff standard start
state step stock story strategy stress student study summary supply support survey system task teacher team
technique technology test theory thinking time tool topic traffic training transport travel treatment trial type
understanding unit update user value vehicle video vision visit voice waste water web wellbeing work workplace
workshop world writing year
"""
SMALL: Final = tuple(_SMALL.split())
# Drawn from evenly: what a title is made of must not be learned by heart.
WORDS: Final = tuple(_WORDS.split())
