SELECT
  t1.`subject_id`,
  t2.`_1` AS `total`
FROM `lab`.`subject` AS t1
LEFT JOIN (
  SELECT
    t3.`subject_id`,
    CAST(SUM(COALESCE(t4.`_1`, 0)) AS BIGINT) AS `_1`
  FROM `lab`.`session` AS t3
  LEFT JOIN (
    SELECT
      t5.`subject_id`,
      t5.`session`,
      COUNT(*) AS `_1`,
      MIN(t5.`rt`) AS `_2`
    FROM `lab`.`_trial` AS t5
    GROUP BY
      t5.`subject_id`,
      t5.`session`
  ) AS t4
    ON t3.`subject_id` = t4.`subject_id` AND t3.`session` = t4.`session`
  GROUP BY
    t3.`subject_id`
) AS t2
  ON t1.`subject_id` = t2.`subject_id`
