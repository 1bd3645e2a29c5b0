"""Step 1: a live tree and its disks become entries, bytes and a disk layout.

`image` stores them as a generation.
"""
