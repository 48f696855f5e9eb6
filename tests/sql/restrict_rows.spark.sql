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
    FROM (VALUES (CAST(1 AS INT), CAST(2 AS SMALLINT)), (3, 4)) AS t2(`subject_id`, `session`)
    WHERE
      t2.`subject_id` = t1.`subject_id` AND t2.`session` = t1.`session`
  )
