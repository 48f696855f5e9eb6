SELECT
  t2."subject_id",
  t3."session",
  t2."name",
  t2."sex",
  CAST(t2."weight" AS text) AS "weight",
  t3."method",
  t3."day",
  t3."x"
FROM (
  SELECT
    t1."subject_id",
    t1."name",
    CAST(t1."sex" AS text) AS "sex",
    t1."weight"
  FROM "lab"."subject" AS t1
  ORDER BY
    t1."name" COLLATE "C" ASC,
    t1."subject_id" ASC
  LIMIT 2
) AS t2
JOIN "lab"."session" AS t3
  ON t2."subject_id" = t3."subject_id"
