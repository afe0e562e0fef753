"""`python -m trainwright`."""

import sys

from trainwright.cli.main import main

sys.exit(main())
