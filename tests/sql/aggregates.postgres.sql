SELECT
  t1."subject_id",
  t2."_1" AS "days",
  t2."_2" AS "methods",
  t2."_3" AS "middle",
  t2."_4" AS "most",
  t2."_5" AS "last",
  COALESCE(t2."_6", 0) AS "late",
  t2."_7" AS "slope"
FROM "lab"."subject" AS t1
LEFT JOIN (
  SELECT
    t3."subject_id",
    ARRAY_TO_STRING(ARRAY_AGG(DISTINCT t3."day"
    ORDER BY
      t3."day" DESC NULLS LAST) FILTER (WHERE t3."day" IS NOT NULL), ', ') AS "_1",
    STRING_AGG(DISTINCT CAST(t3."method" AS text) COLLATE "C", ','
    ORDER BY
      CAST(t3."method" AS text) COLLATE "C" ASC) AS "_2",
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY t3."x") AS "_3",
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY t3."x") AS "_4",
    MAX(t3."method" COLLATE "C") AS "_5",
    COUNT(CASE WHEN t3."day" > CAST('2024-01-01' AS date) THEN 1 END) AS "_6",
    NULLIF(REGR_SLOPE(t3."x", CAST(t3."session" AS double precision)), CAST('NaN' AS double precision)) AS "_7"
  FROM "lab"."session" AS t3
  GROUP BY
    t3."subject_id"
) AS t2
  ON t1."subject_id" = t2."subject_id"
