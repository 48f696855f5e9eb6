SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`
FROM `lab`.`session` AS t1
WHERE
  EXISTS(
    SELECT
      1
    FROM `lab`.`_trial` AS t2
    WHERE
      t2.`correct` = TRUE
      AND t2.`subject_id` = t1.`subject_id`
      AND t2.`session` = t1.`session`
  )
