"""``python -m rfscale``: the command."""

import sys

from rfscale.sweeps.cli.main import main

sys.exit(main())
