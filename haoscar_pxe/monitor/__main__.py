"""`python -m haoscar_pxe.monitor FD`: the keeper, as a monitor starts it."""

import sys

from haoscar_pxe.monitor.keeper import main

if __name__ == "__main__":
    main(int(sys.argv[1]))
