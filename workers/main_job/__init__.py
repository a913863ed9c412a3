"""`fpisa run`: train the digits network once with every aggregator, over real links, and compare."""

from workers.main_job.command import main

__all__ = ["main"]
