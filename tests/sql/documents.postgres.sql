SELECT
  t1."note_id",
  CAST(t1."doc" AS jsonb) AS "doc",
  CASE WHEN JSONB_TYPEOF(((CAST(t1."doc" AS jsonb) -> 'a') -> 'b')) NOT IN ('object', 'array') THEN ((CAST(t1."doc" AS jsonb) -> 'a') ->> 'b') END AS "text",
  CASE WHEN JSONB_TYPEOF(JSONB_PATH_QUERY_FIRST(CAST(t1."doc" AS jsonb), 'strict $."list"[0]', '{}', TRUE)) NOT IN ('object', 'array') THEN (JSONB_PATH_QUERY_FIRST(CAST(t1."doc" AS jsonb), 'strict $."list"[0]', '{}', TRUE) #>> '{}') END AS "entry",
  NULLIF((CAST(t1."doc" AS jsonb) -> 'a'), CAST('null' AS jsonb)) AS "part"
FROM "lab"."note" AS t1
WHERE
  CASE WHEN (CAST(t1."doc" AS jsonb) ->> 'age') ~ '^-?([0-9]{1,250}([.][0-9]{1,250})?|[0-9]{1,9}([.][0-9]{1,9})?[eE][+-]?([0-9]{1,2}|[12][0-9]{2}))$' THEN CAST((CAST(t1."doc" AS jsonb) ->> 'age') AS double precision) END > 5
  OR CASE (CAST(t1."doc" AS jsonb) ->> 'ok') WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END
