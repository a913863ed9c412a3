"""Spark DataFrames with pruning on a switch: see `workers.query.dataframes`, whose names these are."""

from workers.query.dataframes import (
    QueryError,
    Switch,
    distinct,
    group_count,
    group_extreme,
    group_mean,
    group_sum,
    having_sum,
    semi_join,
    top,
    use_this_python,
    where_between,
)

__all__ = [
    "QueryError",
    "Switch",
    "distinct",
    "group_count",
    "group_extreme",
    "group_mean",
    "group_sum",
    "having_sum",
    "semi_join",
    "top",
    "use_this_python",
    "where_between",
]
