SELECT
  t3.`subject_id`,
  t3.`session`
FROM (
  SELECT
    t1.`subject_id`,
    t1.`session`
  FROM `lab`.`session` AS t1
  WHERE
    t1.`x` > 0
  UNION
  SELECT
    t2.`subject_id`,
    t2.`session`
  FROM `lab`.`session` AS t2
) AS t3
