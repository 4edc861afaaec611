"""``python -m framecast.cli``: the same as the ``framecast`` command."""

import sys

from framecast.cli import main

sys.exit(main())
