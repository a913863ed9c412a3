"""A query in several processes: switch, controller, workers and master, over shared memory or a network."""
