"""What can go wrong with a query, as one sentence for the user."""


class QueryError(Exception):
    """A query that cannot be run or finished; the text is the whole explanation."""


class SwitchLost(QueryError):
    """The switch does not answer, or is another one than before: the query may be tried again from its start."""
