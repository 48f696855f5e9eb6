SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`
FROM `lab`.`session` AS t1
WHERE
  NOT COALESCE(t1.`x` > 0, FALSE)
