"""The boot server against other people's daemons: each in a namespace, the same load for all."""
