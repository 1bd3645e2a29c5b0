"""`python3 -m haoscar_pxe.install`: what `init` starts in the initramfs."""

from __future__ import annotations

import os

from haoscar_pxe.install.agent import main

if __name__ == "__main__":
    # sys.exit would wait for the thread that sends events; all that must be heard was waited for.
    os._exit(main())
