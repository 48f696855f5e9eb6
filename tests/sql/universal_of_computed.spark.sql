SELECT DISTINCT
  t2.`y`
FROM (
  SELECT
    t1.`subject_id`,
    t1.`session`,
    CAST(EXTRACT(YEAR FROM t1.`day`) AS BIGINT) AS `y`
  FROM `lab`.`session` AS t1
) AS t2
