"""The command line: reads the configuration, hands each room its slice, prints what comes back."""
