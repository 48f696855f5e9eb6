SELECT
  t1."subject_id",
  t1."name",
  CAST(t1."sex" AS text) AS "sex",
  CAST(t1."weight" AS text) AS "weight"
FROM "lab"."subject" AS t1
WHERE
  t1."name" LIKE 'a\%b%'
  OR (t1."name" COLLATE "default" ILIKE '_b' COLLATE "default")
  OR NOT (
    t1."name" ~ '^[a-c]'
  )
