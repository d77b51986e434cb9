"""``python -m scenesearch``."""

import sys

from scenesearch.cli.main import main

sys.exit(main())
