"""Step 5, on the node itself: an order and the machine's disks become a plan, then a standby.

Events about every step go back to the server; `rehearse` proves the result.
"""
