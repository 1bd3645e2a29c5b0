"""Which of the mounted file systems and folders belong to the image, each with its reason."""
