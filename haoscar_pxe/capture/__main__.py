"""`python3 -m haoscar_pxe.capture BUNDLE`: what the image server starts on a head over ssh."""

from __future__ import annotations

import sys
from pathlib import Path

from haoscar_pxe.capture.remote.agent import main

if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
