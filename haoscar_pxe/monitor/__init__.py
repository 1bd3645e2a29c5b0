"""Step 6: who may be active. So far the rules of the lease alone, which nothing obeys yet.

What was installed as a standby will take over here; `lease.py` is where to begin to read.
"""
