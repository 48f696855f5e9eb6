SELECT
  t1.`subject_id`,
  t2.`_1` AS `m`,
  COALESCE(t2.`_2`, 0) AS `days`
FROM `lab`.`subject` AS t1
LEFT JOIN (
  SELECT
    t3.`subject_id`,
    MAX(t3.`x`) AS `_1`,
    COUNT(DISTINCT t3.`day`) AS `_2`
  FROM `lab`.`session` AS t3
  WHERE
    t3.`x` > 0
    AND EXISTS(
      SELECT
        1
      FROM `lab`.`subject` AS t4
      WHERE
        t4.`name` LIKE 'A%' AND t4.`subject_id` = t3.`subject_id`
    )
  GROUP BY
    t3.`subject_id`
) AS t2
  ON t1.`subject_id` = t2.`subject_id`
WHERE
  t1.`name` LIKE 'A%'
