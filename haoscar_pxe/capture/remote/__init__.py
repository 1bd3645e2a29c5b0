"""A head that is captured from afar, over ssh: the agent is taken there, what lacks comes back."""
