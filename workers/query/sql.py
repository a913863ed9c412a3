"""The queries as SQL: what the answers must equal, and what is left of them at the master."""

Q3 = """
SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
FROM customer, orders, lineitem
WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
  AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate, l_orderkey LIMIT 10"""
Q20 = """
SELECT s_name, s_address FROM supplier, nation
WHERE s_suppkey IN (
  SELECT ps_suppkey FROM partsupp
  WHERE ps_partkey IN (SELECT p_partkey FROM part WHERE p_name LIKE 'forest%')
    AND ps_availqty > (SELECT 0.5 * sum(l_quantity) FROM lineitem
      WHERE l_partkey = ps_partkey AND l_suppkey = ps_suppkey
        AND l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'))
  AND s_nationkey = n_nationkey AND n_name = 'CANADA' ORDER BY s_name"""
Q20_MASTER = """
SELECT DISTINCT s_name, s_address FROM supplier, nation, partsupp, sold
WHERE s_suppkey = ps_suppkey AND ps_partkey = partkey AND ps_suppkey = suppkey AND ps_availqty > 0.5 * quantity
  AND s_nationkey = n_nationkey AND n_name = 'CANADA' ORDER BY s_name"""
FILTER = "SELECT pageURL, pageRank FROM rankings WHERE pageRank > 100"
TOPN = "SELECT destURL, adRevenue, sourceIP FROM uservisits ORDER BY adRevenue DESC, sourceIP, destURL LIMIT 100"
GROUPBY = ("SELECT substr(sourceIP, 1, 5) AS prefix, sum(adRevenue) AS revenue, count(*) AS visits, "
           "avg(adRevenue) AS mean FROM uservisits GROUP BY prefix")
COUNT = "SELECT countryCode, count(*) AS visits FROM uservisits GROUP BY countryCode"
AVG = "SELECT countryCode, avg(adRevenue) AS mean FROM uservisits GROUP BY countryCode"
MAX = "SELECT countryCode, max(adRevenue) AS best FROM uservisits GROUP BY countryCode"
MIN = "SELECT countryCode, min(adRevenue) AS least FROM uservisits GROUP BY countryCode"
DISTINCT = "SELECT DISTINCT userAgent FROM uservisits"
LEAST_REVENUE = 0.002  # of all revenue
WHOLE = f"(SELECT {LEAST_REVENUE} * sum(adRevenue::DOUBLE) FROM uservisits)"
HAVING = ("SELECT destURL, count(*) AS visits FROM uservisits GROUP BY destURL "
          "HAVING sum(adRevenue::DOUBLE) > {bound}")
JOIN = ("SELECT pageURL, count(*) AS visits, max(adRevenue) AS best FROM rankings, uservisits "
        "WHERE pageURL = destURL AND pageRank > 100 AND visitDate < DATE '2005-01-01' GROUP BY pageURL")

Q3_MASTER = """
SELECT l_orderkey, sum(part) AS revenue, o_orderdate, o_shippriority FROM customer, orders, shipped
WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
  AND o_orderdate < DATE '1995-03-15'
GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate, l_orderkey LIMIT 10"""
HAVING_MASTER = ("SELECT destURL, sum(visits)::BIGINT AS visits FROM parts GROUP BY destURL "
                 "HAVING sum(total) > {bound}")
JOIN_MASTER = ("SELECT pageURL, sum(visits)::BIGINT AS visits, max(best) AS best FROM rankings, parts "
               "WHERE pageURL = destURL AND pageRank > 100 GROUP BY pageURL")
