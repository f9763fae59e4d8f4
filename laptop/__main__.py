"""``python -m laptop``: the whole gateway on this machine, for as long as it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from laptop.launch import launch

if __name__ == "__main__":
    sys.exit(launch(os.environ, Path.cwd()))
