"""The head's disks and how it boots, as its own tools tell them, and the layout made of that."""
