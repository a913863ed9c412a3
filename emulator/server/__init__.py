"""The P4Runtime service and the switch's command line."""
