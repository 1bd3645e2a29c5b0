"""The proof: a generation becomes a virtual machine that network-boots and installs itself.

It reboots, is probed, and its disk is compared with the generation.
"""
