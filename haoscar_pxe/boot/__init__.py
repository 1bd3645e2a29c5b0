"""Step 4: who is asking and where that node stands become what to send, and why.

The next step runs on the node itself, in `install`.
"""
