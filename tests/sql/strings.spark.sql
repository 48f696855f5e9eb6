SELECT
  t1.`subject_id`,
  t1.`name`,
  t1.`sex`,
  t1.`weight`
FROM `lab`.`subject` AS t1
WHERE
  t1.`name` = 'O\'Neil \\ "x" %s; --' OR t1.`name` IN ('a', 'b')
