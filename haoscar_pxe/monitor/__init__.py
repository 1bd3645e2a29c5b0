"""Step 6: who is the active head. It takes heartbeats and gives addresses and services to one head.

What was installed as a standby takes over here. `lease.py` is where to begin to read, then
`keeping.py` (one member's part in the lease) and `supervisor.py` (what follows from it).
"""
