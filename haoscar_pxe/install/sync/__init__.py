"""Step 5 for a machine that runs: a standby and a newer generation → a plan → that generation.

Takes the standby's own record, the server's word which generation is the newest, and its entries;
gives a plan to look at, then a tree that is that generation under this node's identity. What the
blank-disk install does beside it begins with an empty disk. Next: the node reports, and boots.
"""
