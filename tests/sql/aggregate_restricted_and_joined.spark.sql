SELECT
  t5.`subject_id`,
  t5.`session`,
  t1.`method`,
  t5.`n`
FROM `lab`.`#method` AS t1
JOIN (
  SELECT
    t2.`subject_id`,
    t2.`session`,
    t2.`method`,
    COALESCE(t3.`_1`, 0) AS `n`
  FROM `lab`.`session` AS t2
  LEFT JOIN (
    SELECT
      t4.`subject_id`,
      t4.`session`,
      COUNT(*) AS `_1`
    FROM `lab`.`_trial` AS t4
    GROUP BY
      t4.`subject_id`,
      t4.`session`
  ) AS t3
    ON t2.`subject_id` = t3.`subject_id` AND t2.`session` = t3.`session`
) AS t5
  ON t1.`method` = t5.`method`
WHERE
  t5.`n` > 1
