"""`python -m haoscar_pxe.cli`: the command, where it is not installed under its name."""

from haoscar_pxe.cli.main import main

if __name__ == "__main__":
    main()
