SELECT
  t4.`subject_id`,
  t4.`session`,
  t4.`day`,
  t4.`x`
FROM (
  SELECT
    COALESCE(t2.`subject_id`, t3.`subject_id`) AS `subject_id`,
    COALESCE(t2.`session`, t3.`session`) AS `session`,
    t2.`day`,
    t3.`x`
  FROM (
    SELECT
      t1.`subject_id`,
      t1.`session`,
      t1.`day`
    FROM `lab`.`session` AS t1
    WHERE
      t1.`x` > 0
  ) AS t2
  FULL JOIN `lab`.`session` AS t3
    ON t2.`subject_id` = t3.`subject_id` AND t2.`session` = t3.`session`
) AS t4
WHERE
  t4.`x` > 1
