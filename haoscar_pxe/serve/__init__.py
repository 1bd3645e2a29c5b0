"""Step 3b: sockets for the machines of `wire`, and HTTP for boot files, packs, orders and events.

What they answer comes from `boot`.
"""
