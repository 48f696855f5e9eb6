SELECT
  t1."subject_id",
  t1."name",
  CAST(t1."sex" AS text) AS "sex",
  CAST(t1."weight" AS text) AS "weight"
FROM "lab"."subject" AS t1
WHERE
  t1."name" COLLATE "C" >= 'b' AND t1."name" = 'c'
ORDER BY
  t1."name" COLLATE "C" DESC,
  t1."subject_id" ASC
LIMIT 2
