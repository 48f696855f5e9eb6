SELECT
  t2.`subject_id`,
  t2.`session`,
  t2.`method`,
  t2.`day`,
  t2.`x`
FROM (
  SELECT
    t1.`subject_id`,
    t1.`session`,
    t1.`method`,
    t1.`day`,
    t1.`x`
  FROM `lab`.`session` AS t1
  ORDER BY
    t1.`x` DESC,
    t1.`subject_id` ASC NULLS LAST,
    t1.`session` ASC NULLS LAST
  LIMIT 5
) AS t2
ORDER BY
  t2.`subject_id` ASC NULLS LAST,
  t2.`session` ASC NULLS LAST
LIMIT 2
OFFSET 3
