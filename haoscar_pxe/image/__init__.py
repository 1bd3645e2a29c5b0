"""Step 2, the repository: entries and bytes become chunks in packs and a signed manifest.

They come back as a tree (`restore`) or as a comparison; `serve` and `install` read what is here.
"""
