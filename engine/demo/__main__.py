"""``python -m engine.demo URL FILES``: fill a new database with the demo county."""

import sys
from pathlib import Path

from engine.demo import load

if __name__ == "__main__":
    load(sys.argv[1], Path(sys.argv[2]))
