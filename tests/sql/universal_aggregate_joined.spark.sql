SELECT
  t1.`method`,
  t4.`w`
FROM `lab`.`#method` AS t1
JOIN (
  SELECT
    t2.`method`,
    MAX(t3.`weight`) AS `w`
  FROM `lab`.`session` AS t2
  JOIN `lab`.`subject` AS t3
    ON t2.`subject_id` = t3.`subject_id`
  WHERE
    NOT t2.`method` IS NULL
  GROUP BY
    t2.`method`
) AS t4
  ON t1.`method` = t4.`method`
