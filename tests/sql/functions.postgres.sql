SELECT
  t1."subject_id",
  t1."session",
  t1."trial",
  CAST(ROUND(CAST(CAST(t1."rt" AS text) AS numeric), 2) AS double precision) AS "r",
  CASE
    WHEN CAST(t1."rt" AS double precision) > 0
    OR CAST(t1."rt" AS double precision) < 0
    AND CAST(0.5 AS double precision) = FLOOR(CAST(0.5 AS double precision))
    OR CAST(t1."rt" AS double precision) = 0
    AND CAST(0.5 AS double precision) >= 0
    THEN POWER(CAST(t1."rt" AS double precision), CAST(0.5 AS double precision))
  END AS "p",
  CASE WHEN t1."correct" THEN 'yes' ELSE 'no' END AS "s",
  CAST(EXTRACT(YEAR FROM CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC') AS bigint) AS "y",
  CAST((EXTRACT(DOW FROM CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC') + 1) AS bigint) AS "d",
  CAST(t1."session" AS varchar) || '-' || CAST(t1."trial" AS varchar) AS "c",
  CASE
    WHEN t1."rt" IS NULL
    THEN NULL
    ELSE GREATEST(CAST(t1."rt" AS double precision), CAST(1 AS double precision))
  END AS "g",
  CASE
    WHEN CAST(t1."rt" AS double precision) > 0
    THEN LN(CAST(t1."rt" AS double precision)) / LN(CAST(2 AS double precision))
  END AS "l",
  LEFT(
    CAST(t1."trial" AS varchar),
    CAST(CASE WHEN t1."trial" < 0 THEN 0 ELSE t1."trial" END AS integer)
  ) AS "f"
FROM "lab"."_trial" AS t1
