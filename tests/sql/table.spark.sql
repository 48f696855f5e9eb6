SELECT
  t1.`subject_id`,
  t1.`name`,
  t1.`sex`,
  t1.`weight`
FROM `lab`.`subject` AS t1
