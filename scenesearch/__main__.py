"""``python -m scenesearch``."""

import sys

from scenesearch.cli import main

sys.exit(main())
