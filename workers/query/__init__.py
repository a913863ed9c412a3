"""Database queries whose rows stream through the switch: pruning and float aggregation on the way to the master."""
