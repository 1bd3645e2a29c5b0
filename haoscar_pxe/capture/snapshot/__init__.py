"""Snapshots of the head's storage: planned, made, read in place of the live files, removed."""
