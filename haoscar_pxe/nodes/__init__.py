"""The registry: which machines there are, what each is to become and where it stands.

`boot` decides from it, `serve` records in it what nodes report.
"""
