"""The queries offered: what goes through the switch, and how the master completes the answer."""

from __future__ import annotations

from workers.query import plans_combined as combined
from workers.query import plans_rows as rows
from workers.query import sql
from workers.query.answers import Answer, Plan, master

TPCH = {
    "customer": ["c_custkey", "c_mktsegment"],
    "orders": ["o_orderkey", "o_custkey", "o_orderdate", "o_shippriority"],
    "lineitem": ["l_orderkey", "l_extendedprice", "l_discount", "l_shipdate"],
}
SURPLUS = {
    "lineitem": ["l_partkey", "l_suppkey", "l_quantity", "l_shipdate"],
    "part": ["p_partkey", "p_name"],
    "partsupp": ["ps_partkey", "ps_suppkey", "ps_availqty"],
    "supplier": ["s_suppkey", "s_name", "s_address", "s_nationkey"],
    "nation": ["n_nationkey", "n_name"],
}
VISITS = {"uservisits": ["sourceIP", "destURL", "visitDate", "adRevenue", "userAgent", "countryCode"]}
PAGES = {"rankings": ["pageURL", "pageRank"]}
ROWS = "-rows"
"""Ends the name of a query that sends every row, where the one without it combines equal keys at the workers."""
_TPCH = [
    Plan("q3", "unshipped orders of most revenue: two joins pruned by Bloom filters", sql.Q3, TPCH, ("l_orderkey",),
         combined.q3),
    Plan("q20", "suppliers with surplus: sums by part and supplier on the switch", sql.Q20, SURPLUS, ("s_name",), rows.q20),
    Plan("q3-rows", "q3, every line item sent", sql.Q3, TPCH, ("l_orderkey",), rows.q3),
]
_BDB = [
    Plan("filter", "pages above a rank", sql.FILTER, PAGES, ("pageURL",), rows.scan_query),
    Plan("topn", "the 100 visits of most revenue", sql.TOPN, VISITS, ("sourceIP", "destURL", "adRevenue"), rows.top),
    Plan("groupby", "revenue, visits and mean by address prefix", sql.GROUPBY, VISITS, ("prefix",), combined.groupby),
    Plan("count", "visits by country", sql.COUNT, VISITS, ("countryCode",), combined.count),
    Plan("avg", "mean revenue by country", sql.AVG, VISITS, ("countryCode",), combined.average),
    Plan("max", "greatest revenue by country", sql.MAX, VISITS, ("countryCode",), combined.extreme(sql.MAX, False)),
    Plan("min", "least revenue by country", sql.MIN, VISITS, ("countryCode",), combined.extreme(sql.MIN, True)),
    Plan("distinct", "the user agents", sql.DISTINCT, VISITS, ("userAgent",), combined.unique),
    Plan("having", "pages that earn more than a 500th of all revenue", sql.HAVING.format(bound=sql.WHOLE), VISITS,
         ("destURL",), combined.having),
    Plan("join", "visits before 2005 to pages above a rank", sql.JOIN, {**VISITS, **PAGES}, ("pageURL",), combined.join),
    Plan("groupby-rows", "groupby, every row sent", sql.GROUPBY, VISITS, ("prefix",), rows.groupby),
    Plan("max-rows", "max, every row sent", sql.MAX, VISITS, ("countryCode",), rows.extreme(sql.MAX, False)),
    Plan("min-rows", "min, every row sent", sql.MIN, VISITS, ("countryCode",), rows.extreme(sql.MIN, True)),
    Plan("distinct-rows", "distinct, every row sent", sql.DISTINCT, VISITS, ("userAgent",), rows.unique),
    Plan("having-rows", "having, every row sent twice", sql.HAVING.format(bound=sql.WHOLE), VISITS, ("destURL",), rows.having),
    Plan("join-rows", "join, every row sent", sql.JOIN, {**VISITS, **PAGES}, ("pageURL",), rows.join),
]  # fmt: skip
PLANS: dict[str, dict[str, Plan]] = {
    "tpch": {plan.name: plan for plan in _TPCH},
    "bdb": {plan.name: plan for plan in _BDB},
}

__all__ = ["PLANS", "ROWS", "Answer", "Plan", "master"]
