SELECT
  t1."first",
  t1."second",
  CAST(CAST(t1."big" AS DECIMAL(38,0)) + 1 AS DECIMAL(38,0)) AS "bigger",
  CAST(t1."big" AS DOUBLE) / CAST(3 AS DOUBLE) AS "share",
  CAST(CAST(t1."big" AS DECIMAL(38,0)) % CAST(7 AS DECIMAL(38,0)) AS DECIMAL(38,0)) AS "rest",
  CAST((CAST(t1."big" AS HUGEINT) // 7) AS DECIMAL(38,0)) AS "whole"
FROM "lab"."pair" AS t1
