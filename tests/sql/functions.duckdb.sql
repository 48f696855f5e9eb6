SELECT
  t1."subject_id",
  t1."session",
  t1."trial",
  CAST(COALESCE(CAST(ROUND(TRY_CAST(CAST(t1."rt" AS VARCHAR) AS DECIMAL(38,20)), 2) AS DOUBLE), ROUND(CAST(t1."rt" AS DOUBLE), 2)) AS DOUBLE) AS "r",
  CASE
    WHEN CAST(t1."rt" AS DOUBLE) > 0
    OR CAST(t1."rt" AS DOUBLE) < 0
    AND CAST(0.5 AS DOUBLE) = FLOOR(CAST(0.5 AS DOUBLE))
    OR CAST(t1."rt" AS DOUBLE) = 0
    AND CAST(0.5 AS DOUBLE) >= 0
    THEN POWER(CAST(t1."rt" AS DOUBLE), CAST(0.5 AS DOUBLE))
  END AS "p",
  CASE WHEN t1."correct" THEN 'yes' ELSE 'no' END AS "s",
  CAST(EXTRACT(YEAR FROM t1."moment") AS BIGINT) AS "y",
  CAST((EXTRACT(DOW FROM t1."moment") + 1) AS BIGINT) AS "d",
  CAST(t1."session" AS VARCHAR) || '-' || CAST(t1."trial" AS VARCHAR) AS "c",
  CASE
    WHEN t1."rt" IS NULL
    THEN NULL
    ELSE GREATEST(CAST(t1."rt" AS DOUBLE), CAST(1 AS DOUBLE))
  END AS "g",
  CASE
    WHEN CAST(t1."rt" AS DOUBLE) > 0
    THEN LN(CAST(t1."rt" AS DOUBLE)) / LN(CAST(2 AS DOUBLE))
  END AS "l",
  LEFT(
    CAST(t1."trial" AS VARCHAR),
    CAST(CASE WHEN t1."trial" < 0 THEN 0 ELSE t1."trial" END AS INTEGER)
  ) AS "f"
FROM "lab"."_trial" AS t1
