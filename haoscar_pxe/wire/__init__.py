"""Step 3a: datagrams become packets, and packets drive protocol machines, without any I/O.

`serve` owns the sockets and the clock.
"""
