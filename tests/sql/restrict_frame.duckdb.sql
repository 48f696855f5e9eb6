SELECT
  t1."subject_id",
  t1."session",
  t1."method",
  t1."day",
  t1."x"
FROM "lab"."session" AS t1
WHERE
  t1."method" IS NULL
  AND EXISTS(
    SELECT
      1
    FROM (SELECT UNNEST(CAST('[2]' AS SMALLINT[]))) AS t2("session")
    WHERE
      t2."session" = t1."session"
  )
  OR EXISTS(
    SELECT
      1
    FROM (SELECT UNNEST(CAST('["a","O''N \"\\"]' AS VARCHAR[])), UNNEST(CAST('[1,3]' AS SMALLINT[]))) AS t3("method", "session")
    WHERE
      t3."method" = t1."method" AND t3."session" = t1."session"
  )
