"""Capture a live cluster head, network-boot its standby from the image, and let it take over."""

__version__ = "0.1.0"
