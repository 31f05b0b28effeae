"""`python -m clearway.cli`."""

import sys

from clearway.cli import main

if __name__ == "__main__":
    sys.exit(main())
