SELECT
  t1."subject_id",
  t1."name",
  t1."sex",
  t1."weight"
FROM "lab"."subject" AS t1
WHERE
  t1."name" >= 'b' AND t1."name" = 'c'
ORDER BY
  t1."name" DESC,
  t1."subject_id" ASC
LIMIT 2
