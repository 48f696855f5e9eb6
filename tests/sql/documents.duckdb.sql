SELECT
  t1."note_id",
  t1."doc",
  CASE WHEN JSON_TYPE(JSON_EXTRACT(t1."doc", '$."a"."b"')) NOT IN ('OBJECT', 'ARRAY') THEN JSON_EXTRACT_STRING(t1."doc", '$."a"."b"') END AS "text",
  CASE WHEN JSON_TYPE(JSON_EXTRACT(t1."doc", '$."list"[0]')) NOT IN ('OBJECT', 'ARRAY') THEN JSON_EXTRACT_STRING(t1."doc", '$."list"[0]') END AS "entry",
  CASE WHEN JSON_TYPE(JSON_EXTRACT(t1."doc", '$."a"')) <> 'NULL' THEN JSON_EXTRACT(t1."doc", '$."a"') END AS "part"
FROM "lab"."note" AS t1
WHERE
  CASE WHEN REGEXP_MATCHES(JSON_EXTRACT_STRING(t1."doc", '$."age"'), '^-?([0-9]{1,250}([.][0-9]{1,250})?|[0-9]{1,9}([.][0-9]{1,9})?[eE][+-]?([0-9]{1,2}|[12][0-9]{2}))$') THEN CAST(JSON_EXTRACT_STRING(t1."doc", '$."age"') AS DOUBLE) END > 5
  OR CASE JSON_EXTRACT_STRING(t1."doc", '$."ok"') WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END
