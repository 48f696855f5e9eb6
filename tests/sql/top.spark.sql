SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`
FROM `lab`.`session` AS t1
WHERE
  t1.`x` > 0
ORDER BY
  t1.`x` DESC,
  t1.`subject_id` ASC NULLS LAST,
  t1.`session` ASC NULLS LAST
LIMIT 5
OFFSET 10
