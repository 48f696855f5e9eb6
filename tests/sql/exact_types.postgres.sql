SELECT
  t1."first",
  t1."second",
  CAST(CAST(CAST(t1."big" AS numeric(38,0)) + 1 AS numeric(38,0)) AS text) AS "bigger",
  CAST(t1."big" AS double precision) / CAST(3 AS double precision) AS "share",
  CAST(CAST(CAST(t1."big" AS numeric(38,0)) % CAST(7 AS numeric(38,0)) AS numeric(38,0)) AS text) AS "rest",
  CAST(CAST(DIV(CAST(t1."big" AS numeric), 7) AS numeric(38,0)) AS text) AS "whole"
FROM "lab"."pair" AS t1
