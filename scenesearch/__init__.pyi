from .api import IndexOutcome, SceneSearch
from .basket import Baskets
from .complete import CompleteOptions, Completion, KnownScene
from .config.search import SearchOptions
from .config.settings import Settings, load_settings
from .core.errors import SceneSearchError
from .core.turns import Turn
from .look.look import Look
from .look.values import Evidence, Match, RegionMatches
from .sync.plan import SyncRules
from .sync.syncer import SyncReport
from .tagging.rows import TagRow
from .tagging.run import RunOptions, TagSummary
from .tagging.tagger import TagOptions

__version__: str
__all__ = [
    "Baskets",
    "CompleteOptions",
    "Completion",
    "Evidence",
    "IndexOutcome",
    "KnownScene",
    "Look",
    "Match",
    "RegionMatches",
    "RunOptions",
    "SceneSearch",
    "SceneSearchError",
    "SearchOptions",
    "Settings",
    "SyncReport",
    "SyncRules",
    "TagOptions",
    "TagRow",
    "TagSummary",
    "Turn",
    "__version__",
    "load_settings",
]
