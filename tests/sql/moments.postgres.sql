SELECT
  t1."subject_id",
  t1."session",
  t1."trial",
  (CASE WHEN (CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC' + 1 * INTERVAL '1 month') >= TIMESTAMP '0001-01-01' AND (CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC' + 1 * INTERVAL '1 month') < TIMESTAMP '10000-01-01' THEN (CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC' + 1 * INTERVAL '1 month') END AT TIME ZONE 'UTC') AS "later",
  (CASE WHEN (CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC' + INTERVAL '10000 years' + CAST(CASE WHEN (
    -(
      CAST(t1."trial" AS bigint)
    )
  ) BETWEEN -3660000 AND 3660000 THEN (
    -(
      CAST(t1."trial" AS bigint)
    )
  ) END AS integer) * INTERVAL '1 day') >= TIMESTAMP '10001-01-01' AND (CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC' + INTERVAL '10000 years' + CAST(CASE WHEN (
    -(
      CAST(t1."trial" AS bigint)
    )
  ) BETWEEN -3660000 AND 3660000 THEN (
    -(
      CAST(t1."trial" AS bigint)
    )
  ) END AS integer) * INTERVAL '1 day') < TIMESTAMP '20000-01-01' THEN (CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC' + INTERVAL '10000 years' + CAST(CASE WHEN (
    -(
      CAST(t1."trial" AS bigint)
    )
  ) BETWEEN -3660000 AND 3660000 THEN (
    -(
      CAST(t1."trial" AS bigint)
    )
  ) END AS integer) * INTERVAL '1 day') - INTERVAL '10000 years' END AT TIME ZONE 'UTC') AS "back",
  CAST(DIV((EXTRACT(EPOCH FROM CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC') - EXTRACT(EPOCH FROM CAST('2024-01-01 00:00:00+00:00' AS timestamptz) AT TIME ZONE 'UTC')) * 1000000, 604800000000) AS bigint) AS "weeks",
  CAST(DIV((EXTRACT(YEAR FROM CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC') * 12 + EXTRACT(MONTH FROM CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC')) * 2764800000000 + EXTRACT(EPOCH FROM CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC' - DATE_TRUNC('month', CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC')) * 1000000 - (EXTRACT(YEAR FROM CAST('2024-01-01 00:00:00+00:00' AS timestamptz) AT TIME ZONE 'UTC') * 12 + EXTRACT(MONTH FROM CAST('2024-01-01 00:00:00+00:00' AS timestamptz) AT TIME ZONE 'UTC')) * 2764800000000 - EXTRACT(EPOCH FROM CAST('2024-01-01 00:00:00+00:00' AS timestamptz) AT TIME ZONE 'UTC' - DATE_TRUNC('month', CAST('2024-01-01 00:00:00+00:00' AS timestamptz) AT TIME ZONE 'UTC')) * 1000000, 2764800000000 * 1) AS bigint) AS "months",
  (DATE_TRUNC('hour', CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') AS "start",
  TO_CHAR(CAST(t1."moment" AS timestamptz) AT TIME ZONE 'UTC', '"on "DD"."MM"."YYYY') AS "shown",
  CAST(t1."moment" AS timestamptz) > NOW() AS "recent"
FROM "lab"."_trial" AS t1
